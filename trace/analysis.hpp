#pragma once

// One pass over a ledger: every attempt, wait, content, rollout and removal in it, each with the change it
// belongs to. Assembly projects one change out of it, settling asks what is still expected. Internal to
// trace/.

#include "trace/assemble.hpp"
#include "trace/facts.hpp"

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace tc::trace {

/// The states of one object, in the order of their versions.
struct timeline {
  std::vector<observation_ptr> states;
  std::vector<observation_ptr> messages;
  std::vector<observation_ptr> notifications;

  /// Returns the latest state at or before that version, else the first, nullptr without states.
  const observation* at(std::uint64_t version) const;
  const observation* latest() const { return states.empty() ? nullptr : states.back().get(); }
  bool is_gone() const { return !states.empty() && states.back()->kind == observation_kind::deleted; }
};

/// A change of an object's spec by whoever applies it: its creation, or a new generation.
struct spec_change {
  std::string uid;
  std::int64_t generation = 0;
  std::uint64_t version = 0; ///< the first state that shows it; 0 when it was there before anything was seen
  timestamp applied_at;      ///< second of the apply, as the API server noted it
  std::optional<std::size_t> cause; ///< index of the attempt whose apply it was
  bool logged = false;              ///< that attempt's change log names the object
  bool relisted = false;            ///< it was seen in a list after an outage, by which it had happened
  bool missed = false;              ///< it happened during an outage of the watch, and by whom is not known
};

/// A workload taken to a new generation by an apply.
struct rollout {
  object_id object;
  std::string uid;
  std::int64_t generation = 0;
  std::size_t cause = 0; ///< index of the attempt
  moment begin;
  moment end; ///< version no_version while it lasts
  timestamp begin_second;
  timestamp end_second; ///< as the status says; unknown where it does not
  outcome result = outcome::open;
  std::string reason;
  std::vector<std::string> images;
};

/// An object that an apply pruned.
struct removal {
  object_id object;
  std::string uid;
  std::size_t cause = 0; ///< index of the attempt
  moment begin;
  moment end; ///< gone; version no_version while its finalizer works
  std::string revision;
};

/// An object that only waited for a change, or still does.
struct lingering {
  object_id object;
  std::string uid;
  std::string reason;
  std::string message;
  moment begin;
  moment end;
  timestamp begin_at; ///< the best of arrival and what was written
  timestamp end_at;   ///< the epoch while it lasts
  bool over = false;  ///< it went on without the change
  std::optional<object_id> source;
  std::optional<std::size_t> cause;
};

/// Everything of one change. Numbers are indexes into the analysis.
struct change_facts {
  std::vector<std::size_t> contents;
  std::vector<std::size_t> attempts;
  std::vector<std::size_t> rollouts;
  std::vector<std::size_t> removals;
  std::vector<lingering> waits;
  std::set<object_id> passed_over; ///< objects that went on without finishing or starting it
  std::set<object_id> pending;     ///< objects expected to do something still
  timestamp
      unsure_until; ///< till then, states of one kind may come that are older than what is known of another
  bool took() const { return !attempts.empty() || !removals.empty() || !waits.empty(); }
};

constexpr auto no_attempt = static_cast<std::size_t>(-1);

struct analysis {
  analysis(const ledger& facts, const assembly_options& options);

  std::map<object_id, timeline> timelines;
  std::vector<attempt> attempts;
  std::vector<wait> waits;
  std::vector<occurrence> contents;
  std::vector<rollout> rollouts;
  std::vector<removal> removals;
  std::map<object_id, std::vector<std::size_t>> attempts_of;
  std::map<object_id, std::vector<std::size_t>> waits_of;
  std::map<object_id, std::vector<std::size_t>> contents_of;
  std::map<object_id, std::vector<spec_change>> spec_changes_of;
  std::map<std::string, change_facts> changes;
  std::map<object_id, object_id> told_origins; ///< of charts, from messages alone
  std::map<object_id, moment>
      dying_since; ///< of objects with a deletion timestamp: the first state that shows it

  const timeline* find(const object_id& object) const;
  /// Returns whether that kind's watch is known to have come as far as that version: an object of which no
  /// later state is known has none, then. Watches of different kinds are not in step.
  bool has_seen(const std::string& kind, std::uint64_t version) const;
  /// Returns who applies the object, by its labels; never the object itself.
  std::optional<object_id> owner_of(const object_id& object) const;
  /// Returns the attempt of `by` whose work includes that version, if any.
  std::optional<std::size_t> attempt_around(const object_id& by, std::uint64_t version) const;
  /// Returns the same where an outage of the watch leaves open whose work that version was: then the second
  /// in which it happened decides.
  std::optional<std::size_t> attempt_around(const object_id& by, std::uint64_t version,
                                            timestamp second) const;
  /// Returns the attempt of `by` that was under way in that second.
  std::optional<std::size_t> attempt_at(const object_id& by, timestamp second) const;
  /// Returns the same where no other one can be meant.
  std::optional<std::size_t> only_attempt_at(const object_id& by, timestamp second) const;
  /// Returns the attempt during which the message was produced, or no_attempt. Its own revision is right as
  /// long as it has occurred only once; otherwise time decides.
  std::size_t attempt_of_message(const observation& message) const;
  /// Returns whether a Trace's eventSources name the object.
  bool selected(const object_id& object) const;
  /// Returns whether messages during that attempt name the object; nothing when no change log of it has
  /// arrived.
  std::optional<bool> log_names(std::size_t attempt_index, const object_id& object) const;

  const assembly_options& options;
  /// Whether the states of all objects are withheld, so that only messages tell.
  bool withheld = false;
  /// What each attempt's apply says it has touched.
  std::map<std::size_t, std::set<object_id>> change_logs;

private:
  /// Returns the last second in which the attempt may have been under way.
  timestamp latest_second_of(const std::vector<std::size_t>& all_of_object, const attempt& of) const;

  std::map<std::string, std::uint64_t> seen_until_; ///< latest version of each kind

  void read_timelines(const ledger& facts);
  /// What ended during an outage of the watch had lasted until then, though only other objects of the kind
  /// had new states.
  void extend_waits();
  void read_logs();
  void find_spec_changes();
  void attribute();
  void find_rollouts();
  void find_removals();
  void collect();
};

/// Returns the second in which an attempt began, as far as what its controller wrote tells.
timestamp start_second_of(const attempt& of);

/// The states of those who apply each source, with their histories.
using appliers_by_source = std::map<object_id, std::vector<const object_state*>>;

/// The rule of which source had a content first, where that source has gone on before anything was seen.
void recall_first_source(analysis& all, const appliers_by_source& appliers);

/// The rules of what a restart leaves of runs that were over before it.
void recall_histories(analysis& all);

/// The rules of who caused what; one pass in the order of versions. Fills in key, attribution, cause and
/// source.
void attribute_all(analysis& all);

/// The rules of who caused what where the states of all objects are withheld. Fills in all of that, and the
/// contents, attempts, waits and removals themselves.
void conclude_from_messages(analysis& all);

/// Gives each attempt what its span ID is derived from.
void name_attempts(analysis& all);

/// The rules of which objects a change still waits for, and which went on without it.
void find_expectations(analysis& all);

/// The rules of when to wait for a watch that is behind the others.
void doubt_what_lags(analysis& all);

} // namespace tc::trace
