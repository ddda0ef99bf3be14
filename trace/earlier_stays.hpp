#pragma once

// What is told of the contents that a source has had before it was seen: those who apply it keep a history of
// revisions, and an Event lives on for an hour.

#include "trace/facts.hpp"
#include "trace/object_map.hpp"

#include <string>
#include <vector>

namespace tc::trace {

struct timeline;

/// That a source had a content then.
struct sighting {
  timestamp at; ///< whole seconds
  std::string key;
};

/// The sightings of each source.
using sightings_by_source = object_map<std::vector<sighting>>;

/// Whether its spec is known to have been the same then: it may have followed another source otherwise.
bool had_this_spec_at(const object_state& state, timestamp then);

/// Whether it is a message, listed and not seen to arrive, that may tell of an earlier content of a source.
bool tells_of_earlier_content(const observation& fact);

/// Whether it is a message, listed, that tells which content of its source a Kustomization had before it.
bool tells_of_content_taken(const observation& fact);

/// Adds what one object tells of the source that it applies, or of itself where it is one.
void note_sightings(const object_id& object, const timeline& line, sightings_by_source& to);

/// Returns whether the source was at this content, and after that at another one, before it got it in this
/// stay.
bool left_and_returned(const std::vector<sighting>& of_source, const occurrence& content);

/// Returns whether the attempt, which a list shows, began before its source came back to this content: it
/// took an earlier stay of it.
bool began_before_return(const attempt& run, const occurrence& content);

} // namespace tc::trace
