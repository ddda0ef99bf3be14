#pragma once

// The latest deliveries of a Trace, for a process that takes over from this one: what is in here is not sent
// again. Bounded, because it lives in the status of the Trace; what has been let go is sent again under the
// same IDs, unless status.exportedUntil tells of it. How it is written is status_patches.hpp's work.

#include "messages/actors.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

namespace tc::actors {

class delivered_log {
public:
  static constexpr std::size_t most_traces = 128;
  /// As text they take eleven bytes each.
  static constexpr std::size_t most_spans = 1024;

  /// Takes note of spans of a trace; those that it has are not noted twice.
  void add(const delivered_trace& part);

  /// Returns all of it, oldest first; the same pointer while nothing is added.
  std::shared_ptr<const std::vector<delivered_trace>> latest() const;

private:
  std::deque<delivered_trace> traces_;
  std::size_t spans_ = 0;
  mutable std::shared_ptr<const std::vector<delivered_trace>> latest_;
};

} // namespace tc::actors
