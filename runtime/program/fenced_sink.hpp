#pragma once

// A sink that sends only while it may: what a process that is not, or no more, the leader hands to it stays
// where it is. Asked for each request, so that nothing is sent between the end of a lease and the end of the
// process.

#include "export/sink.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace tc::runtime {

class fenced_sink : public exporting::span_sink {
public:
  /// `may_send` is asked from any thread.
  fenced_sink(std::shared_ptr<exporting::span_sink> inner, std::function<bool()> may_send)
      : inner_(std::move(inner)), may_send_(std::move(may_send)) {
    // nop
  }

  void send(std::shared_ptr<const exporting::encoded_batch> batch, done_function done) override {
    if (may_send_())
      return inner_->send(std::move(batch), std::move(done));
    exporting::attempt_result out;
    out.outcome = exporting::attempt_outcome::retry;
    out.reason = "not_leading";
    out.message = "this process does not lead any more; whoever leads sends it";
    done(std::move(out));
  }
  std::shared_ptr<const exporting::span_encoder> encoder() const override { return inner_->encoder(); }
  std::string description() const override { return inner_->description(); }

private:
  std::shared_ptr<exporting::span_sink> inner_;
  std::function<bool()> may_send_;
};

} // namespace tc::runtime
