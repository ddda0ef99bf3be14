#pragma once

// One attempt with a real sink, waited for.

#include "export/sink.hpp"
#include "tests/export/sample_traces.hpp"

#include <future>

namespace tc::exporting::testing {

/// Sends the small trace once and returns what became of it.
inline attempt_result send_once(span_sink& sink) {
  auto batches = sink.encoder()->encode(std::vector{small_trace()});
  std::promise<attempt_result> promise;
  auto future = promise.get_future();
  sink.send(std::make_shared<const encoded_batch>(batches.at(0)),
            [&promise](attempt_result result) { promise.set_value(std::move(result)); });
  return future.get();
}

} // namespace tc::exporting::testing
