#pragma once

// The time line beside a waterfall: where a bar begins and ends, which ticks the ruler shows, how durations
// read. Two steps to a column, drawn with half characters.

#include "messages/time.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace tc::runtime {

/// Returns a duration in at most 7 columns: "0s", "4.2ms", "350ms", "1.2s", "12.4s", "1m02s", "2h05m",
/// "3d04h".
std::string short_duration(duration value);

/// What a bar stands for, which decides its glyphs.
enum class bar_kind : unsigned char { work, phase, wait };

class time_axis {
public:
  /// Spreads [begin, end] over `columns` columns.
  time_axis(timestamp begin, timestamp end, std::size_t columns, bool unicode);

  /// Returns a line of labels ("0s      5s      10s"), as wide as the axis or narrower.
  std::string ruler() const;

  struct bar {
    std::size_t left = 0; ///< free columns before it
    std::string glyphs;
    std::size_t columns = 0; ///< of the glyphs, at least 1
  };

  /// Returns the bar of [from, to]; at least a half column, so that nothing is invisible.
  bar draw(timestamp from, timestamp to, bar_kind kind) const;

private:
  /// Half columns from the beginning, rounded down.
  std::size_t step_of(timestamp at) const;

  timestamp begin_;
  duration length_;
  std::size_t columns_;
  bool unicode_;
};

} // namespace tc::runtime
