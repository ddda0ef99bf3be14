#pragma once

// Requests, encoded and cut to size, before anyone sends them: the seam between encoders and everything
// that delivers. Here live the batch, the encoder interface and the rule by which traces are cut into
// batches. What the bytes look like is up to the encoders; who sends them, to the sinks.

#include "messages/span.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tc::exporting {

/// The default of a batch's size before compression. OTLP allows 64 MiB, but receivers refuse far less:
/// gRPC servers more than 4 MiB, the OpenTelemetry Collector's HTTP receiver more than 20 MiB.
inline constexpr std::size_t default_batch_bytes = std::size_t{4} << 20;

/// Spans `[first, first + count)` of one trace, carried by one batch.
struct batch_share {
  completed_trace_ptr trace;
  std::size_t first = 0;
  std::size_t count = 0;
};

/// One request body. Every span of the encoded traces is in exactly one batch.
struct encoded_batch {
  std::string body; ///< not compressed
  std::size_t span_count = 0;
  std::vector<batch_share> shares; ///< in the order of the traces given to the encoder
};

/// Turns traces into request bodies of one format. Implementations hold no state that changes: one encoder
/// serves any number of threads.
class span_encoder {
public:
  virtual ~span_encoder() = default;
  /// Returns batches of at most `limit` bytes each. A trace is kept whole where it fits into a batch of its
  /// own; a single span above the limit goes alone. Traces without spans appear in no batch.
  virtual std::vector<encoded_batch> encode(std::span<const completed_trace_ptr> traces,
                                            std::size_t limit = default_batch_bytes) const = 0;
  /// Returns the Content-Type of the bodies.
  virtual std::string_view content_type() const = 0;
};

/// What the encoders write beside the spans.
struct encoder_options {
  std::string scope_name = "trace-controller";
  std::string scope_version;   ///< "" for this build's version
  std::string default_service; ///< service.name of spans that name none; "" for "trace-controller"
  /// For every resource (OTEL_RESOURCE_ATTRIBUTES); a trace's own attribute of the same key wins.
  std::vector<attribute> resource_attributes;
};

/// Returns roughly how many bytes the trace takes once encoded (within a factor of two for OTLP protobuf), in
/// one cheap pass: what queues charge for it.
std::size_t approximate_bytes(const completed_trace& trace);

/// A span as the cutting rule sees it.
struct measured_span {
  std::size_t bytes = 0;   ///< of the encoded span with its own framing
  std::uint32_t group = 0; ///< index of the resource that it goes under
};

/// Spans `[first, first + count)` of the trace at index `trace`.
struct span_range {
  std::size_t trace = 0;
  std::size_t first = 0;
  std::size_t count = 0;

  bool operator==(const span_range&) const = default;
};

/// Cuts traces into batches; `group_bytes[g]` is what opening group g in a batch costs. A batch is above
/// `limit` only if it holds a single span.
std::vector<std::vector<span_range>> cut_batches(std::span<const std::vector<measured_span>> traces,
                                                 std::span<const std::size_t> group_bytes, std::size_t limit);

} // namespace tc::exporting
