#pragma once

// Looks at the resident set twice a second on a thread of its own, gives freed memory back to the system when
// it grows, and tells the ledger. What follows from it is the ledger's and the trace actors' work.

#include "actors/memory_ledger.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace tc::runtime {

/// To be called before threads begin. With a limit (bytes, 0 for none) they share two heaps: what is freed in
/// a heap of its own is of no use to other threads. Under a storm half of the resident set was such room.
void bound_heaps(std::size_t limit);

class memory_watch {
public:
  /// Without a limit in the ledger it does nothing. `exceeded` is told a resident set above the limit, once
  /// until it has been below for a minute; on the watch's thread.
  memory_watch(std::shared_ptr<actors::memory_ledger> ledger,
               std::function<void(std::size_t resident)> exceeded);
  ~memory_watch();
  memory_watch(const memory_watch&) = delete;
  memory_watch& operator=(const memory_watch&) = delete;

private:
  void look();

  std::shared_ptr<actors::memory_ledger> ledger_;
  std::function<void(std::size_t)> exceeded_;
  std::optional<std::chrono::steady_clock::time_point> above_at_; ///< last seen above the limit
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_; ///< last: it uses the rest
};

} // namespace tc::runtime
