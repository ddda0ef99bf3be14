#include "export/retry.hpp"

#include "export/text.hpp"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "rpc_status.pb.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tc::exporting {

namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;

/// Longer than anyone will read: sinks take credentials out first and cut afterwards (credentials.hpp).
constexpr std::size_t longest_message = 4096;

/// Returns the media type without its parameters, in lower case.
std::string media_type(std::string_view content_type) {
  auto out = ascii_lower(content_type.substr(0, content_type.find(';')));
  while (out.ends_with(' '))
    out.pop_back();
  return out;
}

bool is_protobuf(std::string_view type) {
  return type == "application/x-protobuf" || type == "application/protobuf";
}

bool is_json(std::string_view type, std::string_view body) {
  return type == "application/json" || (!is_protobuf(type) && body.starts_with('{'));
}

attempt_result success(std::int64_t rejected, std::string_view message) {
  attempt_result out;
  out.rejected_spans = std::max<std::int64_t>(0, rejected);
  out.message = printable_excerpt(message, longest_message);
  if (out.rejected_spans > 0)
    out.reason = "partial_success";
  else if (!out.message.empty())
    out.reason = "warning";
  return out;
}

std::int64_t json_integer(const nlohmann::json& value) {
  if (value.is_number_integer())
    return value.get<std::int64_t>();
  std::int64_t out = 0;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    std::from_chars(text.data(), text.data() + text.size(), out);
  }
  return out;
}

std::string json_text(const nlohmann::json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::optional<attempt_result> read_json_response(std::string_view body) {
  auto response = nlohmann::json::parse(body, nullptr, false);
  if (!response.is_object())
    return std::nullopt;
  auto partial = response.find("partialSuccess");
  if (partial == response.end() || partial->is_null())
    return success(0, "");
  if (!partial->is_object())
    return std::nullopt;
  auto rejected = partial->find("rejectedSpans");
  return success(rejected == partial->end() ? 0 : json_integer(*rejected),
                 json_text(*partial, "errorMessage"));
}

/// Returns what the server says went wrong: the message of a google.rpc.Status, or the text itself.
std::string error_text(const http_answer& answer) {
  auto type = media_type(answer.content_type);
  if (is_protobuf(type)) {
    proto::RpcStatus status;
    if (status.ParseFromArray(answer.body.data(), static_cast<int>(answer.body.size())))
      return printable_excerpt(status.message(), longest_message);
    return {};
  }
  if (is_json(type, answer.body)) {
    auto status = nlohmann::json::parse(answer.body, nullptr, false);
    if (status.is_object())
      if (auto message = json_text(status, "message"); !message.empty())
        return printable_excerpt(message, longest_message);
  }
  return printable_excerpt(answer.body, longest_message);
}

attempt_result read_failure(const http_answer& answer) {
  attempt_result out;
  out.status = answer.status;
  out.reason = "status_" + std::to_string(answer.status);
  out.message = "the backend answered " + std::to_string(answer.status);
  if (auto said = error_text(answer); !said.empty())
    out.message += ": " + said;
  switch (answer.status) {
  case 429:
  case 502:
  case 503:
  case 504:
    out.outcome = attempt_outcome::retry;
    // OTLP names the header for 429 and 503; a gateway that sends it with 502 or 504 means the same.
    out.retry_after = answer.retry_after;
    break;
  default:
    out.outcome = attempt_outcome::rejected;
  }
  if (answer.status >= 300 && answer.status < 400)
    out.message += "; redirects are not followed, set the Provider's address to where it leads";
  if (answer.status == 404 || answer.status == 405)
    out.message += "; check the path of the Provider's address";
  return out;
}

bool is_success(int status) {
  return status >= 200 && status < 300;
}

} // namespace

std::string_view to_string(attempt_outcome outcome) {
  switch (outcome) {
  case attempt_outcome::delivered:
    return "delivered";
  case attempt_outcome::retry:
    return "retry";
  case attempt_outcome::rejected:
    return "rejected";
  }
  return "unknown";
}

std::optional<attempt_result> read_export_response(std::string_view content_type, std::string_view body) {
  auto type = media_type(content_type);
  if (body.empty())
    return success(0, ""); // an empty message is a full success in protobuf, and common in JSON
  if (is_json(type, body))
    return read_json_response(body);
  if (type == "text/html")
    return std::nullopt; // no chance that a page happens to parse
  ExportTraceServiceResponse response;
  if (!response.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return std::nullopt;
  // A message of unknown fields only is some other message, or text that parses by accident.
  if (!response.has_partial_success() && !is_protobuf(type))
    return std::nullopt;
  return success(response.partial_success().rejected_spans(), response.partial_success().error_message());
}

attempt_result read_otlp_answer(const http_answer& answer) {
  if (!is_success(answer.status))
    return read_failure(answer);
  if (auto read = read_export_response(answer.content_type, answer.body)) {
    read->status = answer.status;
    return *read;
  }
  attempt_result out;
  out.outcome = attempt_outcome::rejected;
  out.reason = "undecodable_response";
  out.status = answer.status;
  out.message =
      "the backend answered " + std::to_string(answer.status) +
      " with something that is no OTLP response; check that the Provider's address is an OTLP receiver";
  if (auto said = printable_excerpt(answer.body, longest_message); !said.empty())
    out.message += "; it begins: " + said;
  return out;
}

attempt_result read_zipkin_answer(const http_answer& answer) {
  if (!is_success(answer.status))
    return read_failure(answer);
  attempt_result out;
  out.status = answer.status;
  return out;
}

duration backoff_ceiling(const backoff_policy& policy, unsigned failures) {
  auto longest = static_cast<double>(policy.longest.count());
  auto grown = static_cast<double>(policy.initial.count()) *
               std::pow(policy.multiplier, failures > 0 ? failures - 1 : 0);
  return duration{static_cast<std::int64_t>(std::min(grown, longest))};
}

duration backoff_delay(const backoff_policy& policy, unsigned failures, std::optional<duration> retry_after,
                       const std::function<double()>& random) {
  auto ceiling = static_cast<double>(backoff_ceiling(policy, failures).count());
  auto wait = duration{static_cast<std::int64_t>(ceiling * random())};
  if (retry_after)
    wait = std::max(wait, std::min(*retry_after, policy.longest_retry_after));
  return wait;
}

} // namespace tc::exporting
