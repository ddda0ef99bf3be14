#include "tests/support/faulty_backend.hpp"

#include "export/grpc_message.hpp"
#include "export/gzip.hpp"
#include "export/otlp_json_reader.hpp"
#include "runtime/http_client/base64.hpp"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "rpc_status.pb.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <ctime>
#include <stdexcept>

namespace tc::testing {

namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr wire every_wire[] = {wire::otlp_protobuf, wire::otlp_json, wire::zipkin, wire::grpc};
/// Attempts of slow faults last so long.
constexpr milliseconds short_timeout{300};

scripted_response plain(int status, std::string type = "", std::string body = "") {
  scripted_response out;
  out.status = status;
  if (!type.empty())
    out.headers.emplace_back("content-type", std::move(type));
  if (!body.empty())
    out.chunks.push_back(std::move(body));
  return out;
}

/// How a gRPC server ends a call that it does not take.
scripted_response grpc_status(int code, const std::string& details = "") {
  auto out = plain(200, "application/grpc");
  out.headers.emplace_back("grpc-status", std::to_string(code));
  if (!details.empty())
    out.headers.emplace_back("grpc-status-details-bin", runtime::encode_base64(details));
  return out;
}

scripted_response taken_by(wire over, const ExportTraceServiceResponse& response = {}) {
  switch (over) {
  case wire::otlp_protobuf:
    return plain(200, "application/x-protobuf", response.SerializeAsString());
  case wire::otlp_json: {
    nlohmann::json body = nlohmann::json::object();
    if (response.has_partial_success())
      body["partialSuccess"] = {
          {"rejectedSpans", std::to_string(response.partial_success().rejected_spans())},
          {"errorMessage", response.partial_success().error_message()}};
    return plain(200, "application/json", body.dump());
  }
  case wire::zipkin:
    return plain(202);
  case wire::grpc:
    break;
  }
  auto out = plain(200, "application/grpc", exporting::grpc_frame(response.SerializeAsString(), false));
  out.trailers = {{"grpc-status", "0"}};
  return out;
}

std::string http_date(std::chrono::system_clock::time_point at) {
  auto second = std::chrono::system_clock::to_time_t(at);
  std::tm parts{};
  gmtime_r(&second, &parts);
  char text[64];
  auto size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, size};
}

fault http_status(int status, verdict expected) {
  fault out;
  out.name = "status_" + std::to_string(status);
  out.answer = [status](wire) { return plain(status, "text/plain", "no"); };
  for (auto over : every_wire) {
    out.expected[over] = expected;
    out.reason[over] = out.name;
  }
  return out;
}

/// The same for every protocol.
fault everywhere(std::string name, verdict expected, std::string reason) {
  fault out;
  out.name = std::move(name);
  for (auto over : every_wire) {
    out.expected[over] = expected;
    out.reason[over] = reason;
  }
  return out;
}

fault grpc_code(int code, const std::string& name, verdict expected) {
  fault out;
  out.name = "grpc_" + name;
  out.answer = [code](wire) { return grpc_status(code); };
  out.expected[wire::grpc] = expected;
  out.reason[wire::grpc] = out.name;
  return out;
}

fault grpc_retry_info(int code, const std::string& name) {
  auto out = grpc_code(code, name, verdict::retried);
  out.name += "_with_retry_info";
  out.quiet = seconds{40};
  exporting::proto::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(40);
  exporting::proto::RpcStatus status;
  auto* detail = status.add_details();
  detail->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  detail->set_value(info.SerializeAsString());
  out.answer = [code, details = status.SerializeAsString()](wire) { return grpc_status(code, details); };
  return out;
}

fault retry_after(int status, bool as_date) {
  auto out = http_status(status, verdict::retried);
  out.name += as_date ? "_until_a_date" : "_for_seconds";
  out.quiet = seconds{as_date ? 38 : 40}; // a date has whole seconds, and time passes until it is read
  out.answer = [status, as_date](wire) {
    auto answer = plain(status);
    answer.headers.emplace_back("retry-after",
                                as_date ? http_date(std::chrono::system_clock::now() + seconds{40}) : "40");
    return answer;
  };
  return out;
}

std::vector<fault> make_faults() {
  std::vector<fault> out;
  for (auto status : {400, 401, 403, 404, 413, 500})
    out.push_back(http_status(status, verdict::refused));
  for (auto status : {429, 502, 503, 504})
    out.push_back(http_status(status, verdict::retried));
  for (auto status : {429, 503}) {
    out.push_back(retry_after(status, false));
    out.push_back(retry_after(status, true));
  }
  out.push_back(grpc_code(3, "invalid_argument", verdict::refused));
  out.push_back(grpc_code(8, "resource_exhausted", verdict::refused));
  out.push_back(grpc_code(13, "internal", verdict::refused));
  out.push_back(grpc_code(16, "unauthenticated", verdict::refused));
  out.push_back(grpc_code(4, "deadline_exceeded", verdict::retried));
  out.push_back(grpc_code(14, "unavailable", verdict::retried));
  out.push_back(grpc_retry_info(8, "resource_exhausted"));
  out.push_back(grpc_retry_info(14, "unavailable"));

  auto partial = everywhere("partial_success", verdict::partly_refused, "partial_success");
  partial.answer = [](wire over) {
    ExportTraceServiceResponse response;
    response.mutable_partial_success()->set_rejected_spans(1);
    response.mutable_partial_success()->set_error_message("one is too old");
    return taken_by(over, response);
  };
  partial.expected.erase(wire::zipkin); // it has no such answer
  out.push_back(std::move(partial));

  auto garbage = everywhere("garbage_with_200", verdict::refused, "undecodable_response");
  garbage.answer = [](wire) { return plain(200, "text/html", "<html>please log in</html>"); };
  garbage.expected[wire::zipkin] = verdict::delivered; // which does not say what is in an answer
  garbage.reason[wire::zipkin] = "ok";
  out.push_back(std::move(garbage));

  auto loris = everywhere("slow_loris", verdict::retried, "timeout");
  loris.slow = loris.maybe_taken = true;
  loris.answer = [](wire over) {
    auto answer = plain(200, over == wire::grpc ? "application/grpc" : "application/json");
    answer.chunks.assign(60, " "); // always one more byte before anyone could call it idle
    answer.pace = milliseconds{20};
    answer.end = ending::hang;
    return answer;
  };
  out.push_back(std::move(loris));

  auto silent = everywhere("no_answer", verdict::retried, "timeout");
  silent.slow = silent.maybe_taken = true;
  silent.answer = [](wire) {
    scripted_response answer;
    answer.no_answer = true;
    answer.end = ending::hang;
    return answer;
  };
  out.push_back(std::move(silent));

  auto reset = everywhere("reset_in_the_body", verdict::retried, "interrupted");
  reset.maybe_taken = true;
  reset.answer = [](wire over) {
    auto answer = plain(200, over == wire::grpc ? "application/grpc" : "application/json", "{\"par");
    answer.end = ending::reset;
    return answer;
  };
  out.push_back(std::move(reset));

  auto certificate = everywhere("tls_failure", verdict::retried, "tls");
  certificate.where = fault::place::certificate;
  out.push_back(std::move(certificate));

  auto name = everywhere("dns_failure", verdict::retried, "resolve");
  name.where = fault::place::name;
  out.push_back(std::move(name));

  auto hole = everywhere("black_hole", verdict::retried, "timeout");
  hole.where = fault::place::black_hole;
  hole.slow = true;
  out.push_back(std::move(hole));
  return out;
}

} // namespace

std::string name_of(wire value) {
  switch (value) {
  case wire::otlp_protobuf:
    return "protobuf";
  case wire::otlp_json:
    return "json";
  case wire::zipkin:
    return "zipkin";
  case wire::grpc:
    break;
  }
  return "grpc";
}

const std::vector<fault>& all_faults() {
  static const auto table = make_faults();
  return table;
}

std::vector<fault_case> all_fault_cases() {
  std::vector<fault_case> out;
  for (const auto& one : all_faults())
    for (const auto& [over, expected] : one.expected)
      out.push_back({over, &one});
  return out;
}

void PrintTo(const fault_case& value, std::ostream* out) {
  *out << test_name(value);
}

std::string test_name(const fault_case& value) {
  return value.what->name + "_over_" + name_of(value.over);
}

faulty_backend::faulty_backend(const fault_case& which) : which_(which) {
  std::optional<server_tls> tls;
  if (which.what->where == fault::place::certificate)
    tls = identity(other_);
  server_ = std::make_unique<scripted_server>(
      [this](const scripted_request& request) { return respond(request); }, tls,
      which.over == wire::grpc ? http_dialect::http2 : http_dialect::http1);
  if (which.what->where == fault::place::black_hole)
    server_->be_a_black_hole(true);
}

std::optional<server_tls> faulty_backend::identity(const certificate_authority& of) const {
  auto issued = of.issue_server();
  return server_tls{issued.certificate_pem, issued.key_pem, ""};
}

void faulty_backend::heal() {
  {
    std::lock_guard guard{mutex_};
    healed_ = true;
  }
  server_->be_a_black_hole(false);
  if (which_.what->where == fault::place::certificate)
    server_->renew_certificate(*identity(trusted_));
}

std::shared_ptr<exporting::span_sink> faulty_backend::make_sink(runtime::http_loop& loop) const {
  auto secure = which_.what->where == fault::place::certificate;
  std::string host = "127.0.0.1";
  {
    std::lock_guard guard{mutex_};
    if (which_.what->where == fault::place::name && !healed_)
      host = "backend.invalid"; // RFC 6761: resolves nowhere
  }
  auto authority = host + ':' + std::to_string(server_->port());
  exporting::endpoint target;
  target.url = (secure ? "https://" : "http://") + authority;
  switch (which_.over) {
  case wire::otlp_protobuf:
    target.url += "/v1/traces";
    break;
  case wire::otlp_json:
    target.transport = exporting::protocol::otlp_http_json;
    target.url += "/v1/traces";
    break;
  case wire::zipkin:
    target.transport = exporting::protocol::zipkin_json;
    target.url += "/api/v2/spans";
    break;
  case wire::grpc:
    target.transport = exporting::protocol::otlp_grpc;
    break;
  }
  exporting::http_sink_options options;
  options.timeout = which_.what->slow ? duration{short_timeout} : duration{generous_limit};
  options.proxy = "";
  options.tls = std::make_shared<const runtime::tls_options>(runtime::tls_options{.ca_pem = trusted_.pem()});
  return exporting::make_sink(loop, target, std::move(options));
}

scripted_response faulty_backend::respond(const scripted_request& request) {
  auto spans = read(request);
  std::lock_guard guard{mutex_};
  const auto& what = *which_.what;
  auto broken = !healed_ && what.where == fault::place::answer;
  auto expected = what.expected.at(which_.over);
  if (broken)
    for (const auto& [id, content] : spans)
      ++faulted_[id];
  if (!broken || what.maybe_taken || expected == verdict::partly_refused || expected == verdict::delivered)
    for (const auto& [id, content] : spans) {
      ++taken_[id];
      auto [known, fresh] = contents_.emplace(id, content);
      if (!fresh && known->second != content)
        ++changed_;
    }
  return broken ? what.answer(which_.over) : taken_by(which_.over);
}

std::map<std::string, std::string> faulty_backend::read(const scripted_request& request) const {
  constexpr std::size_t plenty = std::size_t{1} << 24;
  std::map<std::string, std::string> out;
  auto body = exporting::gunzip(which_.over == wire::grpc
                                    ? request.body.substr(std::min<std::size_t>(5, request.body.size()))
                                    : request.body,
                                plenty);
  if (!body)
    throw std::runtime_error{"a request that is not compressed"};
  switch (which_.over) {
  case wire::zipkin:
    for (const auto& one : nlohmann::json::parse(*body))
      out[one.at("traceId").get<std::string>() + one.at("id").get<std::string>()] = one.dump();
    break;
  case wire::otlp_json: {
    auto spans = exporting::read_otlp_json(*body);
    if (!spans)
      throw std::runtime_error{spans.error()};
    for (const auto& one : *spans)
      out[one.trace.to_hex() + one.content.id.to_hex()] =
          one.content.name + to_rfc3339(one.content.start) + to_rfc3339(one.content.end);
    break;
  }
  case wire::otlp_protobuf:
  case wire::grpc: {
    ExportTraceServiceRequest sent;
    if (!sent.ParseFromString(*body))
      throw std::runtime_error{"a request that is no protobuf"};
    auto hex = [](const std::string& bytes) {
      constexpr auto* digits = "0123456789abcdef";
      std::string text;
      for (unsigned char byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
      }
      return text;
    };
    for (const auto& group : sent.resource_spans())
      for (const auto& scope : group.scope_spans())
        for (const auto& one : scope.spans())
          out[hex(one.trace_id()) + hex(one.span_id())] = one.SerializeAsString();
    break;
  }
  }
  return out;
}

std::map<std::string, int> faulty_backend::taken() const {
  std::lock_guard guard{mutex_};
  return taken_;
}

std::map<std::string, int> faulty_backend::met_the_fault() const {
  std::lock_guard guard{mutex_};
  return faulted_;
}

int faulty_backend::changed() const {
  std::lock_guard guard{mutex_};
  return changed_;
}

} // namespace tc::testing
