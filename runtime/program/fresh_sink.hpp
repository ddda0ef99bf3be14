#pragma once

// A sink whose credentials come from Secrets. Before a request it has them read again unless that was a
// moment ago, and once more when the backend refuses them, so that a rotation takes effect on the next
// request.

#include "export/sink.hpp"

#include <functional>
#include <memory>

namespace tc::runtime {

class fresh_sink : public exporting::span_sink {
public:
  using sink_ptr = std::shared_ptr<exporting::span_sink>;
  using sink_receiver = std::function<void(const sink_ptr&)>;

  struct outside {
    /// Runs a task on the thread on which everything else here happens. What is posted when that thread has
    /// ended is dropped, and nobody waits for it any more.
    std::function<void(std::function<void()>)> post;
    /// Calls back with the sink to use, as of Secrets that were read at most so long ago; with nullptr while
    /// the Provider cannot be used.
    std::function<void(duration age, sink_receiver)> current;
  };

  /// Requests that follow each other closer than this share a reading.
  static constexpr duration fresh_for = std::chrono::seconds{1};

  /// `made` is the sink of now: encoder and description are its own.
  fresh_sink(sink_ptr made, outside functions);

  void send(std::shared_ptr<const exporting::encoded_batch> batch, done_function done) override;
  std::shared_ptr<const exporting::span_encoder> encoder() const override { return made_->encoder(); }
  std::string description() const override { return made_->description(); }

private:
  sink_ptr made_;
  outside outside_;
};

} // namespace tc::runtime
