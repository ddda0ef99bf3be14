#pragma once

// The standard environment variables of OpenTelemetry exporters, read into a plain struct: the defaults of
// every Provider. Follows "OpenTelemetry Protocol Exporter" and "Environment Variable Specification": an
// empty value is as good as none, a wrong one is reported and ignored.

#include "export/endpoint.hpp"
#include "messages/span.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tc::exporting {

/// What the environment asks for; nothing where it says nothing. Headers may hold credentials: never log
/// them.
struct export_environment {
  std::string endpoint; ///< complete URL for traces, "" when not set
  std::optional<protocol> transport;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<bool> gzip;
  std::optional<duration> timeout;
  std::string certificate_file;           ///< PEM, authorities to trust
  std::string client_key_file;            ///< PEM
  std::string client_certificate_file;    ///< PEM
  bool insecure = false;                  ///< gRPC without TLS when the endpoint has no scheme
  std::optional<std::size_t> queue_spans; ///< most spans that wait (OTEL_BSP_MAX_QUEUE_SIZE)
  std::optional<std::size_t> batch_spans; ///< of one request (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)
  std::optional<duration> schedule_delay; ///< between requests (OTEL_BSP_SCHEDULE_DELAY)
  std::optional<duration> export_timeout; ///< of one request, where `timeout` says nothing
  std::string service_name; ///< OTEL_SERVICE_NAME, else service.name of OTEL_RESOURCE_ATTRIBUTES
  std::vector<attribute> resource_attributes; ///< without service.name
  std::vector<std::string> warnings;          ///< one line per value that was ignored; no values of headers
};

/// Returns the value of a variable, or nothing when it is not set.
using environment_reader = std::function<std::optional<std::string>(const char* name)>;

/// Reads OTEL_EXPORTER_OTLP_* (the _TRACES_ form wins), OTEL_BSP_*, OTEL_SERVICE_NAME and
/// OTEL_RESOURCE_ATTRIBUTES.
export_environment read_export_environment(const environment_reader& read);

/// Returns the endpoint as resolve_endpoint() takes it, with the protocol and the encryption that the
/// environment asks for in its scheme; "" when there is none.
std::string address_of(const export_environment& from);

} // namespace tc::exporting
