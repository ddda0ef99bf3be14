#pragma once

// How IDs are derived (DESIGN.md, section 5): the same change gives the same IDs in every process, replica
// and order of arrival. Nothing here depends on when anything was received.

#include "messages/ids.hpp"

#include <string_view>

namespace tc::trace {

/// Returns the first 16 bytes of SHA-256(change key); with a scope prefix ("<Trace UID>:") of prefix and key.
trace_id derive_trace_id(std::string_view change_key, std::string_view scope_prefix = {});

/// Returns the first 8 bytes of SHA-256(trace ID, group/kind/namespace/name, discriminator), never all zero.
span_id derive_span_id(const trace_id& trace, const object_id& object, std::string_view discriminator);

} // namespace tc::trace
