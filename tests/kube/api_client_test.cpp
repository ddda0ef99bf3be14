#include "kube/api_client.hpp"

#include "tests/kube/objects.hpp"
#include "tests/support/scripted_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <future>

using namespace tc;
using namespace tc::kube;
using namespace tc::testing;
using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

const resource_ref traces{"notification.toolkit.fluxcd.io", "v1", "Trace", "traces"};

/// Its token is renewed by a refusal.
class renewable_access : public access_source {
public:
  explicit renewable_access(std::string server) : server_(std::move(server)) {}
  void get(std::function<void(access_result)> done) override {
    if (!problem.empty())
      done(tl::unexpected(access_error{problem}));
    else
      done(cluster_access{
          server_, nullptr, {"Authorization: Bearer token-" + std::to_string(refusals)}, std::string{}});
  }
  void refused() override { ++refusals; }
  std::string default_namespace() const override { return {}; }
  std::string description() const override { return server_; }

  std::atomic<int> refusals{0};
  std::string problem;

private:
  std::string server_;
};

class client : public ::testing::Test {
protected:
  template <class Result, class Call>
  static Result await(Call&& call) {
    auto done = std::make_shared<std::promise<Result>>();
    auto result = done->get_future();
    call([done](Result outcome) { done->set_value(std::move(outcome)); });
    if (result.wait_for(generous_limit) != std::future_status::ready)
      throw std::runtime_error{"no answer in time"};
    return result.get();
  }

  api_result get() {
    return await<api_result>([&](api_callback done) { api.get(traces, "apps", "t", std::move(done)); });
  }

  scripted_request last() { return server.requests().back(); }

  scripted_response answer = scripted_response::json("{}");
  std::function<scripted_response(const scripted_request&)> script;
  scripted_server server{
      [this](const scripted_request& request) { return script ? script(request) : answer; }};
  std::shared_ptr<renewable_access> access = std::make_shared<renewable_access>(server.url());
  runtime::http_loop loop;
  cluster target{loop, access};
  api_client api{target, [] { return timestamp{1'700'000'000s + 123ms}; }};
};

} // namespace

TEST_F(client, gets_an_object) {
  answer = scripted_response::json(object("t", 1));
  EXPECT_EQ(get().value(), object("t", 1));
  EXPECT_EQ(last().method, "GET");
  EXPECT_EQ(last().target, "/apis/notification.toolkit.fluxcd.io/v1/namespaces/apps/traces/t");
  EXPECT_EQ(last().header("authorization"), "Bearer token-0");
}

TEST_F(client, patches_a_status_with_a_json_patch) {
  EXPECT_TRUE(await<api_result>(
      [&](api_callback done) { api.patch_status(traces, "apps", "t", "[]", std::move(done)); }));
  EXPECT_EQ(last().method, "PATCH");
  EXPECT_EQ(last().path(), "/apis/notification.toolkit.fluxcd.io/v1/namespaces/apps/traces/t/status");
  EXPECT_EQ(last().query("fieldManager"), "trace-controller");
  EXPECT_EQ(last().header("content-type"), "application/json-patch+json");
  EXPECT_EQ(last().body, "[]");
}

TEST_F(client, creates_an_object) {
  EXPECT_TRUE(await<api_result>([&](api_callback done) {
    api.create({"", "v1", "Event", "events"}, "apps", R"({"kind":"Event"})", std::move(done));
  }));
  EXPECT_EQ(last().method, "POST");
  EXPECT_EQ(last().path(), "/api/v1/namespaces/apps/events");
  EXPECT_EQ(last().query("fieldManager"), "trace-controller");
  EXPECT_EQ(last().header("content-type"), "application/json");
  EXPECT_EQ(last().body, R"({"kind":"Event"})");
}

TEST_F(client, reads_a_secret) {
  answer = scripted_response::json(R"({"kind":"Secret","data":{"token":"czNjcmV0","empty":""}})");
  auto secret = [&] {
    return await<tl::expected<secret_values, api_error>>(
        [&](auto done) { api.get_secret("apps", "s", std::move(done)); });
  };
  EXPECT_EQ(secret().value(), (secret_values{{"token", "s3cret"}, {"empty", ""}}));
  EXPECT_EQ(last().target, "/api/v1/namespaces/apps/secrets/s");
  answer = scripted_response::json(R"({"kind":"Secret","data":{"token":"s3cret!!"}})");
  EXPECT_THAT(secret().error().message,
              AllOf(HasSubstr("apps/s"), HasSubstr("\"token\""), Not(HasSubstr("s3cret"))));
  for (const auto* empty : {R"({"kind":"Secret"})", R"({"kind":"Secret","data":null})"}) {
    answer = scripted_response::json(empty);
    EXPECT_TRUE(secret().value().empty());
  }
  for (const auto* wrong :
       {"garbage czNjcmV0", "[]", R"({"data":"czNjcmV0"})", R"({"data":{"a":["czNjcmV0"]}})"}) {
    answer = scripted_response::json(wrong);
    EXPECT_THAT(secret().error().message, Not(HasSubstr("czNjcmV0"))) << wrong;
  }
}

TEST_F(client, errors_are_told_apart) {
  struct expectation {
    int status;
    api_failure kind;
    bool temporary;
  };
  for (auto [code, kind, temporary] : {expectation{400, api_failure::invalid, false},
                                       {403, api_failure::forbidden, false},
                                       {404, api_failure::not_found, false},
                                       {409, api_failure::conflict, false},
                                       {410, api_failure::gone, false},
                                       {422, api_failure::invalid, false},
                                       {429, api_failure::too_many_requests, true},
                                       {500, api_failure::server, true}}) {
    answer = scripted_response::json(status(code, "Because", "the reason why"), code);
    answer.headers.emplace_back("Retry-After", "3");
    auto error = get().error();
    EXPECT_EQ(error.kind, kind) << code;
    EXPECT_EQ(error.status, code);
    EXPECT_EQ(error.reason, "Because");
    EXPECT_EQ(error.retry_after, 3s);
    EXPECT_EQ(error.is_temporary(), temporary) << code;
    EXPECT_THAT(error.message, AllOf(HasSubstr("GET /apis/"), HasSubstr("the reason why")));
  }
  answer.no_answer = true;
  answer.end = ending::cut;
  EXPECT_EQ(get().error().kind, api_failure::transport);
  access->problem = "the client certificate expired";
  EXPECT_EQ(get().error().kind, api_failure::access);
  EXPECT_THAT(get().error().message, HasSubstr("the client certificate expired"));
}

TEST_F(client, a_401_is_repeated_once_with_renewed_credentials) {
  script = [](const scripted_request& request) {
    bool renewed = request.header("authorization") == "Bearer token-1";
    return renewed ? scripted_response::json("{}")
                   : scripted_response::json(status(401, "Unauthorized", "no"), 401);
  };
  EXPECT_TRUE(get());
  EXPECT_EQ(server.requests().size(), 2U);
  access->refusals = 5;
  EXPECT_EQ(get().error().kind, api_failure::unauthorized);
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST_F(client, a_request_after_the_end_of_the_loop_is_cancelled) {
  loop.stop();
  EXPECT_EQ(get().error().kind, api_failure::cancelled);
}
