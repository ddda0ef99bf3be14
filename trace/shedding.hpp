#pragma once

// What can be left out when more is told than can be worked off: in steps, each of which costs a trace less
// than the next. Never a failure, a deletion, or what shows that something was applied. Pure.

#include "messages/observation.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace tc::trace {

/// How much is left out; each level includes those before it.
enum class shed_level : std::uint8_t {
  nothing,   ///< all is kept
  repeated,  ///< states of an object whose conditions, revisions and spec are those of the state before
  phases,    ///< also the steps within a run: traces have fewer phases
  idle_runs, ///< also runs at a revision that the object has already: they are in no trace of a commit
};

/// Returns the value of the label `reason`: "repeated", "phases" or "idle-runs"; "" for nothing.
std::string_view text_of(shed_level level);

/// Remembers the state of each object that was kept last.
class shedding {
public:
  /// Returns the lowest level at which the fact can be left out, when that is no higher than `most`. Else it
  /// is to be kept, and the next of its object are compared with it.
  std::optional<shed_level> leaves_out(const observation& fact, shed_level most);

  /// All is worked off: what was kept is forgotten, and the next of each object is kept.
  void forget() { kept_.clear(); }

  /// How many objects it knows, at 56 bytes and their place in a table each.
  std::size_t size() const { return kept_.size(); }

private:
  struct marks {
    std::uint64_t of_all = 0;        ///< all that attribution and phases look at
    std::uint64_t without_steps = 0; ///< without what tells the steps of a run apart
    std::uint64_t at_rest = 0;       ///< what a run that applies nothing new leaves as it is
    std::uint64_t step = 0;          ///< of a run; 0 for none
    std::uint64_t first_step = 0;    ///< of that run: whoever is back at it was interrupted
  };
  static marks marks_of(const observation& fact);

  std::unordered_map<std::uint64_t, marks> kept_; ///< by the hash of object and UID
};

} // namespace tc::trace
