#pragma once

// How fast a storm goes on: at a rate, at the pace of its recording or a multiple of it, or as fast as it is
// read. Pure: the time comes from outside.

#include "messages/time.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tc::storm {

struct pace {
  double rate = 0;  ///< events a second; 0 for none
  double speed = 0; ///< 1 is the recording's own pace; 0 for none
  /// With neither of them: how far the slowest reader may fall behind.
  std::size_t window = 4096;
};

class player {
public:
  using clock = std::chrono::steady_clock::time_point;

  player(pace with, const std::vector<timestamp>& times) : pace_(with), times_(times) {}

  void begin(clock now) {
    if (!begun_)
      begun_ = now;
  }
  bool has_begun() const { return begun_.has_value(); }
  /// Returns how many events are to be visible by now. `slowest`: the place of the first event that a reader
  /// has not got yet; nothing when all have got all.
  std::size_t due(clock now, std::size_t shown, std::optional<std::uint32_t> slowest) const;

private:
  pace pace_;
  const std::vector<timestamp>& times_;
  std::optional<clock> begun_;
};

} // namespace tc::storm
