#pragma once

// What messages alone tell, where the states of all objects are withheld (a test option). Internal to trace/:
// the vocabulary that message_contents, message_runs, message_releases and message_attribution share.

#include "trace/facts.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tc::trace {

/// One occurrence of a message. The Event and the post of it are one.
struct telling {
  timestamp second;     ///< as its controller wrote it
  timestamp exact;      ///< the same to the nanosecond, where an Event's name has it
  bool believed = true; ///< its metadata are of this occurrence, not of an earlier one
  std::string uid;
  message_fact says; ///< without metadata that cannot be believed

  const std::string& revision() const { return says.revision; }
  /// Returns the first and the last moment at which it may have been told.
  timestamp earliest() const { return is_known(exact) ? exact : second; }
  timestamp latest() const {
    return is_known(exact) ? exact : second + std::chrono::seconds{1} - duration{1};
  }
};

/// Returns what the messages about one object tell, in order.
///
/// A post is believed. So is an Event that has occurred once. When it occurs again, only its count, its last
/// second and its text are written: its annotations remain those of the first occurrence, and a combined one
/// has none. It tells two things, then: the first with its metadata, and the last without.
std::vector<telling> read_tellings(const std::vector<observation_ptr>& messages);

/// A change log's lines, "Kind/namespace/name created|configured|deleted".
struct log_line {
  object_id object;
  std::string verb;
};
/// Returns nothing for any other message.
std::vector<log_line> read_change_log(std::string_view text);

/// Returns what stands between `before` and the next `after` in the text; nothing when that is not there.
std::optional<std::string> between(std::string_view text, std::string_view before, std::string_view after);

/// A revision of which a source says that it has it now: in the annotation or in the text, which is that of
/// every occurrence.
std::string told_content(const telling& of);

/// The origin revisions of artifacts, by revision; "" for none. An interval's message does not say it.
using told_origin_revisions = std::map<std::string, std::string>;
void read_origin_revisions(const object_id& object, const std::vector<telling>& messages,
                           told_origin_revisions& to);

/// The stays of a source at its contents, in order.
std::vector<occurrence> message_contents(const object_id& object, const std::vector<telling>& messages,
                                         const told_origin_revisions& origins);

/// A time in which a Kustomization said that it waits for its dependencies to take a revision.
struct told_wait {
  telling first;
  telling last;
  std::optional<timestamp> again_by; ///< when it meant to try again
  std::optional<timestamp> next;     ///< when it told of something else
};

/// What a Kustomization tells of.
struct told_runs {
  std::vector<attempt> attempts; ///< in order
  std::vector<told_wait> waits;  ///< of those revisions that it then did not attempt, in order
};
told_runs message_history(const object_id& object, const std::vector<telling>& messages);

/// Returns the attempts that a HelmRelease tells of. `release_version` is known where a message numbers it.
struct told_release {
  attempt run;
  timestamp earliest; ///< between these two it was over
  timestamp latest;
  bool numbered_next = false; ///< no attempt is missing between it and the one before
  bool inputs_known = false;  ///< chart and values are those of this attempt
};
std::vector<told_release> message_releases(const object_id& object, const std::vector<telling>& messages);

} // namespace tc::trace
