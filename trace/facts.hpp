#pragma once

// What is read off one object's timeline before anything is attributed to a change: its attempts, its waits,
// and for a source the content it had. Internal to trace/: the vocabulary that kustomization_runs, helm_runs,
// source_history, attribution and assembly share.

#include "messages/observation.hpp"
#include "messages/span.hpp"
#include "trace/fact_text.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tc::trace {

/// A place in the cluster's order of events. Resource versions of one cluster count up over all objects, so
/// they order what happened to different objects, whatever the watches' delays.
struct moment {
  std::uint64_t version = 0;
  timestamp at;      ///< arrival
  bool live = false; ///< false: from a list, so that `at` says nothing
};

inline moment moment_of(const observation& fact) {
  return {fact.resource_version, fact.received_at, !fact.initial && !fact.relisted};
}

constexpr std::uint64_t no_version = std::numeric_limits<std::uint64_t>::max();

/// A step of an attempt, as far as the object's conditions show it.
struct phase {
  fact_text name; ///< "fetch", "build", "apply", "health check", "helm install", "helm rollback", ...
  moment begin;
  moment end;
  fact_text outcome; ///< "" while nothing is known
  fact_text message;
  std::optional<duration> reported;
};

enum class outcome : std::uint8_t { open, succeeded, failed, superseded, incomplete };

std::string_view to_string(outcome value);

/// One processing of one revision (or chart and values) by one object's controller.
struct attempt {
  object_id object;
  fact_text uid;
  moment first;                 ///< the first state that shows it
  bool start_seen = false;      ///< that state is its start, seen live
  bool start_missed = false;    ///< it began during an outage of the watch
  bool end_missed = false;      ///< it has no outcome because that came during an outage of the watch
  std::uint64_t not_before = 0; ///< everything the attempt did has a later version than this
  moment last;                  ///< the last state that shows it
  moment decided;               ///< the first state with its outcome
  outcome result = outcome::open;
  fact_text reason;
  fact_text message;
  timestamp start_second;    ///< of the transition that its start made, as its controller wrote it
  timestamp outcome_second;  ///< of the transition that its outcome made
  timestamp recorded_second; ///< a Kustomization's history: lastReconciled, when its record is this attempt's
  timestamp first_recorded;  ///< the same record's firstReconciled
  std::int64_t recorded_total = 0; ///< how many reconciliations the record counts; 0 without a record
  std::optional<duration> reported;
  fact_text revision; ///< as Flux writes it; a chart's version
  fact_text origin_revision;
  std::int64_t generation = 0;
  fact_text action; ///< reconcile, install, upgrade, delete
  std::vector<phase> phases;
  bool start_noted = false; ///< from messages alone: `start` is known to the nanosecond
  bool moved = true;        ///< it took the object to other content; false: an interval, a request, a drift
  bool historic = false;    ///< it was over before anything was seen live
  bool retry_due = false;   ///< after it failed: its controller says that it will try again
  std::optional<bool> changed; ///< whether it changed anything in the cluster
  fact_text digest;        ///< of what it built (Kustomization), of the chart's OCI manifest (HelmRelease)
  fact_text config_digest; ///< HelmRelease: of the values
  std::int64_t release_version = 0; ///< HelmRelease: Helm's number, 0 when none was made
  timestamp deployed_second;        ///< HelmRelease: when that release was deployed

  // Filled in by attribution
  std::string key;                  ///< the change it belongs to; "" for none
  fact_text attribution;            ///< source-revision, change-log, owner-attempt, chart, time
  const char* unplaced = nullptr;   ///< why it is in no change, in words
  std::string drifted_from;         ///< of a corrected drift: the change whose state it restored
  std::optional<std::size_t> cause; ///< index of the attempt that applied the object
  std::optional<object_id> source;  ///< the source whose content it took
  std::string discriminator;        ///< of its span ID
  int number = 0;                   ///< 1, 2, ... among the object's runs of that change

  // Filled in by timing
  timestamp start;
  timestamp end;
  bool timed_by_seconds = false; ///< one of them is known to the second only
};

/// A time in which the object could not start, as its Ready condition says.
struct wait {
  object_id object;
  fact_text uid;
  fact_text reason; ///< DependencyNotReady, SourceNotReady, ArtifactFailed
  fact_text message;
  moment begin;
  timestamp begin_second;
  moment end;              ///< the state that ended it; version no_version while it lasts
  bool end_missed = false; ///< it ended during an outage of the watch: `end` is the last state that shows it
};

/// What is read off the timeline of a Kustomization or HelmRelease.
struct run_history {
  std::vector<attempt> attempts; ///< in order
  std::vector<wait> waits;       ///< in order
};

run_history kustomization_history(const object_id& object, std::span<const observation_ptr> states);
run_history helm_history(const object_id& object, std::span<const observation_ptr> states);

/// A time in which a source had the same content.
struct occurrence {
  object_id source;
  std::string key;    ///< content key, without incarnation
  std::string change; ///< the change it belongs to: with incarnation, or the commit that asked for it
  fact_text revision; ///< the latest it was known by
  fact_text origin_revision;
  fact_text origin_source;
  fact_text digest;
  timestamp updated;  ///< earliest lastUpdateTime, whole seconds
  timestamp latest;   ///< latest lastUpdateTime
  moment fetch_begin; ///< "new upstream revision" seen; version 0 when it was not
  moment begin;       ///< the first state that shows it; version 0 when it was there before anything was seen
  moment end;         ///< the first state that shows other content; version no_version while it lasts
  fact_text observed_source_revision; ///< HelmChart: of its own source
  bool spec_moved = false;            ///< the object was created or its spec changed since the content before
  std::uint64_t asked_after = 0;      ///< versions between which that happened
  std::uint64_t asked_by = no_version;
  bool asked_unseen = false; ///< a list after an outage was the first to show it
  timestamp asked_second; ///< the same where a list showed the source first: when its spec was last changed
  std::vector<fact_text> revisions; ///< all it was known by, in order
  std::optional<std::size_t> cause; ///< index of the attempt whose apply asked for it
  bool generated =
      false; ///< an ExternalArtifact whose generator is known: what it was made of says which change
  bool maybe_returned = false; ///< at it before an outage of the watch and after, but stored anew meanwhile
  bool of_new_object = false;  ///< by another object of the name than had it before
  bool stored = false;         ///< from messages alone: that it came then has been told
  bool unsure = false;         ///< from messages alone: which change it is cannot be told
  bool recalled =
      false; ///< known only from the history of who applied it: the source had gone on when it was listed

  /// Returns whether it was known by that revision.
  bool has_revision(std::string_view wanted) const {
    return std::find(revisions.begin(), revisions.end(), wanted) != revisions.end();
  }
};

/// Returns when the spec that a list shows was made: by Flux's apply, or by whoever made or edited it.
timestamp spec_made_at(const object_state& state);

/// `generated`: the object's generator is known, so that each artifact it made is an occurrence of its own.
std::vector<occurrence> source_history(const object_id& object, std::span<const observation_ptr> states,
                                       bool generated = false);

/// A try of a source to fetch or package what it should, that failed.
struct fetch_failure {
  object_id source;
  fact_text uid;
  std::int64_t generation = 0; ///< of the spec that it was for
  fact_text reason;
  fact_text message;
  timestamp second;              ///< in which its controller wrote it
  moment tried;                  ///< since when it was tried; version 0 when that was not seen
  moment begin;                  ///< the first state that shows it
  moment end;                    ///< the first state that does not; version no_version while it lasts
  moment fetched;                ///< the first state that shows that it was fetched later; version 0 for none
  bool asked = false;            ///< the source was made, or got its spec, since the content before
  std::uint64_t asked_after = 0; ///< versions between which that happened
  std::uint64_t asked_by = no_version;
  bool asked_unseen = false;        ///< a list after an outage was the first to show it
  timestamp asked_second;           ///< the same where a list showed the source first
  std::uint64_t content_before = 0; ///< the version in which it had fetched all that it should, before

  // Filled in by attribution
  std::optional<std::size_t> cause; ///< index of the attempt whose apply asked for it
  std::string change;               ///< the change it belongs to; "" for none
};

/// What the states of a source show of what it could not fetch.
struct fetch_history {
  std::vector<fetch_failure> failures; ///< in order; one that its controller repeats without a word is one
  /// What a source was asked for and has not fetched yet, though its controller has not given up; `begin` is
  /// when it was asked.
  std::optional<fetch_failure> due;
};

fetch_history fetches_of(const object_id& object, std::span<const observation_ptr> states);

/// Joins stays of one source at the same content that an outage of the watch lies between, save where
/// somebody is known to have applied other content meanwhile.
void join_stays(std::vector<occurrence>& of_source,
                const std::function<bool(const occurrence&)>& was_elsewhere);

/// Gives each occurrence its change: the first time content is seen its key, later incarnations "<key>@<T>".
/// `was_there` says whether a source is known to have left and returned to the content before it was seen
/// there: as the history of who applies it shows.
void name_incarnations(std::vector<occurrence>& all, const std::function<bool(const occurrence&)>& was_there);

} // namespace tc::trace
