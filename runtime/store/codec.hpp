#pragma once

// Observations and completed traces as bytes and back, for the data directory. What is decoded equals what
// was encoded, field by field. A field that is added to one of these types and not here does not compile.

#include "messages/observation.hpp"
#include "messages/span.hpp"

#include <tl/expected.hpp>

#include <string>
#include <string_view>

namespace tc::store {

std::string encode(const observation& fact);
std::string encode(const completed_trace& trace);

/// The error says that the bytes are none of ours, or of a newer version that has other values.
tl::expected<observation, std::string> decode_observation(std::string_view bytes);
tl::expected<completed_trace, std::string> decode_trace(std::string_view bytes);

} // namespace tc::store
