#pragma once

// The result of assembly: a span tree, as OTLP sees it, before any encoding.

#include "messages/ids.hpp"
#include "messages/time.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tc {

using attribute_value = std::variant<std::string, bool, std::int64_t, double, std::vector<std::string>>;

/// One key and value, as OTLP's KeyValue.
struct attribute {
  std::string key;
  attribute_value value;

  bool operator==(const attribute&) const = default;
};

/// A message that Flux produced during a run: the name is its reason.
struct span_event {
  timestamp at;
  std::string name;
  std::vector<attribute> attributes;

  bool operator==(const span_event&) const = default;
};

struct span_link {
  trace_id trace;
  span_id span;
  std::vector<attribute> attributes;

  bool operator==(const span_link&) const = default;
};

/// Numbers are those of OTLP's Span.SpanKind.
enum class span_kind : std::uint8_t { internal = 1, server = 2, client = 3, producer = 4, consumer = 5 };

/// Numbers are those of OTLP's Status.StatusCode.
enum class span_status : std::uint8_t { unset = 0, ok = 1, error = 2 };

struct span {
  span_id id;
  span_id parent; ///< zero for the root
  std::string name;
  span_kind kind = span_kind::internal;
  timestamp start;
  timestamp end; ///< never before start
  std::vector<attribute> attributes;
  std::vector<span_event> events;
  std::vector<span_link> links;
  span_status status = span_status::unset;
  std::string status_message; ///< only with span_status::error
  std::string service;        ///< service.name of the resource: the controller that did the work

  bool operator==(const span&) const = default;
  /// Returns the attribute of that key, or nullptr.
  const attribute_value* find(std::string_view key) const {
    for (const auto& entry : attributes)
      if (entry.key == key)
        return &entry.value;
    return nullptr;
  }
  /// Returns the string attribute of that key, or "".
  std::string_view text(std::string_view key) const {
    auto* value = find(key);
    auto* found = value ? std::get_if<std::string>(value) : nullptr;
    return found ? std::string_view{*found} : std::string_view{};
  }
};

/// The span tree of one change, as one `Trace` resource sees it. Immutable once made, hence shared.
struct completed_trace {
  trace_id id;
  std::string change_key;
  std::string revision; ///< as Flux writes it, of the root
  object_id root;       ///< the root source
  std::string outcome;  ///< flux.change.outcome: succeeded, failed, superseded, incomplete
  timestamp settled_at;
  bool addition = false;                      ///< further spans of a trace that was already handed out
  std::string trace_state;                    ///< W3C tracestate, "" for none
  std::string trace_namespace;                ///< of the Trace resource
  std::string trace_name;                     ///< of the Trace resource
  std::vector<attribute> resource_attributes; ///< k8s.cluster.name and the Trace's spec.attributes
  std::vector<span> spans;                    ///< the root first unless it was sent before
};

using completed_trace_ptr = std::shared_ptr<const completed_trace>;

} // namespace tc
