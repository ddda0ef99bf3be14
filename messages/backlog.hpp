#pragma once

// How much has been handed in and is not worked off yet: what whoever reads looks at before it reads on. Who
// works it off, and in how many steps, does not matter here.

#include "messages/actors.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace tc {

/// Counts observations from several threads.
class backlog {
public:
  /// Returns how many there are. One that is on its way to several counts for each.
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }

  /// Returns the batch; it counts until nobody holds it any more, also when the message dies that it is in.
  static observation_batch_ptr counted(const std::shared_ptr<backlog>& by, observation_batch_ptr batch) {
    if (!by || !batch)
      return batch;
    auto size = batch->size();
    by->size_.fetch_add(size, std::memory_order_relaxed);
    const auto* raw = batch.get();
    return {raw, [by, size, held = std::move(batch)](const observation_batch*) mutable {
              held.reset();
              by->size_.fetch_sub(size, std::memory_order_relaxed);
            }};
  }

private:
  std::atomic<std::size_t> size_{0};
};

} // namespace tc
