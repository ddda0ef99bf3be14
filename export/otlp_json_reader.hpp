#pragma once

// Reads OTLP/JSON back into spans: for tests, and for tools that look at what the controller wrote. Not on
// the path of delivery.

#include "messages/span.hpp"

#include <tl/expected.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace tc::exporting {

/// A span with what OTLP keeps beside it: its trace and its resource.
struct decoded_span {
  trace_id trace;
  std::string trace_state;
  tc::span content;                           ///< service is the resource's service.name
  std::vector<attribute> resource_attributes; ///< with service.name
};

/// Reads one ExportTraceServiceRequest. Unknown fields and attribute values of types that messages/span.hpp
/// does not have are skipped. The error names the field and what is wrong with it.
tl::expected<std::vector<decoded_span>, std::string> read_otlp_json(std::string_view text);

/// Reads a file of one request per line; empty lines are skipped, the error names the line.
tl::expected<std::vector<decoded_span>, std::string> read_otlp_json_lines(std::string_view text);

} // namespace tc::exporting
