#pragma once

#include <cstdint>

namespace tc {

/// How a fact came to be known.
enum class arrival : std::uint8_t {
  live,       ///< as it happened
  first_list, ///< from the first list: it was so before anything was seen
  later_list, ///< from a list after an outage: what was between it and what was known has been missed
};

} // namespace tc
