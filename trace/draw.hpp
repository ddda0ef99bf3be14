#pragma once

// From the facts of one change to its span tree. Nothing is decided here about who caused what, only how it
// is drawn: names, attributes, links, times within times. Internal to trace/.

#include "messages/span.hpp"
#include "trace/analysis.hpp"

#include <map>

namespace tc::trace {

/// What the drawing of several changes has in common.
struct drawing_context {
  const analysis& all;
  const assembly_options& options;
  std::map<std::size_t, std::vector<span_event>> messages;           ///< by attempt
  std::map<std::size_t, std::vector<observation_ptr>> notifications; ///< by attempt
};

/// Returns the source that is the root of the change: the one that had the content first.
object_id root_of(const analysis& all, const std::string& key, const change_facts& change);

/// Returns the last failure of each source that the change asked to fetch something and that never did.
std::vector<const fetch_failure*> unfetched(const analysis& all, const change_facts& change);

/// Returns how the change ended: failed, incomplete, superseded or succeeded.
std::string outcome_of(const analysis& all, const change_facts& change);

/// Returns the revision of the change as Flux writes it at its root.
std::string revision_of(const analysis& all, const object_id& root, const change_facts& change);

/// Returns the trace of a change, without spans when there is nothing to draw.
completed_trace draw(const drawing_context& context, const std::string& key, const change_facts& change);

/// Returns the trace of one change of an analysis; without spans when that does not show it.
completed_trace draw_one(const analysis& all, const std::string& key);

} // namespace tc::trace
