#pragma once

// Traces to send: what the controller makes of recordings, many times over.

#include "messages/span.hpp"

#include <cstddef>
#include <vector>

namespace tc::bench {

/// Plays `copies` of each of three recordings (Kustomizations, Helm, failures) through the controller in
/// virtual time and returns the traces that settle. Throws when a recording cannot be read.
std::vector<completed_trace_ptr> settled_traces(std::size_t copies);

} // namespace tc::bench
