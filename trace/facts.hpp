#pragma once

// What is read off one object's timeline before anything is attributed to a change: its attempts, its waits,
// and for a source the content it had. Internal to trace/: the vocabulary that kustomization_runs, helm_runs,
// source_history, attribution and assembly share.

#include "messages/observation.hpp"
#include "messages/span.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
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
  std::string name; ///< "fetch", "build", "apply", "health check", "helm install", "helm rollback", ...
  moment begin;
  moment end;
  std::string outcome; ///< "" while nothing is known
  std::string message;
  std::optional<duration> reported;
};

enum class outcome : std::uint8_t { open, succeeded, failed, superseded, incomplete };

std::string_view to_string(outcome value);

/// One processing of one revision (or chart and values) by one object's controller.
struct attempt {
  object_id object;
  std::string uid;
  moment first;                 ///< the first state that shows it
  bool start_seen = false;      ///< that state is its start, seen live
  bool start_missed = false;    ///< it began during an outage of the watch
  bool end_missed = false;      ///< it has no outcome because that came during an outage of the watch
  std::uint64_t not_before = 0; ///< everything the attempt did has a later version than this
  moment last;                  ///< the last state that shows it
  moment decided;               ///< the first state with its outcome
  outcome result = outcome::open;
  std::string reason;
  std::string message;
  timestamp start_second;    ///< of the transition that its start made, as its controller wrote it
  timestamp outcome_second;  ///< of the transition that its outcome made
  timestamp recorded_second; ///< a Kustomization's history: lastReconciled, when its record is this attempt's
  timestamp first_recorded;  ///< the same record's firstReconciled
  std::int64_t recorded_total = 0; ///< how many reconciliations the record counts; 0 without a record
  std::optional<duration> reported;
  std::string revision; ///< as Flux writes it; a chart's version
  std::string origin_revision;
  std::int64_t generation = 0;
  std::string action; ///< reconcile, install, upgrade, delete
  std::vector<phase> phases;
  bool start_noted = false; ///< from messages alone: `start` is known to the nanosecond
  bool moved = true;        ///< it took the object to other content; false: an interval, a request, a drift
  bool historic = false;    ///< it was over before anything was seen live
  bool retry_due = false;   ///< after it failed: its controller says that it will try again
  std::optional<bool> changed; ///< whether it changed anything in the cluster
  std::string digest;        ///< of what it built (Kustomization), of the chart's OCI manifest (HelmRelease)
  std::string config_digest; ///< HelmRelease: of the values
  std::int64_t release_version = 0; ///< HelmRelease: Helm's number, 0 when none was made
  timestamp deployed_second;        ///< HelmRelease: when that release was deployed

  // Filled in by attribution
  std::string key;                  ///< the change it belongs to; "" for none
  std::string attribution;          ///< source-revision, change-log, owner-attempt, chart, time
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
  std::string uid;
  std::string reason; ///< DependencyNotReady, SourceNotReady, ArtifactFailed
  std::string message;
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

run_history kustomization_history(const object_id& object, const std::vector<observation_ptr>& states);
run_history helm_history(const object_id& object, const std::vector<observation_ptr>& states);

/// A time in which a source had the same content.
struct occurrence {
  object_id source;
  std::string key;      ///< content key, without incarnation
  std::string change;   ///< the change it belongs to: with incarnation, or the commit that asked for it
  std::string revision; ///< the latest it was known by
  std::string origin_revision;
  std::string origin_source;
  std::string digest;
  timestamp updated;  ///< earliest lastUpdateTime, whole seconds
  timestamp latest;   ///< latest lastUpdateTime
  moment fetch_begin; ///< "new upstream revision" seen; version 0 when it was not
  moment begin;       ///< the first state that shows it; version 0 when it was there before anything was seen
  moment end;         ///< the first state that shows other content; version no_version while it lasts
  std::string observed_source_revision; ///< HelmChart: of its own source
  bool spec_moved = false;       ///< the object was created or its spec changed since the content before
  std::uint64_t asked_after = 0; ///< versions between which that happened
  std::uint64_t asked_by = no_version;
  bool asked_unseen = false;          ///< a list after an outage was the first to show it
  std::vector<std::string> revisions; ///< all it was known by, in order
  std::optional<std::size_t> cause;   ///< index of the attempt whose apply asked for it
  bool generated =
      false; ///< an ExternalArtifact whose generator is known: what it was made of says which change
  bool maybe_returned = false; ///< at it before an outage of the watch and after, but stored anew meanwhile
  bool stored = false;         ///< from messages alone: that it came then has been told
  bool unsure = false;         ///< from messages alone: which change it is cannot be told
  bool recalled =
      false; ///< known only from the history of who applied it: the source had gone on when it was listed
};

/// `generated`: the object's generator is known, so that each artifact it made is an occurrence of its own.
std::vector<occurrence> source_history(const object_id& object, const std::vector<observation_ptr>& states,
                                       bool generated = false);

/// Joins stays of one source at the same content that an outage of the watch lies between, save where
/// somebody is known to have applied other content meanwhile.
void join_stays(std::vector<occurrence>& of_source,
                const std::function<bool(const occurrence&)>& was_elsewhere);

/// Gives each occurrence its change: the first time content is seen its key, later incarnations "<key>@<T>".
/// `was_there` says whether a source is known to have left and returned to the content before it was seen
/// there: as the history of who applies it shows.
void name_incarnations(std::vector<occurrence>& all, const std::function<bool(const occurrence&)>& was_there);

} // namespace tc::trace
