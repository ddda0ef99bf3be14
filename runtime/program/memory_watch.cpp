#include "runtime/program/memory_watch.hpp"

#include "runtime/process_metrics.hpp"

#include <chrono>

#include <malloc.h>

namespace tc::runtime {

namespace {

constexpr auto pause = std::chrono::milliseconds{500};
/// Above the limit once more after so long is told again.
constexpr auto quiet = std::chrono::minutes{1};

} // namespace

void bound_heaps(std::size_t limit) {
  if (limit != 0)
    ::mallopt(M_ARENA_MAX, 2);
}

memory_watch::memory_watch(std::shared_ptr<actors::memory_ledger> ledger,
                           std::function<void(std::size_t)> exceeded)
    : ledger_(std::move(ledger)), exceeded_(std::move(exceeded)) {
  if (ledger_->limit() == 0)
    return;
  thread_ = std::thread{[this] {
    std::unique_lock guard{mutex_};
    while (!changed_.wait_for(guard, pause, [this] { return ending_; }))
      look();
  }};
}

memory_watch::~memory_watch() {
  {
    std::lock_guard guard{mutex_};
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

void memory_watch::look() {
  auto resident = resident_bytes();
  // What was freed stays with the allocator, page by page, until it is asked for it.
  if (resident > ledger_->limit() / 4 * 3) {
    ::malloc_trim(0);
    resident = resident_bytes();
  }
  ledger_->measured(resident);
  if (resident <= ledger_->limit())
    return;
  auto now = std::chrono::steady_clock::now();
  if (!above_at_ || now - *above_at_ > quiet)
    exceeded_(resident);
  above_at_ = now;
}

} // namespace tc::runtime
