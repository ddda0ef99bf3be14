#include "export/grpc_status.hpp"

#include "export/text.hpp"

#include "rpc_status.pb.h"

#include <algorithm>
#include <array>

namespace tc::exporting {

namespace {

constexpr int cancelled = 1, deadline_exceeded = 4, resource_exhausted = 8, aborted = 10, out_of_range = 11,
              unavailable = 14, data_loss = 15;

constexpr std::array<std::string_view, 17> names = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

/// A RetryInfo without a delay, or with zero, says "retry when you like".
std::optional<duration> retry_delay(std::string_view details) {
  proto::RpcStatus status;
  if (!status.ParseFromArray(details.data(), static_cast<int>(details.size())))
    return std::nullopt;
  for (const auto& detail : status.details()) {
    proto::RetryInfo info;
    if (!detail.type_url().ends_with("/google.rpc.RetryInfo") || !info.ParseFromString(detail.value()))
      continue;
    // Bounded before it is multiplied: the queue has a bound of its own, far lower.
    constexpr std::int64_t a_year = 365LL * 24 * 3600;
    auto seconds = std::clamp<std::int64_t>(info.retry_delay().seconds(), 0, a_year);
    auto nanos = std::clamp<std::int32_t>(info.retry_delay().nanos(), 0, 999'999'999);
    return std::chrono::seconds{seconds} + std::chrono::nanoseconds{nanos};
  }
  return std::nullopt;
}

} // namespace

std::string grpc_code_name(int code) {
  if (code >= 0 && code < static_cast<int>(names.size()))
    return std::string{names[static_cast<std::size_t>(code)]};
  return std::to_string(code);
}

attempt_result read_grpc_failure(int code, std::string_view message, std::string_view details) {
  attempt_result out;
  out.outcome = attempt_outcome::rejected;
  out.reason = "grpc_" + ascii_lower(grpc_code_name(code));
  out.message = "the backend answered " + grpc_code_name(code);
  if (auto said = printable_excerpt(message, 4096); !said.empty())
    out.message += ": " + said;
  switch (code) {
  case cancelled:
  case deadline_exceeded:
  case aborted:
  case out_of_range:
  case unavailable:
  case data_loss:
    out.outcome = attempt_outcome::retry;
    out.retry_after = retry_delay(details);
    break;
  case resource_exhausted:
    // Without RetryInfo it means a limit that will not go away, such as the size of a message.
    out.retry_after = retry_delay(details);
    if (out.retry_after)
      out.outcome = attempt_outcome::retry;
    break;
  default:
    break;
  }
  return out;
}

} // namespace tc::exporting
