// OTLP/gRPC over a real socket, against an HTTP/2 server that answers as the test says, and its parts alone.

#include "export/grpc_message.hpp"
#include "export/gzip.hpp"
#include "export/http_sink.hpp"
#include "runtime/http_client/base64.hpp"
#include "tests/export/send_once.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/scripted_server.hpp"
#include "version.hpp"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "rpc_status.pb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace tc::exporting {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
using std::chrono::milliseconds;
using std::chrono::seconds;
using tc::testing::ending;
using tc::testing::http_dialect;
using tc::testing::scripted_request;
using tc::testing::scripted_response;
using tc::testing::scripted_server;
using tc::testing::server_tls;
using ::testing::HasSubstr;
using ::testing::Not;

/// How a gRPC server ends a call: with a message when it went well, with a status in any case.
scripted_response call_ended(int code, std::string message = "", std::string response = "") {
  scripted_response out;
  out.headers = {{"content-type", "application/grpc"}};
  std::vector<std::pair<std::string, std::string>> status{{"grpc-status", std::to_string(code)}};
  if (!message.empty())
    status.emplace_back("grpc-message", std::move(message));
  if (code == 0) {
    out.chunks = {grpc_frame(response, false)};
    out.trailers = std::move(status);
  } else {
    out.headers.insert(out.headers.end(), status.begin(), status.end()); // "Trailers-Only"
  }
  return out;
}

class grpc_sink : public ::testing::Test {
protected:
  attempt_result send_to(const std::string& address, http_sink_options options = {}) {
    auto sink = make_sink(loop_, resolve_endpoint("otlp", address).value(), std::move(options));
    return testing::send_once(*sink);
  }

  attempt_result send_and_get(const scripted_response& response, http_sink_options options = {}) {
    scripted_server server{[&](const scripted_request&) { return response; }, std::nullopt,
                           http_dialect::http2};
    return send_to(address_of(server), std::move(options));
  }

  static std::string address_of(const scripted_server& server, const std::string& scheme = "grpc") {
    return scheme + "://127.0.0.1:" + std::to_string(server.port());
  }

  runtime::http_loop loop_;
};

TEST_F(grpc_sink, exports_with_metadata_and_reads_the_answer) {
  scripted_server server{[](const scripted_request&) { return call_ended(0); }, std::nullopt,
                         http_dialect::http2};
  http_sink_options options;
  options.headers = {{"X-Scope-OrgID", "team"}};
  options.user_and_password = "user:pass";
  auto result = send_to(address_of(server), options);
  EXPECT_EQ(result.outcome, attempt_outcome::delivered) << result.message;
  auto seen = server.requests().at(0);
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
  EXPECT_EQ(seen.header("content-type"), "application/grpc");
  EXPECT_EQ(seen.header("te"), "trailers");
  EXPECT_EQ(seen.header("grpc-encoding"), "gzip");
  EXPECT_EQ(seen.header("grpc-timeout"), "15000m");
  EXPECT_EQ(seen.header("content-encoding"), "");
  EXPECT_EQ(seen.header("x-scope-orgid"), "team");
  EXPECT_EQ(seen.header("authorization"), "Basic dXNlcjpwYXNz");
  EXPECT_EQ(seen.header("user-agent"), std::string{"OTel-OTLP-Exporter-Cpp/"} + version);
  ASSERT_GT(seen.body.size(), 5U);
  EXPECT_EQ(seen.body.substr(0, 5), grpc_frame(seen.body.substr(5), true).substr(0, 5));
  ExportTraceServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(gunzip(seen.body.substr(5), 1 << 20).value()));
  EXPECT_EQ(request.resource_spans_size(), 2);
}

TEST_F(grpc_sink, sends_one_call_after_another) {
  scripted_server server{[](const scripted_request&) { return call_ended(0); }, std::nullopt,
                         http_dialect::http2};
  http_sink_options options;
  options.gzip = false;
  auto sink = make_sink(loop_, resolve_endpoint("otlp", address_of(server)).value(), options);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(testing::send_once(*sink).outcome, attempt_outcome::delivered);
  ASSERT_EQ(server.requests().size(), 5U);
  EXPECT_EQ(server.requests().at(4).header("grpc-encoding"), "");
  ExportTraceServiceRequest request;
  EXPECT_TRUE(request.ParseFromString(server.requests().at(4).body.substr(5)));
}

TEST_F(grpc_sink, uses_one_connection_for_many_calls) {
  tc::testing::certificate_authority authority;
  auto identity = authority.issue_server();
  scripted_server server{[](const scripted_request&) { return call_ended(0); },
                         server_tls{identity.certificate_pem, identity.key_pem, ""}, http_dialect::http2};
  http_sink_options options;
  options.tls = std::make_shared<const runtime::tls_options>(runtime::tls_options{.ca_pem = authority.pem()});
  auto sink = make_sink(loop_, resolve_endpoint("otlp", address_of(server, "grpcs")).value(), options);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(testing::send_once(*sink).outcome, attempt_outcome::delivered);
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(grpc_sink, reports_a_partial_success) {
  ExportTraceServiceResponse response;
  response.mutable_partial_success()->set_rejected_spans(2);
  response.mutable_partial_success()->set_error_message("too old");
  auto result = send_and_get(call_ended(0, "", response.SerializeAsString()));
  EXPECT_EQ(result.outcome, attempt_outcome::delivered);
  EXPECT_EQ(result.rejected_spans, 2);
  EXPECT_THAT(result.message, HasSubstr("too old"));
}

TEST_F(grpc_sink, reads_a_compressed_answer) {
  ExportTraceServiceResponse response;
  response.mutable_partial_success()->set_rejected_spans(2);
  for (const auto& message : {response.SerializeAsString(), std::string{}}) {
    auto compressed = call_ended(0);
    compressed.headers.emplace_back("grpc-encoding", "gzip");
    compressed.chunks = {grpc_frame(gzip(message), true)};
    auto result = send_and_get(compressed);
    EXPECT_EQ(result.outcome, attempt_outcome::delivered) << result.message;
    EXPECT_EQ(result.rejected_spans, message.empty() ? 0 : 2);
  }
  auto broken = call_ended(0);
  broken.chunks = {grpc_frame("no gzip", true)};
  EXPECT_EQ(send_and_get(broken).reason, "undecodable_response");
}

TEST_F(grpc_sink, refuses_an_answer_that_is_no_response) {
  EXPECT_EQ(send_and_get(call_ended(0, "", "\xff\xff\xff")).reason, "undecodable_response");
  auto bare = call_ended(0);
  bare.chunks = {std::string(2, '\0')};
  EXPECT_EQ(send_and_get(bare).reason, "undecodable_response");
  scripted_response page;
  page.headers = {{"content-type", "text/html"}};
  page.chunks = {"<html>sign in</html>"};
  auto result = send_and_get(page);
  EXPECT_EQ(result.reason, "undecodable_response");
  EXPECT_THAT(result.message, HasSubstr("OTLP/gRPC receiver"));
}

TEST_F(grpc_sink, repeats_by_status) {
  EXPECT_EQ(send_and_get(call_ended(14, "later")).outcome, attempt_outcome::retry);
  auto invalid = send_and_get(call_ended(3, "no%20name"));
  EXPECT_EQ(invalid.outcome, attempt_outcome::rejected);
  EXPECT_THAT(invalid.message, HasSubstr("INVALID_ARGUMENT: no name"));
  auto late = call_ended(0);
  late.trailers = {{"grpc-status", "14"}}; // after a message
  EXPECT_EQ(send_and_get(late).outcome, attempt_outcome::retry);
}

TEST_F(grpc_sink, goes_by_the_status_of_http_where_a_proxy_answers) {
  scripted_response gateway;
  gateway.status = 503;
  gateway.headers = {{"content-type", "text/plain"}, {"retry-after", "7"}};
  auto busy = send_and_get(gateway);
  EXPECT_EQ(busy.outcome, attempt_outcome::retry);
  EXPECT_EQ(busy.retry_after, seconds{7});
  gateway.status = 401;
  EXPECT_EQ(send_and_get(gateway).outcome, attempt_outcome::rejected);
}

TEST_F(grpc_sink, repeats_what_broke_off) {
  auto without_status = call_ended(0);
  without_status.trailers.clear();
  EXPECT_EQ(send_and_get(without_status).outcome, attempt_outcome::retry);
  auto cut = call_ended(0);
  cut.end = ending::cut;
  EXPECT_EQ(send_and_get(cut).outcome, attempt_outcome::retry);
  cut.no_answer = true;
  EXPECT_EQ(send_and_get(cut).outcome, attempt_outcome::retry);
}

TEST_F(grpc_sink, reads_retry_info_from_the_trailers) {
  proto::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(9);
  proto::RpcStatus details;
  auto* detail = details.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  detail->set_value(info.SerializeAsString());
  for (bool padded : {true, false}) {
    auto busy = call_ended(8, "slow down");
    auto field = runtime::encode_base64(details.SerializeAsString());
    if (!padded)
      field.erase(field.find_last_not_of('=') + 1);
    busy.headers.emplace_back("grpc-status-details-bin", field);
    auto result = send_and_get(busy);
    EXPECT_EQ(result.outcome, attempt_outcome::retry);
    EXPECT_EQ(result.retry_after, seconds{9});
  }
}

TEST_F(grpc_sink, repeats_when_no_answer_comes_in_time_or_nobody_is_there) {
  http_sink_options options;
  options.timeout = milliseconds{200};
  scripted_response silent;
  silent.no_answer = true;
  silent.end = ending::hang;
  EXPECT_EQ(send_and_get(silent, options).outcome, attempt_outcome::retry);
  std::string gone;
  {
    scripted_server server{[](const scripted_request&) { return call_ended(0); }, std::nullopt,
                           http_dialect::http2};
    gone = address_of(server);
  }
  EXPECT_EQ(send_to(gone).outcome, attempt_outcome::retry);
}

TEST_F(grpc_sink, names_a_port_that_speaks_http1) {
  scripted_server server{[](const scripted_request&) { return scripted_response::json("{}"); }};
  auto result = send_to(address_of(server));
  EXPECT_EQ(result.outcome, attempt_outcome::retry);
  EXPECT_THAT(result.message, HasSubstr("no gRPC port"));
}

TEST_F(grpc_sink, verifies_tls_both_ways) {
  tc::testing::certificate_authority authority{"theirs"}, other{"ours"};
  auto identity = authority.issue_server();
  auto client = authority.issue_client("trace-controller");
  scripted_server server{[](const scripted_request&) { return call_ended(0); },
                         server_tls{identity.certificate_pem, identity.key_pem, authority.pem()},
                         http_dialect::http2};
  runtime::tls_options tls;
  tls.ca_pem = authority.pem();
  tls.certificate_pem = client.certificate_pem;
  tls.key_pem = client.key_pem;
  auto attempt = [&](const runtime::tls_options& with) {
    http_sink_options options;
    options.tls = std::make_shared<const runtime::tls_options>(with);
    return send_to(address_of(server, "grpcs"), options);
  };
  auto good = attempt(tls);
  EXPECT_EQ(good.outcome, attempt_outcome::delivered) << good.message;
  auto untrusted = tls;
  untrusted.ca_pem = other.pem();
  EXPECT_EQ(attempt(untrusted).outcome, attempt_outcome::retry);
  auto anonymous = tls;
  anonymous.certificate_pem = anonymous.key_pem = "";
  EXPECT_EQ(attempt(anonymous).outcome, attempt_outcome::retry);
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_EQ(server.requests().at(0).client_subject, "trace-controller");
}

TEST_F(grpc_sink, shows_no_credential) {
  scripted_server server{[](const scripted_request& seen) {
                           std::string all;
                           for (const auto& [key, value] : seen.headers)
                             all += key + ": " + value + " ";
                           return call_ended(7, all);
                         },
                         std::nullopt, http_dialect::http2};
  http_sink_options options;
  options.headers = {{"authorization", "Bearer hunter2"}};
  auto result = send_to(address_of(server), options);
  EXPECT_THAT(result.message, HasSubstr("PERMISSION_DENIED"));
  EXPECT_THAT(result.message, HasSubstr("[redacted]"));
  EXPECT_THAT(result.message, Not(HasSubstr("hunter2")));
}

TEST(grpc_timeout, has_at_most_eight_digits) {
  EXPECT_EQ(grpc_timeout(milliseconds{1500}), "1500m");
  EXPECT_EQ(grpc_timeout(duration{1}), "1m");
  EXPECT_EQ(grpc_timeout(seconds{200'000}), "200000S");
}

} // namespace
} // namespace tc::exporting
