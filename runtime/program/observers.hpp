#pragma once

// What the actors do, as logs and metrics.

#include "actors/trace.hpp"
#include "runtime/logging.hpp"
#include "runtime/metrics.hpp"
#include "runtime/program/trace_warnings.hpp"

#include <memory>

namespace tc::runtime {

/// Returns observers that count, log, and warn of changes that were lost. `counters` and `warnings` must
/// outlive the actors.
std::shared_ptr<actors::trace_events> make_observers(const logger& log, const metrics& counters,
                                                     trace_warnings& warnings);

} // namespace tc::runtime
