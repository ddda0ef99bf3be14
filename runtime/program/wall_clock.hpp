#pragma once

// The one place where the program reads the time of day; everything else is handed it.

#include "messages/time.hpp"

namespace tc::runtime {

inline timestamp wall_clock() {
  return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
}

} // namespace tc::runtime
