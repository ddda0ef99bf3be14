#pragma once

// Traces to encode: one written out by hand, and any number from a seed.

#include "messages/span.hpp"

#include <cstdint>
#include <vector>

namespace tc::exporting::testing {

/// A source span (source-controller) with an event and a failed run (kustomize-controller) with a link and
/// every type of attribute.
completed_trace_ptr small_trace();

/// A trace of `span_count` spans with random content, services and IDs; the same for the same seed.
completed_trace_ptr random_trace(std::uint32_t seed, std::size_t span_count);

/// `count` random traces of 0 to 40 spans each.
std::vector<completed_trace_ptr> random_traces(std::uint32_t seed, std::size_t count);

} // namespace tc::exporting::testing
