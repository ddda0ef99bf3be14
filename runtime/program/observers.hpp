#pragma once

// What the actors do, as logs and metrics.

#include "actors/trace.hpp"
#include "runtime/logging.hpp"
#include "runtime/metrics.hpp"

#include <memory>

namespace tc::runtime {

/// Returns observers that count and log. `counters` must outlive the actors.
std::shared_ptr<const actors::trace_events> make_observers(logger log, const metrics& counters);

} // namespace tc::runtime
