#pragma once

// The rules of delivery, as pure functions: what a server's answer means (OTLP specification, "OTLP/HTTP
// Response"; Zipkin v2 API), and how long to wait before the next attempt. No queue, no clock, no sockets.

#include "export/attempt.hpp"

#include <functional>

namespace tc::exporting {

/// OTLP allows answers of up to 4 MiB; a longer one makes the attempt a failure that is not repeated.
inline constexpr std::size_t longest_response = std::size_t{4} << 20;

/// The parts of a complete HTTP answer that decide.
struct http_answer {
  int status = 0;
  std::string_view content_type;
  std::string_view body;
  std::optional<duration> retry_after; ///< the header, already read (seconds or date)
  // Of gRPC only, as they came: fields of the trailers, or of the headers when there is no body.
  std::string_view grpc_status = {};
  std::string_view grpc_message = {};
  std::string_view grpc_status_details = {}; ///< grpc-status-details-bin
};

/// Reads the answer of an OTLP/HTTP server. 429, 502, 503 and 504 mean retry; every other status that is not
/// 2xx means never. A 2xx answer that is no ExportTraceServiceResponse comes from someone else than an OTLP
/// server (a login page, a proxy), so the batch counts as rejected, as the OpenTelemetry Collector does it.
attempt_result read_otlp_answer(const http_answer& answer);

/// Reads the answer of a Zipkin server: any 2xx is success, whatever the body; else as above.
attempt_result read_zipkin_answer(const http_answer& answer);

/// Returns what a 2xx answer means if it is an ExportTraceServiceResponse (protobuf, or JSON when the content
/// type or the first byte says so); nothing when it is not one. For transports other than HTTP too.
std::optional<attempt_result> read_export_response(std::string_view content_type, std::string_view body);

/// Exponential backoff with full jitter: the wait before attempt n is uniform in [0, min(longest, initial *
/// multiplier^(n-1))], so that many clients of a backend that comes back do not come all at once.
struct backoff_policy {
  duration initial = std::chrono::seconds{1};
  duration longest = std::chrono::seconds{30};
  double multiplier = 2.0;
  /// A Retry-After is honoured up to this, so that one wrong date does not end delivery.
  duration longest_retry_after = std::chrono::hours{1};
};

/// Returns the bound of the wait after `failures` failures in a row (at least 1).
duration backoff_ceiling(const backoff_policy& policy, unsigned failures);

/// Returns the wait after `failures` failures in a row; never shorter than the server asked for.
/// `random` returns numbers uniform in [0, 1).
duration backoff_delay(const backoff_policy& policy, unsigned failures, std::optional<duration> retry_after,
                       const std::function<double()>& random);

} // namespace tc::exporting
