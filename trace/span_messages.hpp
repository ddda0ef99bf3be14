#pragma once

// Which message belongs on which run: Events by the second of the occurrence, since a revision on an Event
// that has occurred more than once is that of the first time. Internal to trace/.

#include "trace/analysis.hpp"

namespace tc::trace {

/// Returns the messages produced during each attempt, as span events in the order of time, by attempt; with
/// `of` only for attempts of those objects.
std::map<std::size_t, std::vector<span_event>> messages_by_attempt(const analysis& all,
                                                                   const std::set<object_id>* of = nullptr);

/// Returns the deliveries of events that were produced during each attempt, by attempt; `of` as above.
std::map<std::size_t, std::vector<observation_ptr>>
notifications_by_attempt(const analysis& all, const std::set<object_id>* of = nullptr);

/// Returns the deliveries of events about a source's content.
std::vector<observation_ptr> notifications_of_content(const analysis& all, const occurrence& content);

/// Returns the messages about a source's content.
std::vector<span_event> messages_of_content(const analysis& all, const occurrence& content);

} // namespace tc::trace
