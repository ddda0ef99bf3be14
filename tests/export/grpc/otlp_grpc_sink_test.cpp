// OTLP/gRPC against a gRPC server that answers as the test says.

#include "export/otlp_grpc_sink.hpp"
#include "tests/export/sample_traces.hpp"
#include "tests/support/certificates.hpp"
#include "version.hpp"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "rpc_status.pb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <future>
#include <map>
#include <mutex>

namespace tc::exporting {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

struct seen_request {
  std::string method;
  std::string body;
  std::multimap<std::string, std::string> metadata;
};

struct grpc_answer {
  grpc::Status status;
  std::string body; ///< with an OK status
  bool hang = false;
};

std::string as_text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string out;
  (void)buffer.Dump(&slices);
  for (const auto& slice : slices)
    out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return out;
}

/// One unary call: reads the request, asks the test, answers.
class scripted_call : public grpc::ServerGenericBidiReactor {
public:
  using handler = std::function<grpc_answer(seen_request)>;

  scripted_call(grpc::GenericCallbackServerContext& context, const handler& answer)
      : context_(context), answer_(answer) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok)
      return Finish(grpc::Status::CANCELLED);
    seen_request seen{context_.method(), as_text(request_), {}};
    for (const auto& [key, value] : context_.client_metadata())
      seen.metadata.emplace(std::string{key.data(), key.size()}, std::string{value.data(), value.size()});
    auto answer = answer_(std::move(seen));
    if (answer.hang)
      return; // until the client has had enough
    if (!answer.status.ok())
      return Finish(answer.status);
    grpc::Slice slice{answer.body};
    response_ = grpc::ByteBuffer{&slice, 1};
    StartWriteAndFinish(&response_, {}, grpc::Status::OK);
  }
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }

private:
  void Finish(const grpc::Status& status) {
    std::call_once(finished_, [&] { grpc::ServerGenericBidiReactor::Finish(status); });
  }

  grpc::GenericCallbackServerContext& context_;
  const handler& answer_;
  std::once_flag finished_;
  grpc::ByteBuffer request_, response_;
};

class scripted_grpc_server : public grpc::CallbackGenericService {
public:
  explicit scripted_grpc_server(
      scripted_call::handler answer,
      std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials())
      : answer_([this, answer = std::move(answer)](seen_request seen) {
          std::lock_guard guard{mutex_};
          requests_.push_back(seen);
          return answer(std::move(seen));
        }) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", std::move(credentials), &port_);
    builder.SetMaxReceiveMessageSize(-1);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~scripted_grpc_server() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new scripted_call{*context, answer_};
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::vector<seen_request> requests() const {
    std::lock_guard guard{mutex_};
    return requests_;
  }

private:
  mutable std::mutex mutex_;
  std::vector<seen_request> requests_;
  scripted_call::handler answer_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

attempt_result send_to(const std::string& address, http_sink_options options = {}) {
  auto sink = otlp_grpc_sink::make(resolve_endpoint("otlp", address).value(), std::move(options));
  EXPECT_TRUE(sink) << sink.error().message;
  auto batch = std::make_shared<const encoded_batch>(
      (*sink)->encoder()->encode(std::vector{testing::small_trace()}).at(0));
  std::promise<attempt_result> promise;
  (*sink)->send(batch, [&](attempt_result result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

attempt_result send_and_get(const grpc_answer& answer, http_sink_options options = {}) {
  scripted_grpc_server server{[&](const seen_request&) { return answer; }};
  return send_to("grpc://" + server.address(), std::move(options));
}

TEST(otlp_grpc_sink, exports_with_metadata_and_reads_the_answer) {
  scripted_grpc_server server{[](const seen_request&) { return grpc_answer{}; }};
  http_sink_options options;
  options.headers = {{"X-Scope-OrgID", "team"}};
  options.user_and_password = "user:pass";
  auto result = send_to("grpc://" + server.address(), options);
  EXPECT_EQ(result.outcome, attempt_outcome::delivered) << result.message;
  auto seen = server.requests().at(0);
  EXPECT_EQ(seen.method, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
  ExportTraceServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(seen.body));
  EXPECT_EQ(request.resource_spans_size(), 2);
  EXPECT_EQ(seen.metadata.find("x-scope-orgid")->second, "team");
  EXPECT_EQ(seen.metadata.find("authorization")->second, "Basic dXNlcjpwYXNz");
  EXPECT_THAT(seen.metadata.find("user-agent")->second,
              HasSubstr(std::string{"OTel-OTLP-Exporter-Cpp/"} + version));
}

TEST(otlp_grpc_sink, reports_a_partial_success) {
  ExportTraceServiceResponse response;
  response.mutable_partial_success()->set_rejected_spans(2);
  response.mutable_partial_success()->set_error_message("too old");
  auto result = send_and_get({grpc::Status::OK, response.SerializeAsString()});
  EXPECT_EQ(result.outcome, attempt_outcome::delivered);
  EXPECT_EQ(result.rejected_spans, 2);
  EXPECT_THAT(result.message, HasSubstr("too old"));
}

TEST(otlp_grpc_sink, refuses_an_answer_that_is_no_response) {
  EXPECT_EQ(send_and_get({grpc::Status::OK, "\xff\xff\xff"}).reason, "undecodable_response");
}

TEST(otlp_grpc_sink, repeats_by_status) {
  EXPECT_EQ(send_and_get({grpc::Status{grpc::UNAVAILABLE, "later"}, ""}).outcome, attempt_outcome::retry);
  auto invalid = send_and_get({grpc::Status{grpc::INVALID_ARGUMENT, "no name"}, ""});
  EXPECT_EQ(invalid.outcome, attempt_outcome::rejected);
  EXPECT_THAT(invalid.message, HasSubstr("INVALID_ARGUMENT: no name"));
}

TEST(otlp_grpc_sink, reads_retry_info_from_the_trailers) {
  proto::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(9);
  proto::RpcStatus details;
  auto* detail = details.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  detail->set_value(info.SerializeAsString());
  grpc::Status busy{grpc::RESOURCE_EXHAUSTED, "slow down", details.SerializeAsString()};
  auto result = send_and_get({busy, ""});
  EXPECT_EQ(result.outcome, attempt_outcome::retry);
  EXPECT_EQ(result.retry_after, seconds{9});
}

TEST(otlp_grpc_sink, repeats_when_no_answer_comes_in_time_or_nobody_is_there) {
  http_sink_options options;
  options.timeout = milliseconds{200};
  grpc_answer silent;
  silent.hang = true;
  EXPECT_EQ(send_and_get(silent, options).outcome, attempt_outcome::retry);
  std::string gone;
  {
    scripted_grpc_server server{[](const seen_request&) { return grpc_answer{}; }};
    gone = server.address();
  }
  EXPECT_EQ(send_to("grpc://" + gone).outcome, attempt_outcome::retry);
}

TEST(otlp_grpc_sink, verifies_tls_both_ways) {
  tc::testing::certificate_authority authority{"theirs"}, other{"ours"};
  auto identity = authority.issue_server();
  auto client = authority.issue_client("trace-controller");
  grpc::SslServerCredentialsOptions server_options{
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY};
  server_options.pem_root_certs = authority.pem();
  server_options.pem_key_cert_pairs.push_back({identity.key_pem, identity.certificate_pem});
  scripted_grpc_server server{[](const seen_request&) { return grpc_answer{}; },
                              grpc::SslServerCredentials(server_options)};
  runtime::tls_options tls;
  tls.ca_pem = authority.pem();
  tls.certificate_pem = client.certificate_pem;
  tls.key_pem = client.key_pem;
  auto attempt = [&](const runtime::tls_options& with) {
    http_sink_options options;
    options.tls = std::make_shared<const runtime::tls_options>(with);
    return send_to("grpcs://" + server.address(), options);
  };
  auto good = attempt(tls);
  EXPECT_EQ(good.outcome, attempt_outcome::delivered) << good.message;
  auto untrusted = tls;
  untrusted.ca_pem = other.pem();
  EXPECT_EQ(attempt(untrusted).outcome, attempt_outcome::retry);
  auto anonymous = tls;
  anonymous.certificate_pem = anonymous.key_pem = "";
  EXPECT_EQ(attempt(anonymous).outcome, attempt_outcome::retry);
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(otlp_grpc_sink, says_what_it_cannot_do) {
  http_sink_options options;
  options.tls = std::make_shared<const runtime::tls_options>(runtime::tls_options{.verify = false});
  auto sink = otlp_grpc_sink::make(resolve_endpoint("otlp", "grpcs://x:4317").value(), options);
  ASSERT_FALSE(sink);
  EXPECT_THAT(sink.error().message, HasSubstr("ca.crt"));
}

TEST(otlp_grpc_sink, shows_no_credential) {
  scripted_grpc_server server{[](const seen_request& seen) {
    std::string all;
    for (const auto& [key, value] : seen.metadata)
      all += key + ": " + value + " ";
    return grpc_answer{grpc::Status{grpc::PERMISSION_DENIED, all}, ""};
  }};
  http_sink_options options;
  options.headers = {{"authorization", "Bearer hunter2"}};
  auto result = send_to("grpc://" + server.address(), options);
  EXPECT_THAT(result.message, HasSubstr("[redacted]"));
  EXPECT_THAT(result.message, Not(HasSubstr("hunter2")));
}

} // namespace
} // namespace tc::exporting
