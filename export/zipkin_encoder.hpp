#pragma once

// Zipkin v2 JSON: completed traces to arrays of Zipkin spans, by the mapping of the OpenTelemetry
// specification ("OpenTelemetry to Zipkin Transformation"). Links have no place in Zipkin and are left out.

#include "export/batch.hpp"

namespace tc::exporting {

/// Bodies are JSON arrays for POST /api/v2/spans.
class zipkin_encoder : public span_encoder {
public:
  explicit zipkin_encoder(encoder_options options = {});

  std::vector<encoded_batch> encode(std::span<const completed_trace_ptr> traces,
                                    std::size_t limit = default_batch_bytes) const override;
  std::string_view content_type() const override { return "application/json"; }

private:
  encoder_options options_;
};

} // namespace tc::exporting
