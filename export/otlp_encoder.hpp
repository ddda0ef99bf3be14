#pragma once

// OTLP protobuf: completed traces to ExportTraceServiceRequest bytes. OTLP/JSON is in otlp_json.hpp, Zipkin
// in zipkin_encoder.hpp.

#include "export/batch.hpp"

namespace tc::exporting {

/// The W3C trace flags of every span: sampled, and random, because the IDs come from SHA-256 and are uniform
/// in their low 56 bits, which consistent samplers downstream rely on.
inline constexpr std::uint32_t exported_trace_flags = 0x03;

/// Writes one ResourceSpans per service and batch, scope "trace-controller".
class otlp_protobuf_encoder : public span_encoder {
public:
  explicit otlp_protobuf_encoder(encoder_options options = {});

  std::vector<encoded_batch> encode(std::span<const completed_trace_ptr> traces,
                                    std::size_t limit = default_batch_bytes) const override;
  std::string_view content_type() const override { return "application/x-protobuf"; }

private:
  encoder_options options_;
};

} // namespace tc::exporting
