// One attempt over a real socket, against a server that does as the test says.

#include "export/delivery_queue.hpp"
#include "export/gzip.hpp"
#include "export/http_sink.hpp"
#include "export/otlp_json_reader.hpp"
#include "tests/export/sample_traces.hpp"
#include "tests/export/send_once.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/scripted_server.hpp"
#include "version.hpp"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "rpc_status.pb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <mutex>
#include <set>

namespace tc::exporting {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
using std::chrono::milliseconds;
using std::chrono::seconds;
using tc::testing::ending;
using tc::testing::scripted_request;
using tc::testing::scripted_response;
using tc::testing::scripted_server;
using ::testing::HasSubstr;
using ::testing::Not;

scripted_response answer(int status, std::string type = "", std::string body = "") {
  scripted_response out;
  out.status = status;
  if (!type.empty())
    out.headers.emplace_back("Content-Type", std::move(type));
  if (!body.empty())
    out.chunks.push_back(std::move(body));
  return out;
}

class sending : public ::testing::Test {
protected:
  /// Sends the small trace once and returns what became of it.
  attempt_result send_to(const std::string& address, http_sink_options options = {},
                         std::string type = "otel") {
    auto target = resolve_endpoint(type, address);
    EXPECT_TRUE(target) << target.error().message;
    auto sink = make_sink(loop_, *target, std::move(options));
    return testing::send_once(*sink);
  }

  /// Sends to a server that gives that one answer.
  attempt_result send_and_get(const scripted_response& response, http_sink_options options = {}) {
    scripted_server server{[&](const scripted_request&) { return response; }};
    return send_to(server.url(), std::move(options));
  }

  runtime::http_loop loop_;
};

TEST_F(sending, posts_gzipped_protobuf_to_the_path_for_traces) {
  scripted_server server{[](const scripted_request&) { return answer(200, "application/x-protobuf"); }};
  auto result = send_to(server.url());
  EXPECT_EQ(result.outcome, attempt_outcome::delivered) << result.message;
  auto request = server.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/traces");
  EXPECT_EQ(request.header("content-type"), "application/x-protobuf");
  EXPECT_EQ(request.header("content-encoding"), "gzip");
  EXPECT_EQ(request.header("user-agent"), std::string{"OTel-OTLP-Exporter-Cpp/"} + version);
  auto body = gunzip(request.body, 1 << 20);
  ASSERT_TRUE(body);
  ExportTraceServiceRequest sent;
  ASSERT_TRUE(sent.ParseFromString(*body));
  EXPECT_EQ(sent.resource_spans_size(), 2);
}

TEST_F(sending, sends_plain_bytes_and_own_headers_when_told) {
  scripted_server server{[](const scripted_request&) { return answer(200); }};
  http_sink_options options;
  options.gzip = false;
  options.headers = {
      {"X-Scope-OrgID", "team"}, {"User-Agent", "mine"}, {"Content-Type", "text/plain"}, {"X-Empty", ""}};
  options.user_and_password = "user:pass";
  EXPECT_EQ(send_to(server.url("/own/path?x=1"), options).outcome, attempt_outcome::delivered);
  auto request = server.requests().at(0);
  EXPECT_EQ(request.target, "/own/path?x=1");
  EXPECT_EQ(request.header("content-encoding"), "");
  EXPECT_EQ(request.header("content-type"), "application/x-protobuf") << "not the user's to change";
  EXPECT_EQ(request.header("x-scope-orgid"), "team");
  EXPECT_EQ(request.header("user-agent"), "mine");
  EXPECT_TRUE(request.headers.contains("x-empty"));
  EXPECT_EQ(request.header("authorization"), "Basic dXNlcjpwYXNz");
  ExportTraceServiceRequest sent;
  EXPECT_TRUE(sent.ParseFromString(request.body));
}

TEST_F(sending, uses_the_credentials_of_the_address_unless_a_header_has_others) {
  scripted_server server{[](const scripted_request&) { return answer(200); }};
  auto address = "http://u:p%40@127.0.0.1:" + std::to_string(server.port());
  send_to(address);
  http_sink_options options;
  options.headers = {{"authorization", "Bearer token"}};
  send_to(address, options);
  EXPECT_EQ(server.requests().at(0).header("authorization"), "Basic dTpwQA==");
  EXPECT_EQ(server.requests().at(1).header("authorization"), "Bearer token");
}

TEST_F(sending, speaks_zipkin_and_otlp_json) {
  scripted_server server{[](const scripted_request& request) {
    return request.path() == "/api/v2/spans" ? answer(202) : answer(200, "application/json", "{}");
  }};
  EXPECT_EQ(send_to(server.url(), {}, "zipkin").outcome, attempt_outcome::delivered);
  endpoint json{protocol::otlp_http_json, server.url("/v1/traces"), ""};
  auto sink = make_sink(loop_, json);
  EXPECT_EQ(testing::send_once(*sink).outcome, attempt_outcome::delivered);
  auto zipkin = server.requests().at(0);
  EXPECT_EQ(zipkin.target, "/api/v2/spans");
  EXPECT_EQ(zipkin.header("content-type"), "application/json");
  EXPECT_EQ(nlohmann::json::parse(gunzip(zipkin.body, 1 << 20).value()).size(), 2U);
  auto otlp = server.requests().at(1);
  EXPECT_EQ(otlp.header("content-type"), "application/json");
  EXPECT_EQ(read_otlp_json(gunzip(otlp.body, 1 << 20).value())->size(), 2U);
}

TEST_F(sending, repeats_only_the_four_statuses) {
  for (auto status : {429, 502, 503, 504})
    EXPECT_EQ(send_and_get(answer(status)).outcome, attempt_outcome::retry) << status;
  for (auto status : {400, 401, 403, 413, 500, 501})
    EXPECT_EQ(send_and_get(answer(status)).outcome, attempt_outcome::rejected) << status;
}

TEST_F(sending, reads_retry_after_in_both_forms) {
  auto in_seconds = answer(429);
  in_seconds.headers.emplace_back("Retry-After", "17");
  EXPECT_EQ(send_and_get(in_seconds).retry_after, seconds{17});
  // A date, in RFC 1123's form; far away, so that the time that the test takes does not matter.
  auto date = answer(503);
  date.headers.emplace_back("Retry-After", "Fri, 31 Dec 2100 23:59:59 GMT");
  auto far = send_and_get(date).retry_after;
  ASSERT_TRUE(far);
  EXPECT_GT(*far, std::chrono::hours{24 * 365});
  date.headers.back().second = "Fri, 31 Dec 1999 23:59:59 GMT";
  EXPECT_EQ(send_and_get(date).retry_after, seconds{0});
  date.headers.back().second = "soon";
  EXPECT_EQ(send_and_get(date).retry_after, std::nullopt);
}

TEST_F(sending, reports_a_partial_success) {
  ExportTraceServiceResponse response;
  response.mutable_partial_success()->set_rejected_spans(1);
  response.mutable_partial_success()->set_error_message("one is too old");
  auto result = send_and_get(answer(200, "application/x-protobuf", response.SerializeAsString()));
  EXPECT_EQ(result.outcome, attempt_outcome::delivered);
  EXPECT_EQ(result.rejected_spans, 1);
  EXPECT_THAT(result.message, HasSubstr("one is too old"));
}

TEST_F(sending, passes_on_the_words_of_the_backend) {
  proto::RpcStatus status;
  status.set_message("quota exceeded");
  auto result = send_and_get(answer(400, "application/x-protobuf", status.SerializeAsString()));
  EXPECT_THAT(result.message, HasSubstr("quota exceeded"));
  EXPECT_THAT(result.message, HasSubstr("http://127.0.0.1:"));
  EXPECT_EQ(result.status, 400);
}

TEST_F(sending, refuses_garbage_with_200) {
  EXPECT_EQ(send_and_get(answer(200, "application/x-protobuf", "\xff\xff\xff")).reason,
            "undecodable_response");
  EXPECT_EQ(send_and_get(answer(200, "text/html", "<html>")).outcome, attempt_outcome::rejected);
}

TEST_F(sending, repeats_when_nobody_listens) {
  // A port that was free a moment ago: bound, looked up, and given back.
  auto socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0); // not listening: refused
  ASSERT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  auto result = send_to("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  ::close(socket);
  EXPECT_EQ(result.outcome, attempt_outcome::retry);
  EXPECT_EQ(result.reason, "connect");
}

/// A server that greets with HTTP/2, as gRPC does, whatever it is asked.
TEST_F(sending, names_a_grpc_port) {
  auto listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  auto greeting = std::async(std::launch::async, [&] {
    auto connection = ::accept(listener, nullptr, nullptr);
    constexpr std::string_view settings_frame{"\0\0\6\4\0\0\0\0\0\0\5\0\0\x40\0", 15};
    EXPECT_EQ(::send(connection, settings_frame.data(), settings_frame.size(), 0), 15);
    char buffer[4096];
    while (::recv(connection, buffer, sizeof buffer, 0) > 0) {
      // until the client has had enough
    }
    ::close(connection);
  });
  auto result = send_to("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  EXPECT_EQ(result.outcome, attempt_outcome::retry);
  EXPECT_THAT(result.message, HasSubstr("gRPC port"));
  greeting.get();
  ::close(listener);
}

TEST_F(sending, repeats_when_the_answer_breaks_off) {
  auto cut = answer(200, "application/json", "{\"partial");
  cut.end = ending::reset;
  EXPECT_EQ(send_and_get(cut).outcome, attempt_outcome::retry);
  EXPECT_EQ(send_and_get(cut).reason, "interrupted");
  cut.end = ending::cut;
  EXPECT_EQ(send_and_get(cut).outcome, attempt_outcome::retry);
  cut.no_answer = true;
  EXPECT_EQ(send_and_get(cut).outcome, attempt_outcome::retry);
}

TEST_F(sending, repeats_when_the_answer_does_not_come_in_time) {
  http_sink_options options;
  options.timeout = milliseconds{50};
  scripted_response silent;
  silent.no_answer = true;
  silent.end = ending::hang;
  auto result = send_and_get(silent, options);
  EXPECT_EQ(result.outcome, attempt_outcome::retry);
  EXPECT_EQ(result.reason, "timeout");
  auto slow = answer(200, "application/json", "{");
  slow.end = ending::hang;
  EXPECT_EQ(send_and_get(slow, options).reason, "timeout");
}

TEST_F(sending, does_not_read_an_endless_answer) {
  auto endless = answer(200, "application/json");
  endless.chunks.assign(6, std::string(1 << 20, ' '));
  auto result = send_and_get(endless);
  EXPECT_EQ(result.outcome, attempt_outcome::rejected);
  EXPECT_EQ(result.reason, "too_large");
}

TEST_F(sending, repeats_when_the_server_is_not_to_be_trusted) {
  tc::testing::certificate_authority authority{"theirs"}, other{"ours"};
  auto identity = authority.issue_server();
  scripted_server server{[](const scripted_request&) { return answer(200); },
                         tc::testing::server_tls{identity.certificate_pem, identity.key_pem, ""}};
  runtime::tls_options trust;
  trust.ca_pem = other.pem();
  http_sink_options options;
  options.tls = std::make_shared<const runtime::tls_options>(trust);
  auto result = send_to(server.url(), options);
  EXPECT_EQ(result.outcome, attempt_outcome::retry) << "a certificate can be replaced";
  EXPECT_EQ(result.reason, "tls");
  EXPECT_TRUE(server.requests().empty());
  trust.ca_pem = authority.pem();
  options.tls = std::make_shared<const runtime::tls_options>(trust);
  EXPECT_EQ(send_to(server.url(), options).outcome, attempt_outcome::delivered);
}

TEST_F(sending, shows_no_credential_though_the_backend_repeats_them_all) {
  scripted_server server{[](const scripted_request& request) {
    std::string all = request.target;
    for (const auto& [name, value] : request.headers)
      all += " " + name + ": " + value;
    return answer(400, "text/plain", all);
  }};
  auto address =
      "http://alice:wonderland@127.0.0.1:" + std::to_string(server.port()) + "/v1/traces?key=hunter2";
  http_sink_options options;
  options.headers = {{"X-Api-Key", "s3cr3t-key"}, {"X-Long", "s3cr3t-key-and-more"}};
  auto with_basic = send_to(address, options);
  options.headers.emplace_back("Authorization", "Bearer tokentoken");
  auto with_bearer = send_to(address, options);
  for (const auto& message : {with_basic.message, with_bearer.message}) {
    EXPECT_THAT(message, HasSubstr("[redacted]"));
    for (auto* secret :
         {"hunter2", "wonderland", "s3cr3t", "-and-more", "tokentoken", "YWxpY2U6d29uZGVybGFuZA=="})
      EXPECT_THAT(message, Not(HasSubstr(secret)));
  }
  auto sink = make_sink(loop_, resolve_endpoint("otel", address).value(), options);
  EXPECT_EQ(sink->description(), "http://127.0.0.1:" + std::to_string(server.port()) + "/v1/traces");
  // A path that is not the protocol's own may be a key as well.
  auto by_path = send_to("http://127.0.0.1:" + std::to_string(server.port()) + "/in/s3cr3t-path");
  EXPECT_THAT(by_path.message, HasSubstr("/…"));
  EXPECT_THAT(by_path.message, Not(HasSubstr("s3cr3t")));
  // Nor when there is no answer at all.
  options.proxy = "http://127.0.0.1:1";
  options.proxy_user_and_password = "bob:builder1";
  auto refused = send_to(address, options);
  EXPECT_EQ(refused.outcome, attempt_outcome::retry);
  EXPECT_THAT(refused.message, Not(::testing::ContainsRegex("hunter2|wonderland|builder1|s3cr3t")));
}

TEST_F(sending, shows_no_half_of_a_credential_where_a_message_is_cut) {
  const std::string secret = "0123456789abcdef0123456789abcdef";
  http_sink_options options;
  options.headers = {{"X-Api-Key", secret}};
  for (std::size_t before = 380; before < 520; before += 7) {
    auto result = send_and_get(answer(400, "text/plain", std::string(before, 'x') + secret), options);
    EXPECT_THAT(result.message, Not(HasSubstr("0123")));
    EXPECT_LT(result.message.size(), 600U);
  }
}

TEST_F(sending, ends_open_attempts_when_the_loop_stops) {
  scripted_response silent;
  silent.no_answer = true;
  silent.end = ending::hang;
  scripted_server server{[&](const scripted_request&) { return silent; }};
  auto sink = make_sink(loop_, resolve_endpoint("otel", server.url()).value());
  auto batch = std::make_shared<const encoded_batch>(
      sink->encoder()->encode(std::vector{testing::small_trace()}).at(0));
  std::promise<attempt_result> promise;
  sink->send(batch, [&](attempt_result result) { promise.set_value(std::move(result)); });
  ASSERT_TRUE(server.wait_for_requests(1));
  sink.reset(); // an attempt outlives its sink
  loop_.stop();
  auto result = promise.get_future().get();
  EXPECT_EQ(result.outcome, attempt_outcome::retry) << "the spans are still ours";
  EXPECT_EQ(result.reason, "cancelled");
}

/// Queue, sink and a server of changing moods together; the waits are virtual.
TEST_F(sending, delivers_every_span_once_through_a_bad_server) {
  std::mutex mutex;
  std::multiset<std::string> arrived;
  std::size_t count = 0;
  scripted_server server{[&](const scripted_request& request) {
    std::lock_guard guard{mutex};
    switch (count++ % 4) {
    case 0: {
      scripted_response broken;
      broken.no_answer = true;
      broken.end = ending::reset;
      return broken;
    }
    case 1: {
      auto busy = answer(429);
      busy.headers.emplace_back("Retry-After", "3");
      return busy;
    }
    case 2:
      return answer(503);
    default:
      ExportTraceServiceRequest sent;
      EXPECT_TRUE(sent.ParseFromString(gunzip(request.body, 1 << 24).value()));
      for (const auto& group : sent.resource_spans())
        for (const auto& span : group.scope_spans(0).spans())
          arrived.insert(span.trace_id() + span.span_id());
      return answer(200, "application/x-protobuf");
    }
  }};
  auto sink = make_sink(loop_, resolve_endpoint("otel", server.url()).value());
  delivery_options options;
  options.batch_bytes = 8000;
  options.in_flight = 1;
  delivery_queue queue{sink->encoder(), options, [] { return 0.5; }};
  std::multiset<std::string> expected;
  for (const auto& trace : testing::random_traces(11, 12)) {
    ASSERT_TRUE(queue.push(trace).accepted);
    for (const auto& span : trace->spans)
      expected.insert(std::string(trace->id.bytes.begin(), trace->id.bytes.end()) +
                      std::string(span.id.bytes.begin(), span.id.bytes.end()));
  }
  timestamp now{seconds{1'700'000'000}};
  while (!queue.empty()) {
    now = std::max(now, queue.wake_at().value());
    auto attempt = queue.next(now);
    ASSERT_TRUE(attempt);
    std::promise<attempt_result> promise;
    sink->send(attempt->batch, [&](attempt_result result) { promise.set_value(std::move(result)); });
    queue.complete(attempt->ticket, promise.get_future().get(), now);
  }
  EXPECT_EQ(arrived, expected);
  EXPECT_EQ(queue.counts().delivered, expected.size());
  EXPECT_GT(now, timestamp{seconds{1'700'000'000 + 3}});
}

} // namespace
} // namespace tc::exporting
