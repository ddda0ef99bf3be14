#pragma once

// How soon an actor that crashed may start again: soon after the first crash, then ever later. Pure.

#include "messages/time.hpp"

#include <algorithm>

namespace tc::actors {

class restart_policy {
public:
  static constexpr duration first = std::chrono::milliseconds{100};
  static constexpr duration longest = std::chrono::seconds{30};
  /// After this long without a crash, the next one counts as the first.
  static constexpr duration forgiven = std::chrono::minutes{10};

  /// Notes a crash. Returns when to start again.
  timestamp crashed(timestamp now) {
    if (is_known(last_) && now - last_ > forgiven)
      wait_ = first;
    last_ = now;
    at_ = now + wait_;
    wait_ = std::min(longest, 2 * wait_);
    return at_;
  }
  /// Returns whether a restart is due at `now`.
  bool due(timestamp now) const { return now >= at_; }

private:
  timestamp last_;
  timestamp at_;
  duration wait_ = first;
};

} // namespace tc::actors
