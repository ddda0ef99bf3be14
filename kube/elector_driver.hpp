#pragma once

// What the electors on the HTTP client have in common, whichever election they drive: the timer, the answers,
// and that nobody is told anything once they are being destroyed.

#include "kube/lease_elector.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace tc::kube {

/// `Self` derives from it and has `take(step)`, for the steps of `Election`. Everything but stop_telling() is
/// called on the loop's thread, post() on any.
template <class Self, class Election>
struct elector_driver : std::enable_shared_from_this<Self> {
  template <class Settings>
  elector_driver(elector_context c, std::string ns, Settings with, std::function<void(const Election&)> told)
      : context(std::move(c)), api(context.target, [clock = context.clock] { return clock().wall; }),
        namespace_name(std::move(ns)), election(std::move(with), context.random), changed(std::move(told)) {}

  void timer() { static_cast<Self&>(*this).take(election.on_timer(context.clock())); }

  /// Only the latest one counts.
  void set_timer(duration wait) {
    auto mine = ++timers;
    context.loop.after(wait, [weak = this->weak_from_this(), mine] {
      if (auto self = weak.lock(); self && self->timers == mine)
        self->timer();
    });
  }

  void tell_changed() {
    tell([&] {
      if (changed)
        changed(election);
    });
  }

  void tell_if_over() {
    if (election.is_over())
      tell([&] {
        if (auto then = std::exchange(over, nullptr))
          then();
      });
  }

  /// Calls `then` with an answer while this is there.
  template <class Function>
  api_callback when_answered(Function then) {
    return [weak = this->weak_from_this(), then = std::move(then)](const api_result& result) {
      if (auto self = weak.lock())
        then(*self, result);
    };
  }

  /// Calls `then` on the loop's thread while this is there.
  template <class Function>
  void post(Function then) {
    context.loop.post([weak = this->weak_from_this(), then = std::move(then)]() mutable {
      if (auto self = weak.lock())
        then(*self);
    });
  }

  /// Waits for what is being told.
  void stop_telling() {
    std::lock_guard guard{telling};
    closed = true;
  }

  elector_context context;
  api_client api;
  std::string namespace_name;
  Election election;
  std::function<void(const Election&)> changed;
  std::function<void()> over; ///< told once
  std::uint64_t timers = 0;

private:
  template <class Function>
  void tell(Function&& function) {
    std::lock_guard guard{telling};
    if (!closed)
      function();
  }

  std::mutex telling;
  bool closed = false; ///< guarded by `telling`
};

} // namespace tc::kube
