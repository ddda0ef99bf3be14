#pragma once

// Where a Provider's traces go, and how: pure rules from its type and address to a protocol and a URL. The
// table of these rules is in docs/exporting.md. Nothing is resolved or connected here.

#include <tl/expected.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace tc::exporting {

enum class protocol : std::uint8_t {
  otlp_http_protobuf,
  otlp_http_json,
  otlp_grpc,
  zipkin_json, ///< Zipkin v2
};

/// Returns OpenTelemetry's name where there is one: "http/protobuf", "http/json", "grpc", "zipkin".
std::string_view to_string(protocol value);

struct endpoint {
  protocol transport = protocol::otlp_http_protobuf;
  std::string url; ///< complete, without user and password
  /// "user:password" of the address, percent-decoded; "" when it has none. Never logged.
  std::string user_and_password;

  bool operator==(const endpoint&) const = default;
  /// Returns the URL without its query, which may hold a key: for logs and error messages.
  std::string for_display() const;
};

struct endpoint_error {
  std::string message; ///< names the input and the remedy, holds no user, password or query
};

/// Returns where a Provider of `type` (otel, otlp, jaeger, zipkin) with that `address` is reached. The
/// address is a URL, or host:port, or a host.
tl::expected<endpoint, endpoint_error> resolve_endpoint(std::string_view type, std::string_view address);

} // namespace tc::exporting
