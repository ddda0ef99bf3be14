#pragma once

// When things began and ended: the best of what controllers measured, of their transition times (whole
// seconds) and of live arrival. Which change they belong to is attribution's business. Internal to trace/.

#include "trace/analysis.hpp"

namespace tc::trace {

/// Fills in start and end of every attempt.
void time_attempts(analysis& all);

/// Returns when a state appeared: its arrival if it was live, held within the second its controller wrote;
/// else that second; else whatever is known.
timestamp time_of(const moment& seen, timestamp written);

} // namespace tc::trace
