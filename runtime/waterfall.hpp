#pragma once

// Draws a completed trace for a terminal: its spans as a tree, each on a line with outcome, start, duration
// and a bar on the trace's time line. A pure function of the trace and the style; what the terminal is like
// is found out in terminal.hpp, bars and ticks are drawn in time_axis.hpp.

#include "messages/span.hpp"

#include <cstddef>
#include <string>

namespace tc::runtime {

struct waterfall_style {
  std::size_t width = 120;     ///< columns of a line, at least 40
  bool color = false;          ///< ANSI colors
  bool unicode = true;         ///< else ASCII only, save for the names themselves
  std::size_t max_spans = 500; ///< further spans are only counted; 0 = no limit
};

/// Returns the drawing, every line ended by a newline. A trace without spans gives its header only.
std::string render_waterfall(const completed_trace& trace, const waterfall_style& style);

} // namespace tc::runtime
