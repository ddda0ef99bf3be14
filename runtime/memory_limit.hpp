#pragma once

// How much memory the process may take: what the cgroup of its pod or service allows, and what follows from
// it for the bounds of what is remembered. Staying below it is the work of actors/memory_ledger.hpp.

#include "runtime/options.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace tc::runtime {

/// Returns the least memory limit of the process' cgroup and those around it, of either version; nothing when
/// there is none.
std::optional<std::size_t> cgroup_memory_limit(const surroundings& outside);

struct memory_limits {
  std::size_t process = 0;    ///< 0: none
  std::string source;         ///< for the log: where that number is from
  std::string problem;        ///< why it cannot be held, and what to do; "" where it can
  std::size_t sent_spans = 0; ///< remembered of each Provider
  std::size_t unwritten = 0;  ///< observations that may wait while the data directory cannot be written
  std::size_t unread = 0;     ///< observations that may wait for the actors before nothing more is read
  std::size_t recent = 0;     ///< observations that are remembered for Traces that become interested later
  std::size_t remembered = 0; ///< bytes of recent observations that each Trace remembers
};

memory_limits find_memory_limits(std::optional<std::size_t> asked, const surroundings& outside);

} // namespace tc::runtime
