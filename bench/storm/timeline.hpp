#pragma once

// Virtual time: what is to happen, in order. Things of one instant happen in the order they were asked for.
// A process is a coroutine that sleeps in it, so that a controller's work reads from top to bottom.

#include "messages/time.hpp"

#include <coroutine>
#include <cstdint>
#include <exception>
#include <queue>
#include <vector>

namespace tc::storm {

class timeline {
public:
  explicit timeline(timestamp start) : now_(start) {}
  timeline(const timeline&) = delete;
  timeline& operator=(const timeline&) = delete;
  ~timeline() {
    for (; !queue_.empty(); queue_.pop())
      queue_.top().process.destroy();
  }

  timestamp now() const { return now_; }

  struct sleep_awaitable {
    timeline* time;
    duration wait;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> process) const {
      time->queue_.push(entry{time->now_ + wait, time->next_++, process});
    }
    void await_resume() const noexcept {}
  };
  sleep_awaitable sleep(duration wait) { return {this, wait}; }

  /// Lets everything happen that is due until `end`.
  void run_until(timestamp end) {
    while (!queue_.empty() && queue_.top().at <= end) {
      auto next = queue_.top();
      queue_.pop();
      now_ = next.at;
      next.process.resume();
    }
    now_ = end;
  }

private:
  struct entry {
    timestamp at;
    std::uint64_t number;
    std::coroutine_handle<> process;
    bool operator<(const entry& other) const {
      return at != other.at ? at > other.at : number > other.number; // the queue gives the largest first
    }
  };

  timestamp now_;
  std::uint64_t next_ = 0;
  std::priority_queue<entry> queue_;
};

/// A coroutine that nobody waits for.
struct process {
  struct promise_type {
    process get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

} // namespace tc::storm
