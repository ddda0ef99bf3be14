#pragma once

// When what was given to the journal is written: it waits for company, since each group costs a sync, but
// only so long, since a kill takes it away.

#include "messages/time.hpp"

#include <chrono>
#include <cstddef>
#include <optional>

namespace tc::store {

class commit_window {
public:
  using time = std::chrono::steady_clock::time_point;

  /// `wait`: from the first of a group; `most`: so many observations do not wait.
  commit_window(duration wait, std::size_t most) : wait_(wait), most_(most) {}

  /// Something is there to be written. Only the first of a group counts: one after the other must not put the
  /// end off.
  void given(time now) {
    if (!first_)
      first_ = now;
  }

  /// The group was taken, to be written.
  void taken() { first_.reset(); }

  /// When the group is to be taken; nothing while there is none.
  std::optional<time> due(std::size_t observations) const {
    return first_ && observations < most_ ? std::optional{*first_ + wait_} : first_;
  }

private:
  duration wait_;
  std::size_t most_;
  std::optional<time> first_;
};

} // namespace tc::store
