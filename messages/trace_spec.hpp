#pragma once

// The custom resources that configure the controller, decoded: Trace and Provider.

#include "messages/ids.hpp"
#include "messages/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tc {

/// One entry of spec.eventSources: which objects a Trace follows.
struct event_source {
  std::string group; ///< "" when apiVersion is not given: the kind's usual group
  std::string kind;
  std::string name;           ///< "*" for all
  std::string namespace_name; ///< "" for the Trace's own namespace
  std::map<std::string, std::string> match_labels;

  bool operator==(const event_source&) const = default;
};

enum class export_mode : std::uint8_t { on_settle, progressive };
enum class trace_scope : std::uint8_t { change, trace };

struct sampling_spec {
  double ratio = 1.0; ///< 0 to 1, consistent by trace ID
  bool keep_errors = false;
  std::optional<duration> keep_slower_than;
  bool keep_changed = false;

  bool operator==(const sampling_spec&) const = default;
};

/// A Trace resource (notification.toolkit.fluxcd.io), with its defaults filled in.
struct trace_resource {
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  std::string provider_name;
  std::vector<event_source> event_sources; ///< empty only for the implied Trace of `replay`: everything
  std::vector<std::string> inclusion_list; ///< RE2 on messages
  std::vector<std::string> exclusion_list; ///< RE2 on messages
  sampling_spec sampling;
  export_mode mode = export_mode::on_settle;
  duration settle_after = std::chrono::seconds{10};
  duration timeout = std::chrono::minutes{30};
  trace_scope scope = trace_scope::change;
  std::map<std::string, std::string> attributes;
  bool suspend = false;
  bool include_drift = false;
  bool include_unused = false; ///< a revision that nothing takes is a one-span trace
  /// status.exportedUntil of an earlier process: what was active at that second or later is not history.
  std::optional<timestamp> exported_until;
  /// Why the spec cannot be read although the API server took it; "" when it can. Then only the names, the
  /// UID and the generation are known.
  std::string refused;

  bool operator==(const trace_resource&) const = default;
};

/// A Provider resource, with the values of the Secrets that it names; never logged.
struct provider_resource {
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  std::string type; ///< otel, otlp, jaeger, zipkin; others belong to notification-controller
  std::string address;
  std::string secret_name;         ///< spec.secretRef.name
  std::string cert_secret_name;    ///< spec.certSecretRef.name
  std::string proxy_secret_name;   ///< spec.proxySecretRef.name
  std::optional<duration> timeout; ///< of one request; nothing: not given
  bool suspend = false;

  bool operator==(const provider_resource&) const = default;
};

} // namespace tc
