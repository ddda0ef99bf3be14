// From objects, as reflectors tell them, to what the actors get.

#include "runtime/program/cluster_feed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace tc;
using namespace tc::runtime;
using kube::reflector_status;
using kube::watch_type;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

const kube::resource_ref kustomizations{"kustomize.toolkit.fluxcd.io", "v1", "Kustomization",
                                        "kustomizations"};
const kube::resource_ref traces{"notification.toolkit.fluxcd.io", "v1", "Trace", "traces"};
const kube::resource_ref providers{"notification.toolkit.fluxcd.io", "v1beta3", "Provider", "providers"};

std::string object(const std::string& kind, const std::string& name, const std::string& rest) {
  auto group = kind == "Kustomization" ? "kustomize" : "notification";
  return std::string{R"({"apiVersion":")"} + group + R"(.toolkit.fluxcd.io/v1","kind":")" + kind +
         R"(","metadata":{"namespace":"apps","name":")" + name + R"(","uid":"uid-)" + name +
         R"(","resourceVersion":"1"})" + rest + "}";
}

std::string kustomization(const std::string& name) {
  return object("Kustomization", name, R"(,"spec":{"sourceRef":{"kind":"GitRepository","name":"demo"}})");
}

std::string trace(const std::string& name) {
  return object(
      "Trace", name,
      R"(,"spec":{"providerRef":{"name":"b"},"eventSources":[{"kind":"Kustomization","name":"*"}]})");
}

std::string provider(const std::string& name) {
  return object("Provider", name, R"(,"spec":{"type":"otlp","address":"http://c"})");
}

struct cluster_feed_test : ::testing::Test {
  cluster_feed::outputs outputs() {
    cluster_feed::outputs out;
    out.observations = [this](const observation_batch_ptr& batch, timestamp at) {
      batches.push_back(batch->size());
      latest = at;
    };
    out.trace = [this](const trace_resource& spec, std::string_view) {
      told.push_back("trace " + spec.name);
    };
    out.trace_gone = [this](const std::string& uid) { told.push_back("trace gone " + uid); };
    out.provider = [this](const provider_resource& spec) { told.push_back("provider " + spec.name); };
    out.provider_gone = [this](const std::string& space, const std::string& name) {
      told.push_back("provider gone " + space + '/' + name);
    };
    out.broken = [this](std::string_view kind, std::string_view name, std::string_view problem) {
      told.push_back("broken " + std::string{kind} + ' ' + std::string{name} + ": " + std::string{problem});
    };
    out.bad_trace = [this](const trace_resource& refused, const kube::decode_error&) {
      told.push_back("bad trace " + refused.namespace_name + '/' + refused.name + ' ' + refused.uid + ' ' +
                     std::to_string(refused.generation) + ": " + refused.refused);
    };
    out.synced = [this](const std::string& without) {
      told.push_back(without.empty() ? "synced" : "synced without " + without);
    };
    return out;
  }

  void tell(const kube::resource_ref& resource, const std::string& json,
            watch_type type = watch_type::added) {
    feed.on_object(resource, type, json, now, arrival::live);
  }

  timestamp now{std::chrono::seconds{5}};
  std::vector<std::size_t> batches;
  timestamp latest;
  std::vector<std::string> told;
  cluster_feed feed{outputs(), 3, 3};
};

} // namespace

TEST_F(cluster_feed_test, observations_travel_in_batches) {
  for (const auto* name : {"a", "b", "c", "d"})
    tell(kustomizations, kustomization(name));
  EXPECT_THAT(batches, ElementsAre(3U));
  feed.flush();
  feed.flush();
  EXPECT_THAT(batches, ElementsAre(3U, 1U));
  EXPECT_EQ(latest, now);
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(cluster_feed_test, traces_and_providers_go_their_own_ways) {
  tell(traces, trace("t"));
  tell(traces, trace("t"), watch_type::modified);
  tell(providers, provider("p"));
  tell(providers, provider("p"), watch_type::deleted);
  tell(traces, trace("t"), watch_type::deleted);
  feed.flush();
  EXPECT_THAT(batches, IsEmpty());
  EXPECT_THAT(told,
              ElementsAre("trace t", "trace t", "provider p", "provider gone apps/p", "trace gone uid-t"));
}

TEST_F(cluster_feed_test, a_deletion_that_was_missed_comes_without_a_spec) {
  tell(traces, object("Trace", "t", ""), watch_type::deleted);
  tell(providers, object("Provider", "p", ""), watch_type::deleted);
  EXPECT_THAT(told, ElementsAre("trace gone uid-t", "provider gone apps/p"));
}

TEST_F(cluster_feed_test, a_broken_object_is_reported_and_the_next_one_read) {
  tell(kustomizations, R"({"kind":"Kustomization")");
  tell(providers, object("Provider", "p", R"(,"spec":{})"));
  tell(traces, object("Trace", "t", R"(,"spec":{})"));
  tell(kustomizations, kustomization("a"));
  feed.on_error(kustomizations, "apps/x", "too large");
  feed.flush();
  EXPECT_THAT(batches, ElementsAre(1U));
  EXPECT_THAT(told,
              ElementsAre(HasSubstr("broken Kustomization"), HasSubstr("broken Provider Provider/apps/p"),
                          HasSubstr("bad trace apps/t "), "broken Kustomization apps/x: too large"));
}

TEST_F(cluster_feed_test, the_first_lists_are_complete_once_and_what_was_listed_is_told_before) {
  tell(kustomizations, kustomization("a"));
  feed.on_state(kustomizations, reflector_status::listing, "");
  feed.on_synced(kustomizations);
  feed.on_synced(traces);
  EXPECT_FALSE(feed.is_synced());
  EXPECT_THAT(told, IsEmpty());
  feed.on_state(providers, reflector_status::listing, "");
  EXPECT_EQ(feed.waiting_for(), "Provider.notification.toolkit.fluxcd.io");
  EXPECT_THAT(batches, IsEmpty());
  feed.on_synced(providers);
  EXPECT_TRUE(feed.is_synced());
  EXPECT_EQ(feed.waiting_for(), "");
  EXPECT_THAT(batches, ElementsAre(1U));
  feed.on_synced(providers);
  EXPECT_THAT(told, ElementsAre("synced"));
}

TEST_F(cluster_feed_test, kinds_that_cannot_be_had_keep_nobody_waiting) {
  feed.on_synced(kustomizations);
  feed.on_state(traces, reflector_status::absent, "not installed");
  feed.on_state(providers, reflector_status::failing, "500");
  EXPECT_FALSE(feed.is_synced());
  feed.on_state(providers, reflector_status::forbidden, "no");
  EXPECT_TRUE(feed.is_synced());
  // A kind that comes later does not undo it.
  feed.on_state(providers, reflector_status::listing, "");
  EXPECT_TRUE(feed.is_synced());
  EXPECT_THAT(told, ElementsAre("synced"));
}

TEST_F(cluster_feed_test, kinds_that_never_answer_are_gone_on_without_once_there_is_something_to_trace) {
  const kube::resource_ref sources{"source.toolkit.fluxcd.io", "v1", "GitRepository", "gitrepositories"};
  feed.on_state(traces, reflector_status::listing, "");
  feed.on_state(sources, reflector_status::failing, "no route");
  EXPECT_FALSE(feed.wait_no_longer()); // the API server is away
  feed.on_synced(sources);
  EXPECT_FALSE(feed.wait_no_longer());
  EXPECT_FALSE(feed.is_synced());
  feed.on_synced(traces);
  feed.on_state(providers, reflector_status::failing, "500");
  EXPECT_TRUE(feed.wait_no_longer());
  EXPECT_TRUE(feed.is_synced());
  EXPECT_THAT(told, ElementsAre("synced without Provider.notification.toolkit.fluxcd.io"));
}
