#pragma once

// The seam between delivery and transports: whoever can take an encoded batch is a span_sink.
// Implementations: http_sink.hpp (OTLP/HTTP and Zipkin), otlp_json_file_sink.hpp, and the null sink below. A
// new backend is one more implementation.

#include "export/attempt.hpp"
#include "export/batch.hpp"

#include <atomic>
#include <functional>
#include <memory>

namespace tc::exporting {

class span_sink {
public:
  using done_function = std::function<void(attempt_result)>;

  virtual ~span_sink() = default;
  /// Starts one attempt. `done` is called exactly once: on the calling thread before send returns, or later
  /// on a thread of the transport, also after the sink is gone. It must be short and must not block. Batches
  /// are those of the sink's own encoder.
  virtual void send(std::shared_ptr<const encoded_batch> batch, done_function done) = 0;
  /// Returns the encoder that makes what this sink sends.
  virtual std::shared_ptr<const span_encoder> encoder() const = 0;
  /// Returns where the batches go, for logs: never holds a credential.
  virtual std::string description() const = 0;
};

/// Takes everything and counts it: for benches and for tests.
class null_sink : public span_sink {
public:
  explicit null_sink(std::shared_ptr<const span_encoder> encoder) : encoder_(std::move(encoder)) {
    // nop
  }

  void send(std::shared_ptr<const encoded_batch> batch, done_function done) override {
    ++batches_;
    spans_ += batch->span_count;
    bytes_ += batch->body.size();
    done({});
  }
  std::shared_ptr<const span_encoder> encoder() const override { return encoder_; }
  std::string description() const override { return "nowhere"; }

  std::uint64_t batches() const { return batches_; }
  std::uint64_t spans() const { return spans_; }
  std::uint64_t bytes() const { return bytes_; }

private:
  std::shared_ptr<const span_encoder> encoder_;
  std::atomic<std::uint64_t> batches_ = 0;
  std::atomic<std::uint64_t> spans_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
};

} // namespace tc::exporting
