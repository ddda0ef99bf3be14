#pragma once

// When something is due next: asked for by actors, which have no clock, and looked at by whoever has one,
// more often than ticks come. What is due between two ticks need not wait for the next.

#include "messages/time.hpp"

#include <atomic>
#include <limits>

namespace tc {

/// Of several threads.
class alarm {
public:
  /// A tick is wanted at that time; the earliest that was asked for holds.
  void ask(timestamp at) {
    auto wanted = at.time_since_epoch().count();
    auto earliest = earliest_.load(std::memory_order_relaxed);
    while (wanted < earliest && !earliest_.compare_exchange_weak(earliest, wanted, std::memory_order_relaxed))
      continue;
  }

  /// Returns whether that time has come; then it is forgotten, and whoever is ticked asks anew.
  bool take(timestamp now) {
    auto earliest = earliest_.load(std::memory_order_relaxed);
    while (earliest <= now.time_since_epoch().count())
      if (earliest_.compare_exchange_weak(earliest, never, std::memory_order_relaxed))
        return true;
    return false;
  }

private:
  static constexpr auto never = std::numeric_limits<timestamp::rep>::max();
  std::atomic<timestamp::rep> earliest_{never};
};

} // namespace tc
