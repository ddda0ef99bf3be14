#pragma once

// The same requests as otlp_protobuf_encoder's, made with the generated messages on an arena: what the
// encoder is compared with, in its bytes and in its speed.

#include "export/batch.hpp"

#include <string>

namespace tc::exporting::testing {

/// Returns one ExportTraceServiceRequest with all spans, grouped by service and resource attributes.
std::string encode_with_generated_messages(std::span<const completed_trace_ptr> traces,
                                           const encoder_options& options = {});

} // namespace tc::exporting::testing
