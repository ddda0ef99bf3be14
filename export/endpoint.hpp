#pragma once

// Where a Provider's traces go, and how: pure rules from its type and address to a protocol and a URL. The
// table of these rules is in docs/exporting.md. Nothing is resolved or connected here.

#include <tl/expected.hpp>

#include <cstdint>
#include <optional>
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
  /// Returns the URL for logs and error messages: without its query, and with a path only where that is the
  /// protocol's own. Both may hold a key, and the address may come from a Secret.
  std::string for_display() const;
};

/// Returns the path of a URL when it may hold a key, "" when it is a protocol's own or there is none.
std::string_view hidden_path(std::string_view url);

/// As endpoint::for_display().
std::string url_for_display(std::string_view url);

struct endpoint_error {
  std::string message; ///< names the input and the remedy, holds no user, password or query
};

/// Returns where a Provider of `type` (otel, otlp, jaeger, zipkin) with that `address` is reached. The
/// address is a URL, or host:port, or a host. `preferred` is the OTLP protocol to use where only a convention
/// decides (OTEL_EXPORTER_OTLP_PROTOCOL).
tl::expected<endpoint, endpoint_error> resolve_endpoint(std::string_view type, std::string_view address,
                                                        std::optional<protocol> preferred = std::nullopt);

} // namespace tc::exporting
