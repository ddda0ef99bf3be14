#include "kube/discovery.hpp"

#include "tests/support/scripted_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <mutex>

using namespace tc;
using namespace tc::kube;
using namespace tc::testing;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

std::string group(const std::vector<std::string>& versions) {
  std::string result = R"({"kind":"APIGroup","apiVersion":"v1","name":"g","versions":[)";
  const char* separator = "";
  for (const auto& version : versions) {
    result.append(separator).append("{\"groupVersion\":\"g/").append(version);
    result.append("\",\"version\":\"").append(version).append("\"}");
    separator = ",";
  }
  return result + "]}";
}

std::string resources(const std::map<std::string, std::string>& plurals) {
  std::string result = R"({"kind":"APIResourceList","resources":[{"name":"x/status","kind":"OCIRepository"})";
  for (const auto& [kind, plural] : plurals)
    result += R"(,{"name":")" + plural + R"(","kind":")" + kind + "\"}";
  return result + "]}";
}

class discovering : public ::testing::Test {
protected:
  discovery::answer resolve(std::string_view kind) {
    auto done = std::make_shared<std::promise<discovery::answer>>();
    auto result = done->get_future();
    loop.post([&, done] {
      versions.resolve(*find_watched_kind({}, kind),
                       [done](discovery::answer answer) { done->set_value(answer); });
    });
    if (result.wait_for(generous_limit) != std::future_status::ready)
      throw std::runtime_error{"no answer in time"};
    return result.get();
  }

  void serve(const std::string& path, const std::string& body, int status = 200) {
    std::lock_guard guard{mutex};
    pages[path] = scripted_response::json(body, status);
  }

  ~discovering() override { loop.stop(); }

  std::mutex mutex;
  std::map<std::string, scripted_response> pages;
  scripted_server server{[this](const scripted_request& request) {
    std::lock_guard guard{mutex};
    auto found = pages.find(request.path());
    return found == pages.end() ? scripted_response::json("404 page not found", 404) : found->second;
  }};
  runtime::http_loop loop;
  cluster target{loop,
                 std::make_shared<fixed_access>(cluster_access{server.url(), nullptr, {}, std::string{}})};
  std::atomic<timestamp> now{timestamp{1s}};
  discovery versions{target, [this] { return now.load(); }};
};

const std::string source = "/apis/source.toolkit.fluxcd.io";

} // namespace

TEST_F(discovering, takes_the_preferred_version_that_has_the_kind) {
  // Flux 2.4: the group serves v1, but OCIRepository is still v1beta2.
  serve(source, group({"v1", "v1beta2"}));
  serve(source + "/v1", resources({{"GitRepository", "gitrepositories"}}));
  serve(source + "/v1beta2",
        resources({{"GitRepository", "gitrepositories"}, {"OCIRepository", "ocirepositories"}}));
  EXPECT_EQ(resolve("OCIRepository").value(),
            (resource_ref{"source.toolkit.fluxcd.io", "v1beta2", "OCIRepository", "ocirepositories"}));
  EXPECT_EQ(resolve("GitRepository").value()->version, "v1");
  EXPECT_EQ(resolve("Bucket").value(), std::nullopt);
}

TEST_F(discovering, core_kinds_have_no_group) {
  serve("/api/v1", resources({{"Event", "events"}}));
  EXPECT_EQ(resolve("Event").value()->api_version(), "v1");
}

TEST_F(discovering, a_group_that_is_not_served_or_only_in_unknown_versions_is_absent) {
  EXPECT_EQ(resolve("HelmRelease").value(), std::nullopt);
  now = now.load() + 1h;
  serve("/apis/helm.toolkit.fluxcd.io", group({"v9"}));
  serve("/apis/helm.toolkit.fluxcd.io/v9", resources({{"HelmRelease", "helmreleases"}}));
  EXPECT_EQ(resolve("HelmRelease").value(), std::nullopt);
}

TEST_F(discovering, answers_are_kept_for_a_while) {
  serve(source, group({"v1"}));
  serve(source + "/v1", resources({}));
  EXPECT_EQ(resolve("Bucket").value(), std::nullopt);
  EXPECT_EQ(resolve("HelmChart").value(), std::nullopt);
  EXPECT_EQ(server.requests().size(), 2U);
  serve(source + "/v1", resources({{"Bucket", "buckets"}}));
  now = now.load() + 6s;
  EXPECT_TRUE(resolve("Bucket").value());
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST_F(discovering, failures_are_told_and_not_kept) {
  serve(source, "{}", 503);
  EXPECT_THAT(resolve("Bucket").error(), HasSubstr("503"));
  serve(source, "<html>");
  EXPECT_THAT(resolve("Bucket").error(), HasSubstr("APIGroup"));
  serve(source, group({"v1"}));
  serve(source + "/v1", "[]");
  EXPECT_THAT(resolve("Bucket").error(), HasSubstr("APIResourceList"));
}

TEST(resources, every_kind_is_found_and_named_once) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const auto& kind : watched_kinds()) {
    EXPECT_EQ(find_watched_kind(kind.group, kind.kind), &kind);
    EXPECT_TRUE(seen.insert({kind.group, kind.kind}).second);
    EXPECT_FALSE(kind.versions[0].empty());
  }
  EXPECT_EQ(seen.size(), 17U);
  EXPECT_EQ(find_watched_kind({}, "Secret"), nullptr);
}

TEST(resources, paths) {
  resource_ref trace{"g.io", "v1", "Trace", "traces"};
  EXPECT_EQ(collection_path(trace, ""), "/apis/g.io/v1/traces");
  EXPECT_EQ(object_path(trace, "a b", "c/d", "status"), "/apis/g.io/v1/namespaces/a%20b/traces/c%2Fd/status");
  EXPECT_EQ(object_path({"", "v1", "Node", "nodes"}, "", "n"), "/api/v1/nodes/n");
}

TEST(discovery_documents, are_parsed) {
  EXPECT_THAT(*parse_group_versions(group({"v2", "v1"})), ElementsAre("v2", "v1"));
  EXPECT_EQ(parse_group_versions("{}"), std::nullopt);
  EXPECT_THAT(*parse_resource_list(resources({{"A", "as"}})),
              ElementsAre(std::pair<std::string, std::string>{"A", "as"}));
  EXPECT_EQ(parse_resource_list("nothing"), std::nullopt);
}
