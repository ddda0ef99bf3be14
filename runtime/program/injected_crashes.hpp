#pragma once

// Crashes on demand, for tests of the whole program under faults: actors end in mid-work and have to be
// started again. Off unless the environment asks for them.

#include "actors/trace.hpp"

namespace tc::runtime {

/// With $TRACE_CONTROLLER_CRASH_EVERY=N each N-th judgement of a change throws, and each N-th time that a
/// trace actor tells its progress (once a second). Without it nothing changes.
void inject_crashes(actors::trace_events& into);

} // namespace tc::runtime
