#pragma once

// How long to wait before the next try: exponential, with jitter from a generator that the owner seeds.

#include "messages/time.hpp"

#include <algorithm>
#include <cstdint>
#include <random>

namespace tc::kube {

/// Each delay is between half and all of its step, so that many clients do not come back at the same moment.
class backoff {
public:
  backoff(duration first, duration longest, std::uint64_t seed)
      : first_(first), longest_(longest), random_(seed) {}

  /// Returns the next delay and doubles the step, up to the longest.
  duration next() { return next(longest_); }

  /// The same with another longest delay, if that is shorter.
  duration next(duration longest) {
    auto step = std::min(longest, longest_);
    if (steps_ < 30)
      step = std::min(step, first_ * (std::int64_t{1} << steps_));
    ++steps_;
    return jitter(step);
  }

  /// Returns a value between half of `step` and `step`.
  duration jitter(duration step) {
    return duration{std::uniform_int_distribution<std::int64_t>{step.count() / 2, step.count()}(random_)};
  }

  /// Returns a value between the two.
  duration between(duration low, duration high) {
    return duration{std::uniform_int_distribution<std::int64_t>{low.count(), high.count()}(random_)};
  }

  /// The next delay is the first again.
  void reset() { steps_ = 0; }
  int steps() const { return steps_; }

private:
  duration first_;
  duration longest_;
  int steps_ = 0;
  std::mt19937_64 random_;
};

} // namespace tc::kube
