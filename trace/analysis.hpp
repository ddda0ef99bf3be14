#pragma once

// One pass over a ledger: every attempt, wait, content, rollout and removal in it, each with the change it
// belongs to. Assembly projects one change out of it, settling asks what is still expected. Internal to
// trace/.

#include "trace/assemble.hpp"
#include "trace/facts.hpp"
#include "trace/object_map.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace tc::trace {

/// The states of one object, in the order of their versions.
struct timeline {
  std::span<const observation_ptr> states; ///< of the ledger, or as completed()
  std::vector<observation_ptr> messages;
  std::vector<observation_ptr> notifications;

  /// Returns the latest state at or before that version, else the first, nullptr without states.
  const observation* at(std::uint64_t version) const;
  const observation* latest() const { return states.empty() ? nullptr : states.back().get(); }
  bool is_gone() const { return !states.empty() && states.back()->kind == observation_kind::deleted; }
};

/// A change of an object's spec by whoever applies it: its creation, or a new generation.
struct spec_change {
  fact_text uid;
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
  fact_text uid;
  std::int64_t generation = 0;
  std::size_t cause = 0; ///< index of the attempt
  moment begin;
  moment end; ///< version no_version while it lasts
  timestamp begin_second;
  timestamp end_second; ///< as the status says; unknown where it does not
  outcome result = outcome::open;
  fact_text reason;
  const std::vector<std::string>* images = nullptr; ///< as the last state that shows it has them
};

/// An object that an apply pruned.
struct removal {
  object_id object;
  fact_text uid;
  std::size_t cause = 0; ///< index of the attempt
  moment begin;
  moment end; ///< gone; version no_version while its finalizer works
  fact_text revision;
};

/// An object that only waited for a change, or still does.
struct lingering {
  object_id object;
  fact_text uid;
  fact_text reason;
  fact_text message;
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
  std::vector<std::size_t> fetch_failures;
  std::vector<lingering> waits;
  std::set<object_id> passed_over; ///< objects that went on without finishing or starting it
  std::set<object_id> pending;     ///< objects expected to do something still
  timestamp
      unsure_until; ///< till then, states of one kind may come that are older than what is known of another
  bool took() const { return !attempts.empty() || !removals.empty() || !waits.empty(); }
};

/// A content that a source's own Event tells of.
struct noted_content {
  std::string key;
  fact_text revision;
  fact_text origin_revision;
  timestamp at;
  std::uint64_t version = 0; ///< of the Event
};

constexpr auto no_attempt = static_cast<std::size_t>(-1);

/// How far an analysis is to go. Who caused what is always found out for all that is known.
struct analysis_scope {
  const std::string* change = nullptr; ///< the one that is asked about; null for all
  bool attribution_only = false;       ///< which changes an object takes; not when and how these end
};

struct analysis {
  analysis(const ledger& facts, const assembly_options& options, analysis_scope scope = {});

  object_map<timeline> timelines;
  std::vector<attempt> attempts;
  std::vector<wait> waits;
  std::vector<occurrence> contents;
  std::vector<rollout> rollouts;
  std::vector<removal> removals;
  std::vector<fetch_failure> fetch_failures;
  std::vector<fetch_failure> fetches_due; ///< asked for and not fetched yet
  object_map<std::vector<std::size_t>> attempts_of;
  object_map<std::vector<std::size_t>> waits_of;
  object_map<std::vector<std::size_t>> contents_of;
  object_map<std::vector<spec_change>> spec_changes_of;
  std::map<std::string, change_facts> changes;
  /// Of each source, what applies it and has a history of that.
  object_map<std::vector<const timeline*>> appliers;
  std::map<object_id, object_id> told_origins; ///< of charts, from messages alone
  object_map<moment> dying_since; ///< of objects with a deletion timestamp: the first state that shows it

  const timeline* find(const object_id& object) const;
  /// Returns the object's ID, which must be in a timeline, as it is kept: a key of the maps above.
  const object_id& kept(const object_id& object) const { return timelines.find(object)->first; }
  /// Returns whether that kind's watch is known to have come as far as that version: an object of which no
  /// later state is known has none, then. Watches of different kinds are not in step.
  bool has_seen(const std::string& kind, std::uint64_t version) const;
  /// Returns who applies the object, by its labels; never the object itself.
  std::optional<object_id> owner_of(const object_id& object) const;
  /// Returns the attempt of `by` whose work includes that version, if any.
  std::optional<std::size_t> attempt_around(const object_id& by, std::uint64_t version) const;
  /// Returns the same where an outage of the watch leaves open whose work that version was: then the second
  /// in which it happened decides.
  std::optional<std::size_t> attempt_around(const object_id& by, std::uint64_t version, timestamp second,
                                            const object_id& applied) const;
  /// Returns the attempt of `by` that was under way in that second.
  std::optional<std::size_t> attempt_at(const object_id& by, timestamp second) const;
  /// Returns the same where no other one can be meant, for what a state of version `until` shows of
  /// `applied`.
  std::optional<std::size_t> only_attempt_at(const object_id& by, timestamp second, std::uint64_t until,
                                             const object_id& applied) const;
  /// Returns the attempt during which the message was produced, or no_attempt. Its own revision is right as
  /// long as it has occurred only once; otherwise time decides.
  std::size_t attempt_of_message(const observation& message) const;
  /// Returns whether a Trace's eventSources name the object.
  bool selected(const object_id& object) const;
  /// Returns whether they name anything that took the change, or that waits for what it could not fetch.
  bool anything_selected(const change_facts& change) const;
  /// Returns whether messages during that attempt name the object; nothing when no change log of it has
  /// arrived.
  std::optional<bool> log_names(std::size_t attempt_index, const object_id& object) const;

  /// Returns whether the change is one that is asked about.
  bool asked_about(const std::string& change) const {
    return !change.empty() && (!scope.change || *scope.change == change);
  }

  const assembly_options& options;
  analysis_scope scope;
  /// Whether the states of all objects are withheld, so that only messages tell.
  bool withheld = false;
  /// What each attempt's apply says it has touched.
  std::map<std::size_t, std::set<object_id>> change_logs;

private:
  /// Returns the last second in which the attempt may have been under way.
  timestamp latest_second_of(const std::vector<std::size_t>& all_of_object, const attempt& of) const;
  /// Returns whether an attempt before it, which was over when its object was listed, may have been under way
  /// in that second.
  bool may_be_of_an_earlier(const attempt& than, timestamp second) const;

  std::map<std::string, std::uint64_t> seen_until_; ///< latest version of each kind
  std::deque<std::vector<observation_ptr>> completed_;

  void read_timelines(const ledger& facts);
  /// Returns the states, where a deletion came with little but its name with what was known of the object.
  std::span<const observation_ptr> completed(const std::vector<observation_ptr>& states);
  /// What ended during an outage of the watch had lasted until then, though only other objects of the kind
  /// had new states.
  void extend_waits();
  void read_logs();
  void find_spec_changes();
  void find_rollouts();
  void find_removals();
  void collect();
  /// Returns the sources whose content something that the Trace selects takes, and those that it selects.
  std::set<object_id> sources_of_selected() const;
};

/// Returns the second in which an attempt began, as far as what its controller wrote tells.
timestamp start_second_of(const attempt& of);

/// Returns the contents that Events of the source tell of, in their order. One that has come again has lost
/// its revision.
std::vector<noted_content> noted_contents(const object_id& source, const timeline& line);

/// The rule of whether a source had left and come back to a content before it was seen there.
bool had_left(const analysis& all, const occurrence& content);

/// The rule of which source had a content first, where that source has gone on before anything was seen.
void recall_first_source(analysis& all);

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
