// What an answer means, and how long to wait.

#include "export/grpc_status.hpp"
#include "export/retry.hpp"
#include "export/text.hpp"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "rpc_status.pb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace tc::exporting {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr std::string_view protobuf = "application/x-protobuf";

attempt_result otlp(int status, std::string_view type = "", std::string_view body = "",
                    std::optional<duration> retry_after = std::nullopt) {
  return read_otlp_answer({status, type, body, retry_after});
}

TEST(read_otlp_answer, repeats_four_statuses_and_no_others) {
  for (int status = 300; status < 600; ++status) {
    bool repeats = status == 429 || status == 502 || status == 503 || status == 504;
    auto result = otlp(status);
    EXPECT_EQ(result.outcome, repeats ? attempt_outcome::retry : attempt_outcome::rejected) << status;
    EXPECT_EQ(result.reason, "status_" + std::to_string(status));
    EXPECT_THAT(result.message, HasSubstr(std::to_string(status)));
  }
}

TEST(read_otlp_answer, passes_on_how_long_to_wait_only_where_it_repeats) {
  EXPECT_EQ(otlp(429, "", "", seconds{7}).retry_after, seconds{7});
  EXPECT_EQ(otlp(503, "", "", seconds{0}).retry_after, seconds{0});
  EXPECT_EQ(otlp(503).retry_after, std::nullopt);
  EXPECT_EQ(otlp(400, "", "", seconds{7}).retry_after, std::nullopt);
}

TEST(read_otlp_answer, takes_an_empty_or_a_full_response_for_success) {
  for (auto status : {200, 202, 204})
    EXPECT_EQ(otlp(status, protobuf).outcome, attempt_outcome::delivered);
  EXPECT_EQ(otlp(200, "application/json; charset=utf-8", "{}").outcome, attempt_outcome::delivered);
  EXPECT_EQ(otlp(200, "application/json", R"({"partialSuccess":{}})").reason, "ok");
  EXPECT_EQ(otlp(200, "", R"({"partialSuccess":null})").reason, "ok");
}

TEST(read_otlp_answer, counts_a_partial_success_and_never_repeats_it) {
  ExportTraceServiceResponse response;
  response.mutable_partial_success()->set_rejected_spans(3);
  response.mutable_partial_success()->set_error_message("too\nold");
  for (auto result : {otlp(200, protobuf, response.SerializeAsString()),
                      otlp(200, "application/json",
                           R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"too\nold"}})"),
                      otlp(200, "application/json",
                           R"({"partialSuccess":{"rejectedSpans":3,"errorMessage":"too\nold"}})")}) {
    EXPECT_EQ(result.outcome, attempt_outcome::delivered);
    EXPECT_EQ(result.reason, "partial_success");
    EXPECT_EQ(result.rejected_spans, 3);
    EXPECT_EQ(result.message, "too old");
  }
}

TEST(read_otlp_answer, reports_a_warning_of_a_full_success) {
  auto result = otlp(200, "application/json", R"({"partialSuccess":{"errorMessage":"deprecated"}})");
  EXPECT_EQ(result.outcome, attempt_outcome::delivered);
  EXPECT_EQ(result.reason, "warning");
  EXPECT_EQ(result.rejected_spans, 0);
  EXPECT_EQ(result.message, "deprecated");
}

TEST(read_otlp_answer, refuses_success_of_someone_who_does_not_speak_otlp) {
  for (auto [type, body] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"text/html", "<html>please log in</html>"},
           {"text/plain", "OK"},
           {"", "OK"},
           {"application/json", "[]"},
           {"application/json", "{\"partialSuccess\":"},
           {"application/json", "{\"partialSuccess\":5}"},
           {protobuf, "\xff\xff\xff"}}) {
    auto result = otlp(200, type, body);
    EXPECT_EQ(result.outcome, attempt_outcome::rejected) << body;
    EXPECT_EQ(result.reason, "undecodable_response");
    EXPECT_THAT(result.message, HasSubstr("OTLP receiver"));
  }
}

TEST(read_otlp_answer, reads_the_reason_of_an_error) {
  proto::RpcStatus status;
  status.set_code(3);
  status.set_message("span 7 has no name");
  // A message of a newer protocol, with details that we do not know.
  auto with_details = status.SerializeAsString() + std::string{"\x1a\x02\x0a\x00", 4};
  EXPECT_THAT(otlp(400, protobuf, with_details).message, HasSubstr("400: span 7 has no name"));
  EXPECT_THAT(otlp(400, "application/json", R"({"code":3,"message":"no name"})").message,
              HasSubstr("400: no name"));
  EXPECT_THAT(otlp(500, "text/plain", "line 1\nline 2").message, HasSubstr("500: line 1 line 2"));
  EXPECT_EQ(otlp(500, protobuf, "\xff\xff").message, "the backend answered 500");
  EXPECT_LT(otlp(500, "text/plain", std::string(100'000, 'x')).message.size(), 5000U);
  EXPECT_TRUE(is_valid_utf8(otlp(500, "text/plain", "\xff\xfe").message));
}

TEST(read_otlp_answer, says_what_to_do_about_redirects_and_wrong_paths) {
  EXPECT_THAT(otlp(308).message, HasSubstr("redirects are not followed"));
  EXPECT_THAT(otlp(404).message, HasSubstr("check the path"));
}

TEST(read_zipkin_answer, does_not_read_the_body_of_a_success) {
  EXPECT_EQ(read_zipkin_answer({202, "text/html", "<p>", {}}).outcome, attempt_outcome::delivered);
  EXPECT_EQ(read_zipkin_answer({503, "", "", seconds{2}}).outcome, attempt_outcome::retry);
  EXPECT_EQ(read_zipkin_answer({503, "", "", seconds{2}}).retry_after, seconds{2});
  EXPECT_EQ(read_zipkin_answer({400, "", "bad", {}}).outcome, attempt_outcome::rejected);
}

TEST(read_grpc_failure, repeats_what_the_specification_names) {
  for (int code = 1; code <= 17; ++code) {
    bool repeats = code == 1 || code == 4 || code == 10 || code == 11 || code == 14 || code == 15;
    auto result = read_grpc_failure(code, "why", "");
    EXPECT_EQ(result.outcome, repeats ? attempt_outcome::retry : attempt_outcome::rejected) << code;
    EXPECT_THAT(result.message, HasSubstr(grpc_code_name(code) + ": why"));
  }
  EXPECT_EQ(read_grpc_failure(14, "", "").reason, "grpc_unavailable");
  EXPECT_EQ(read_grpc_failure(99, "", "").reason, "grpc_99");
}

TEST(read_grpc_failure, repeats_resource_exhausted_only_when_told_when) {
  proto::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(5);
  info.mutable_retry_delay()->set_nanos(500'000'000);
  proto::RpcStatus status;
  status.add_details()->set_type_url("type.googleapis.com/google.rpc.DebugInfo");
  EXPECT_EQ(read_grpc_failure(8, "", status.SerializeAsString()).outcome, attempt_outcome::rejected);
  auto* detail = status.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  detail->set_value(info.SerializeAsString());
  auto result = read_grpc_failure(8, "", status.SerializeAsString());
  EXPECT_EQ(result.outcome, attempt_outcome::retry);
  EXPECT_EQ(result.retry_after, milliseconds{5500});
  EXPECT_EQ(read_grpc_failure(14, "", status.SerializeAsString()).retry_after, milliseconds{5500});
  EXPECT_EQ(read_grpc_failure(3, "", status.SerializeAsString()).retry_after, std::nullopt);
  EXPECT_EQ(read_grpc_failure(8, "", "garbage").outcome, attempt_outcome::rejected);
  info.mutable_retry_delay()->set_seconds(std::numeric_limits<std::int64_t>::max());
  detail->set_value(info.SerializeAsString());
  EXPECT_GT(read_grpc_failure(8, "", status.SerializeAsString()).retry_after, seconds{0}) << "no overflow";
}

TEST(backoff, doubles_up_to_its_bound) {
  backoff_policy policy;
  EXPECT_EQ(backoff_ceiling(policy, 1), seconds{1});
  EXPECT_EQ(backoff_ceiling(policy, 2), seconds{2});
  EXPECT_EQ(backoff_ceiling(policy, 5), seconds{16});
  EXPECT_EQ(backoff_ceiling(policy, 6), seconds{30});
  EXPECT_EQ(backoff_ceiling(policy, 4'000'000'000U), seconds{30});
}

TEST(backoff, is_uniform_below_the_ceiling) {
  std::mt19937 random{1};
  std::uniform_real_distribution<double> uniform{0.0, 1.0};
  backoff_policy policy;
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    auto wait = backoff_delay(policy, 3, std::nullopt, [&] { return uniform(random); });
    ASSERT_GE(wait, seconds{0});
    ASSERT_LT(wait, seconds{4});
    sum += std::chrono::duration<double>(wait).count();
  }
  EXPECT_NEAR(sum / 10'000, 2.0, 0.1);
}

TEST(backoff, is_never_shorter_than_the_server_asks_within_reason) {
  backoff_policy policy;
  auto half = [] { return 0.5; };
  EXPECT_EQ(backoff_delay(policy, 1, seconds{20}, half), seconds{20});
  EXPECT_EQ(backoff_delay(policy, 1, milliseconds{1}, half), milliseconds{500});
  EXPECT_EQ(backoff_delay(policy, 1, std::chrono::hours{24 * 365}, half), std::chrono::hours{1});
}

} // namespace
} // namespace tc::exporting
