#pragma once

// OTLP/JSON: completed traces to one ExportTraceServiceRequest per line, as the OpenTelemetry Collector's
// file exporter writes it. Written directly: protobuf's own JSON has IDs in base64, OTLP wants them in
// hexadecimal. Reading it back is otlp_json_reader.hpp.

#include "export/batch.hpp"

namespace tc::exporting {

/// Bodies are one JSON object on one line, without a line end.
class otlp_json_encoder : public span_encoder {
public:
  explicit otlp_json_encoder(encoder_options options = {});

  std::vector<encoded_batch> encode(std::span<const completed_trace_ptr> traces,
                                    std::size_t limit = default_batch_bytes) const override;
  std::string_view content_type() const override { return "application/json"; }

private:
  encoder_options options_;
};

} // namespace tc::exporting
