// The requests beside the watches: Secrets read, status written.

#include "runtime/program/cluster_writer.hpp"

#include "tests/support/scripted_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

using namespace tc;
using namespace tc::runtime;
using namespace tc::testing;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

/// A writer to an API server that answers everything the same way.
struct cluster_writer_test : ::testing::Test {
  std::string patch() {
    std::promise<std::string> result;
    trace_status about;
    about.namespace_name = "apps";
    about.name = "t";
    about.uid = "uid-1";
    writer.patch_trace_status(about, "[]", [&](std::string error) { result.set_value(error); });
    return result.get_future().get();
  }
  provider_registry::secret_result read() {
    std::promise<provider_registry::secret_result> result;
    writer.read_secret("apps", "s", [&](auto secret) { result.set_value(std::move(secret)); });
    return result.get_future().get();
  }

  scripted_response answer = scripted_response::json("{}");
  scripted_response next = scripted_response::json("{}");   ///< what a further page is answered with
  scripted_response object = scripted_response::json("{}"); ///< what a GET of the Trace is answered with
  scripted_server server{[this](const scripted_request& request) {
    if (!request.query("continue").empty())
      return next;
    return request.path() == "/apis/notification.toolkit.fluxcd.io/v1/namespaces/apps/traces/t" ? object
                                                                                                : answer;
  }};
  http_loop loop;
  kube::cluster target{loop, std::make_shared<kube::fixed_access>(
                                 kube::cluster_access{server.url(), nullptr, {}, std::string{}})};
  cluster_writer writer{target, [] { return timestamp{}; }};
};

} // namespace

TEST_F(cluster_writer_test, the_status_is_a_json_patch_in_the_version_that_is_served) {
  EXPECT_EQ(patch(), "");
  writer.use_trace_resource({"notification.toolkit.fluxcd.io", "v1beta1", "Trace", "traces"});
  EXPECT_EQ(patch(), "");
  auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].method, "PATCH");
  EXPECT_EQ(requests[0].path(), "/apis/notification.toolkit.fluxcd.io/v1/namespaces/apps/traces/t/status");
  EXPECT_EQ(requests[0].query("fieldManager"), "trace-controller");
  EXPECT_EQ(requests[0].header("content-type"), "application/json-patch+json");
  EXPECT_EQ(requests[0].body, "[]");
  EXPECT_EQ(requests[1].path(),
            "/apis/notification.toolkit.fluxcd.io/v1beta1/namespaces/apps/traces/t/status");
}

TEST_F(cluster_writer_test, what_the_api_server_says_is_the_error) {
  answer = scripted_response::json(R"({"kind":"Status","message":"traces \"t\" is forbidden"})", 403);
  EXPECT_THAT(patch(), HasSubstr("traces \"t\" is forbidden"));
  answer = scripted_response::json("oops", 500);
  EXPECT_THAT(patch(), HasSubstr("HTTP 500"));
  answer = scripted_response::json("", 404);
  EXPECT_EQ(patch(), ""); // the Trace is gone
}

TEST_F(cluster_writer_test, why_a_secret_cannot_be_had) {
  answer = scripted_response::json(R"({"kind":"Status","message":"secrets \"s\" not found"})", 404);
  auto secret = read();
  ASSERT_FALSE(secret);
  EXPECT_TRUE(secret.error().missing);
  EXPECT_THAT(secret.error().message, HasSubstr("secrets \"s\" not found"));
  answer.status = 403;
  EXPECT_TRUE(read().error().forbidden);
  answer = scripted_response::json(R"({"kind":"Secret","data":{"a":"%PLANTED%"}})");
  secret = read();
  ASSERT_FALSE(secret);
  EXPECT_FALSE(secret.error().missing || secret.error().forbidden);
  EXPECT_THAT(secret.error().message, Not(HasSubstr("PLANTED")));
  answer = scripted_response::json(R"({"kind":"Secret","data":{"a":"aGVsbG8="}})");
  EXPECT_EQ(read()->at("a"), "hello");
}

TEST_F(cluster_writer_test, a_status_for_a_trace_that_another_one_replaced_is_no_error) {
  answer = scripted_response::json(R"({"kind":"Status","message":"the server rejected our request"})", 422);
  object = scripted_response::json(R"({"metadata":{"uid":"uid-2"}})");
  EXPECT_EQ(patch(), "");
  object = scripted_response::json(R"({"kind":"Status"})", 404);
  EXPECT_EQ(patch(), "");
}

TEST_F(cluster_writer_test, a_status_that_the_schema_refuses_is_an_error) {
  answer = scripted_response::json(R"({"kind":"Status","message":"status.reason: Invalid value"})", 422);
  object = scripted_response::json(R"({"metadata":{"uid":"uid-1"}})");
  EXPECT_THAT(patch(), HasSubstr("status.reason: Invalid value"));
  object = scripted_response::json(R"({"kind":"Status"})", 500); // nobody knows
  EXPECT_THAT(patch(), HasSubstr("status.reason: Invalid value"));
}

TEST_F(cluster_writer_test, traces_are_listed_page_by_page) {
  std::vector<std::string> seen;
  auto list = [&] {
    std::promise<std::string> result;
    writer.list_traces(
        "apps", "a=b", [&](const std::string& trace) { seen.push_back(trace); },
        [&](const std::string& error) { result.set_value(error); });
    return result.get_future().get();
  };
  answer = scripted_response::json(R"({"metadata":{},"items":[{"metadata":{"uid":"1"}}]})");
  EXPECT_EQ(list(), "");
  EXPECT_THAT(seen, ::testing::ElementsAre(R"({"metadata":{"uid":"1"}})"));
  auto first = server.requests().at(0);
  EXPECT_EQ(first.path(), "/apis/notification.toolkit.fluxcd.io/v1/namespaces/apps/traces");
  EXPECT_EQ(first.query("limit"), "500");
  EXPECT_EQ(first.query("labelSelector"), "a=b");
  EXPECT_EQ(first.query("resourceVersion"), "") << "as it is now, not as a cache has it";
  next = scripted_response::json(R"({"metadata":{},"items":[{"metadata":{"uid":"2"}}]})");
  answer = scripted_response::json(R"({"metadata":{"continue":"a&b"},"items":[]})");
  EXPECT_EQ(list(), "");
  EXPECT_EQ(seen.size(), 2u);
  answer = scripted_response::json("", 404);
  EXPECT_EQ(list(), "") << "there are no Traces in this cluster";
  answer = scripted_response::json("{}");
  EXPECT_THAT(list(), HasSubstr("is none"));
  answer = scripted_response::json(R"({"kind":"Status","message":"traces is forbidden"})", 403);
  EXPECT_THAT(list(), HasSubstr("traces is forbidden"));
}
