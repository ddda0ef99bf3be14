#pragma once

// Observations and traces with something in every field, drawn from a seed: for the tests of what is written
// and read again.

#include "messages/observation.hpp"
#include "messages/span.hpp"

#include <cstdint>

namespace tc::test {

/// Equal for equal seeds. About half of all optional fields and lists are empty.
observation random_observation(std::uint64_t seed);
completed_trace random_trace(std::uint64_t seed);

} // namespace tc::test
