#pragma once

// status.deliveredSpans of a Trace: the latest deliveries as JSON, written by whoever leads and read by
// whoever takes over. The span IDs of a trace are one base64 text, eight bytes each.

#include "messages/actors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string_view>
#include <vector>

namespace tc::runtime {

nlohmann::json delivered_json(const std::vector<delivered_trace>& traces);

/// Returns what the status of a Trace tells of deliveries, nothing when it tells nothing. What cannot be read
/// in it is left out: it would only be sent again, under the same IDs.
std::optional<delivered_spans> read_delivered(std::string_view trace_json);

} // namespace tc::runtime
