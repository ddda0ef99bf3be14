#pragma once

// The order in which a waterfall shows the spans of a trace: a tree, depth first. How a row looks is
// waterfall.cpp's.

#include "messages/span.hpp"

#include <cstddef>
#include <map>
#include <vector>

namespace tc::runtime {

using span_index = std::map<span_id, const span*>;

struct span_row {
  const span* what = nullptr;
  std::size_t depth = 0;
  std::vector<bool> has_sibling_below; ///< for each level from the first to this one
  bool has_children = false;
};

/// Returns whether a span is a step of a run or a wait.
bool is_phase(const span& x);

/// Returns whether a span is a wait: a phase beside the run that it ends at, and linked to it.
bool is_wait(const span& x);

/// Returns the span that waited, nullptr when `x` is no wait or links to nothing here.
const span* what_waited(const span& x, const span_index& by_id);

/// Returns every span once: depth first, children by start, a wait right before what waited. What hangs under
/// a span that is not here, or in a circle, comes on top.
std::vector<span_row> rows_of(const std::vector<span>& spans, const span_index& by_id);

} // namespace tc::runtime
