#include "trace/analysis.hpp"

#include "messages/kinds.hpp"
#include "trace/earlier_stays.hpp"
#include "trace/revision.hpp"
#include "trace/selection.hpp"
#include "trace/timing.hpp"

#include <algorithm>
#include <iterator>

namespace tc::trace {

const observation* timeline::at(std::uint64_t version) const {
  if (states.empty())
    return nullptr;
  auto after = std::upper_bound(
      states.begin(), states.end(), version,
      [](std::uint64_t wanted, const observation_ptr& each) { return wanted < each->resource_version; });
  return after == states.begin() ? states.front().get() : std::prev(after)->get();
}

analysis::analysis(const ledger& facts, const assembly_options& wanted, analysis_scope how_far)
    : options(wanted), scope(how_far) {
  read_timelines(facts);
  if (withheld) {
    conclude_from_messages(*this);
  } else {
    recall_histories(*this);
    read_logs();
    find_spec_changes();
    attribute_all(*this);
  }
  if (!scope.attribution_only) {
    name_attempts(*this);
    time_attempts(*this);
  }
  if (!withheld) {
    find_rollouts();
    find_removals();
  }
  if (!scope.attribution_only)
    collect();
}

const timeline* analysis::find(const object_id& object) const {
  auto found = timelines.find(object);
  return found == timelines.end() ? nullptr : &found->second;
}

bool analysis::has_seen(const std::string& kind, std::uint64_t version) const {
  auto found = seen_until_.find(kind);
  return found != seen_until_.end() && found->second >= version;
}

namespace {

/// Whether it is an ExternalArtifact whose generator, with the sources it is made of, has been seen.
bool is_generated(const ledger& facts, const object_id& object, const timeline& line) {
  if (object.kind != "ExternalArtifact" || !line.latest() || !line.latest()->state->source_ref)
    return false;
  auto generator = facts.objects().find(*line.latest()->state->source_ref);
  return generator != facts.objects().end() && !generator->second.states.empty() &&
         !generator->second.states.back()->state->sources.empty();
}

} // namespace

std::span<const observation_ptr> analysis::completed(const std::vector<observation_ptr>& states) {
  auto bare = [](const observation_ptr& each) {
    return each->kind == observation_kind::deleted && each->relisted;
  };
  if (std::none_of(states.begin(), states.end(), bare))
    return states;
  auto& result = completed_.emplace_back();
  result.reserve(states.size());
  for (const auto& fact : states)
    result.push_back(with_last_state(fact, result.empty() ? nullptr : result.back().get()));
  return result;
}

void analysis::read_timelines(const ledger& facts) {
  // Messages stand in only where there is no object at all: those of one that is gone would tell half of its
  // story.
  withheld = std::all_of(facts.objects().begin(), facts.objects().end(),
                         [](const auto& each) { return each.second.states.empty(); });
  object_map<std::vector<occurrence>> histories;
  timelines.reserve(facts.objects().size());
  histories.reserve(facts.objects().size());
  spec_changes_of.reserve(facts.objects().size());
  for (const auto& [object, known] : facts.objects()) {
    auto& line = timelines[object];
    line.states = completed(known.states);
    line.messages.reserve(known.messages.size());
    if (!known.states.empty())
      if (auto& until = seen_until_[object.kind]; until < known.states.back()->resource_version)
        until = known.states.back()->resource_version;
    for (const auto& [identity, fact] : known.messages)
      line.messages.push_back(fact);
    for (const auto& [identity, fact] : known.notifications)
      line.notifications.push_back(fact);
    // Of the last UID: one made anew under the name is alive.
    for (auto each = line.states.rbegin(); each != line.states.rend(); ++each) {
      if (!(*each)->state->deleted && (*each)->kind != observation_kind::deleted)
        break;
      auto& since = dying_since[object] = moment_of(**each);
      if (!since.live && (*each)->state->deleted)
        since.at = *(*each)->state->deleted;
    }
    run_history history;
    if (object.kind == "HelmRelease")
      history = helm_history(object, line.states);
    else if (object.kind == "Kustomization" || usual_group(object.kind).empty()) // or of another maker
      history = kustomization_history(object, line.states);
    if (!history.attempts.empty()) {
      auto& own = attempts_of[object];
      for (auto& each : history.attempts) {
        own.push_back(attempts.size());
        attempts.push_back(std::move(each));
      }
    }
    if (!history.waits.empty()) {
      auto& own = waits_of[object];
      for (auto& each : history.waits) {
        own.push_back(waits.size());
        waits.push_back(std::move(each));
      }
    }
    auto fetches = fetches_of(object, line.states);
    std::move(fetches.failures.begin(), fetches.failures.end(), std::back_inserter(fetch_failures));
    if (fetches.due)
      fetches_due.push_back(std::move(*fetches.due));
    if (is_source_kind(object.kind))
      histories[object] = source_history(object, line.states, is_generated(facts, object, line));
  }
  extend_waits();
  sightings_by_source sightings;
  for (const auto& [object, line] : timelines) {
    note_sightings(object, line, sightings);
    if (const auto* latest = line.latest();
        latest && latest->state->source_ref && !latest->state->applies.empty())
      appliers[*latest->state->source_ref].push_back(&line);
  }
  static const std::vector<sighting> none;
  auto sighted = [&](const occurrence& content) {
    auto found = sightings.find(content.source);
    return left_and_returned(found == sightings.end() ? none : found->second, content);
  };
  for (auto& [object, history] : histories) {
    join_stays(history, sighted);
    for (auto& each : history) {
      contents_of[object].push_back(contents.size());
      contents.push_back(std::move(each));
    }
  }
  name_incarnations(contents,
                    [&](const occurrence& content) { return sighted(content) || had_left(*this, content); });
  recall_first_source(*this);
}

void analysis::extend_waits() {
  // Of each kind, what had been seen live by when.
  std::map<std::string, std::map<timestamp, std::uint64_t>> seen;
  for (const auto& each : waits)
    if (each.end_missed)
      seen.try_emplace(each.object.kind);
  if (seen.empty())
    return;
  for (const auto& [object, line] : timelines)
    if (auto known = seen.find(object.kind); known != seen.end())
      for (const auto& fact : line.states)
        if (moment_of(*fact).live) {
          auto& until = known->second[fact->received_at];
          until = std::max(until, fact->resource_version);
        }
  for (auto& [kind, by_time] : seen) {
    std::uint64_t latest = 0;
    for (auto& [at, version] : by_time)
      version = latest = std::max(latest, version);
  }
  for (auto& each : waits) {
    if (!each.end_missed)
      continue;
    const auto& by_time = seen[each.object.kind];
    auto before = by_time.lower_bound(each.end.at);
    if (before != by_time.begin())
      each.end.version = std::max(each.end.version, std::prev(before)->second);
  }
}

std::optional<object_id> analysis::owner_of(const object_id& object) const {
  const auto* line = find(object);
  const auto* latest = line ? line->latest() : nullptr;
  if (!latest)
    return {};
  for (const auto& by : labels_of_appliers) {
    auto name = latest->state->label(by.name);
    if (name.empty())
      continue;
    object_id result{std::string{by.group}, std::string{by.kind},
                     std::string{latest->state->label(by.namespace_name)}, std::string{name}};
    if (result != object)
      return result;
  }
  return {};
}

namespace {

/// The first version that can be of the attempt's own making.
std::uint64_t lower_bound_of(const attempt& of) {
  return of.start_seen ? of.first.version : of.not_before;
}

} // namespace

timestamp start_second_of(const attempt& of) {
  // Ready keeps the second of an attempt that was cut short: what the record says is later, then.
  if (is_known(of.start_second) && is_known(of.recorded_second) && of.reported)
    return std::max(of.start_second, of.recorded_second - *of.reported);
  if (is_known(of.start_second))
    return of.start_second;
  if (is_known(of.deployed_second) && of.reason.starts_with("Test"))
    return of.deployed_second; // the tests come after what its controller measured
  if (of.reported && is_known(of.outcome_second))
    return of.outcome_second - *of.reported;
  return of.outcome_second;
}

std::optional<std::size_t> analysis::attempt_around(const object_id& by, std::uint64_t version) const {
  auto found = attempts_of.find(by);
  if (found == attempts_of.end() || version == 0)
    return {};
  const auto& list = found->second;
  // The last that began before.
  auto after = std::partition_point(
      list.begin(), list.end(), [&](std::size_t each) { return lower_bound_of(attempts[each]) < version; });
  if (after == list.begin())
    return {};
  auto index = *std::prev(after);
  const auto& candidate = attempts[index];
  if (candidate.start_missed && version < candidate.first.version)
    return {};
  if (candidate.result == outcome::open)
    return index;
  auto upper = candidate.last.version;
  if (candidate.result == outcome::incomplete) // it may have gone on a while before it was cut short
    upper = after == list.end() ? no_version : attempts[*after].first.version;
  return version <= upper ? std::optional{index} : std::nullopt;
}

std::optional<std::size_t> analysis::attempt_around(const object_id& by, std::uint64_t version,
                                                    timestamp second, const object_id& applied) const {
  auto found = attempts_of.find(by);
  if (found == attempts_of.end())
    return {};
  const auto& list = found->second;
  auto after = std::partition_point(
      list.begin(), list.end(), [&](std::size_t each) { return lower_bound_of(attempts[each]) < version; });
  bool missed = after != list.begin() && attempts[*std::prev(after)].start_missed &&
                version < attempts[*std::prev(after)].first.version;
  return missed ? only_attempt_at(by, second, no_version, applied) : attempt_around(by, version);
}

std::optional<std::size_t> analysis::attempt_at(const object_id& by, timestamp second) const {
  auto found = attempts_of.find(by);
  if (found == attempts_of.end() || !is_known(second))
    return {};
  const auto& list = found->second;
  auto after = std::partition_point(list.begin(), list.end(), [&](std::size_t each) {
    return start_second_of(attempts[each]) - std::chrono::seconds{1} <= second;
  });
  // One that began in that second may be the successor of the one that was meant.
  for (int tries = 0; tries < 8 && after != list.begin(); ++tries) {
    --after;
    const auto& each = attempts[*after];
    if (each.end_missed && second > latest_second_of(list, each) + std::chrono::seconds{1})
      return {}; // of it, or of one that has not been seen
    if (!is_known(each.outcome_second) || second <= each.outcome_second + std::chrono::seconds{1})
      return *after;
  }
  return {};
}

timestamp analysis::latest_second_of(const std::vector<std::size_t>& all_of_object, const attempt& of) const {
  if (is_known(of.outcome_second))
    return of.outcome_second;
  const auto* latest = timelines.at(of.object).latest();
  bool last = &attempts[all_of_object.back()] == &of;
  if (last && latest && latest->resource_version == of.last.version)
    return timestamp::max() - std::chrono::seconds{1}; // it may be under way still
  return of.last.live ? of.last.at : start_second_of(of);
}

bool analysis::may_be_of_an_earlier(const attempt& than, timestamp second) const {
  if (than.start_seen || than.start_missed || than.not_before != 0)
    return false; // what came before it is known, or was missed by an outage
  auto start = start_second_of(than);
  if (!is_known(than.start_second) && than.reported) // by an outcome of which the second is known
    start += std::chrono::seconds{1} - duration{1};
  if (second > std::chrono::floor<std::chrono::seconds>(start))
    return false;
  const auto& state = *timelines.at(than.object).at(than.first.version)->state;
  // One that a crash cut short may have left no record.
  auto began = is_known(than.deployed_second)
                   ? than.deployed_second
                   : std::chrono::floor<std::chrono::seconds>(start_second_of(than));
  bool before = second < began;
  if (than.object.kind == "HelmRelease" && than.action != "install" && before)
    return true;
  for (const auto& each : state.releases)
    if (each.last_deployed != than.deployed_second && each.last_deployed + std::chrono::seconds{1} >= second)
      return true;
  for (const auto& each : state.applies) {
    bool own = is_known(than.recorded_second) && each.digest == than.digest &&
               each.last_status == than.reason && each.revision == than.revision;
    auto ended = each.last_reconciled;
    if (own) { // of those that it counts, the others
      if (each.total <= 1 || than.recorded_second == each.first_reconciled)
        continue;
      if (each.total == 2)
        ended = each.first_reconciled;
    }
    if (ended >= second)
      return true;
  }
  return false;
}

namespace {

/// What an outage hid may have come before or after an attempt that was seen.
std::uint64_t listed_until(const observation& fact) {
  return fact.relisted ? no_version : fact.resource_version;
}

} // namespace

std::optional<std::size_t> analysis::only_attempt_at(const object_id& by, timestamp second,
                                                     std::uint64_t until, const object_id& applied) const {
  auto found = attempts_of.find(by);
  if (found == attempts_of.end() || !is_known(second))
    return {};
  // Seconds of one clock first; only then what another clock may have put a second aside.
  for (duration aside : {duration{}, duration{std::chrono::seconds{1}}}) {
    std::optional<std::size_t> result;
    for (auto index : found->second) {
      const auto& each = attempts[index];
      if (each.start_seen && each.first.version > until)
        continue;
      auto start = std::chrono::floor<std::chrono::seconds>(start_second_of(each));
      if (start - aside > second || second > latest_second_of(found->second, each) + aside)
        continue;
      if (result)
        return {};
      result = index;
    }
    if (!result)
      continue;
    // The one after it may have begun in the same second, unseen.
    auto next = std::upper_bound(found->second.begin(), found->second.end(), *result);
    bool may_be_next = next != found->second.end() && attempts[*next].start_missed &&
                       second >= attempts[*result].outcome_second;
    // The log of one that was under way may tell of what it applied after the list.
    bool logged = attempts[*result].historic && log_names(*result, applied).value_or(false);
    bool doubtful = may_be_next || (may_be_of_an_earlier(attempts[*result], second) && !logged);
    return doubtful ? std::nullopt : result;
  }
  return {};
}

bool analysis::selected(const object_id& object) const {
  static const std::map<std::string, std::string> none;
  const auto* line = find(object);
  const auto* latest = line ? line->latest() : nullptr;
  return selects(options.event_sources, object, latest ? latest->state->labels : none,
                 options.trace_namespace);
}

std::optional<bool> analysis::log_names(std::size_t attempt_index, const object_id& object) const {
  auto found = change_logs.find(attempt_index);
  if (found == change_logs.end())
    return {};
  // A log does not say the group.
  if (object.group == usual_group(object.kind))
    return found->second.contains(object);
  return found->second.contains(
      {std::string{usual_group(object.kind)}, object.kind, object.namespace_name, object.name});
}

std::size_t analysis::attempt_of_message(const observation& fact) const {
  const auto& message = *fact.message;
  if (auto dying = dying_since.find(fact.object); dying != dying_since.end()) {
    const auto& since = dying->second;
    bool later = !since.live                  ? message.last > since.at // of a list: when, is not known
                 : fact.resource_version != 0 ? fact.resource_version > since.version
                                              : fact.received_at > since.at;
    if (later)
      return no_attempt;
  }
  auto around = attempt_at(fact.object, message.last);
  auto index = around ? *around : no_attempt;
  if (message.count != 1 || message.combined || message.revision.empty() || fact.object.kind == "HelmRelease")
    return index;
  // An object may be back at a revision within a second: what was said before a run began is of the one
  // before.
  auto began_later = [&](const attempt& each) {
    return fact.resource_version != 0 && each.first.live && fact.resource_version < each.first.version;
  };
  bool fits = index != no_attempt &&
              (attempts[index].revision == message.revision || attempts[index].revision.empty());
  if (fits && !began_later(attempts[index]))
    return index;
  // Several attempts in one second: the revision tells which.
  const auto& list = attempts_of.at(fact.object);
  auto near = std::partition_point(list.begin(), list.end(), [&](std::size_t each) {
    return start_second_of(attempts[each]) <= message.last + std::chrono::seconds{1};
  });
  for (int tries = 0; tries < 8 && near != list.begin(); ++tries) {
    const auto& each = attempts[*--near];
    bool over = is_known(each.outcome_second) && each.outcome_second + std::chrono::seconds{1} < message.last;
    if (each.revision == message.revision && !over && !began_later(each))
      return *near;
  }
  return fits ? index : no_attempt; // of a run that is shown by a list alone, or of another etcd
}

namespace {

/// "Kind/namespace/name verb", "Kind/name verb"
std::optional<object_id> read_log_line(std::string_view line) {
  auto verb = line.rfind(' ');
  auto kind = line.find('/');
  if (verb == std::string_view::npos || kind >= verb)
    return {};
  auto path = line.substr(kind + 1, verb - kind - 1);
  auto slash = path.find('/');
  object_id result;
  result.kind = line.substr(0, kind);
  result.group = usual_group(result.kind);
  if (slash != std::string_view::npos)
    result.namespace_name = path.substr(0, slash);
  result.name = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
  return result;
}

} // namespace

/// An apply's change log is a message of lines "Kind/namespace/name created|configured|deleted".
void analysis::read_logs() {
  for (const auto& [object, line] : timelines) {
    if (object.kind != "Kustomization" || !attempts_of.contains(object))
      continue;
    for (const auto& fact : line.messages) {
      const auto& text = fact->message->text;
      auto end_of_line = text.substr(0, text.find('\n'));
      if (!end_of_line.ends_with(" configured") && !end_of_line.ends_with(" created") &&
          !end_of_line.ends_with(" deleted"))
        continue;
      auto when = attempt_of_message(*fact);
      if (when == no_attempt)
        continue;
      auto& lines = change_logs[when];
      for (std::size_t from = 0; from < text.size();) {
        auto to = std::min(text.find('\n', from), text.size());
        if (auto read = read_log_line(std::string_view{text}.substr(from, to - from)))
          lines.insert(std::move(*read));
        from = to + 1;
      }
    }
  }
}

namespace {

/// Whether somebody else than Flux, or a correction of drift, has made the generation: changed the spec after
/// Flux's last apply. In which order within a second only what is seen live tells.
bool edited_since(const object_state& state, bool seen) {
  if (state.generation <= 1 || !is_known(state.applied_at))
    return false;
  return state.edited_at > state.applied_at || (!seen && state.edited_at == state.applied_at);
}

/// How long ago at least Flux's last apply is told by the clock of our own, where the API server's note of it
/// has not moved: longer than the whole second that it is written in.
constexpr auto not_within_its_second = std::chrono::seconds{2};

/// Whether the API server's note of Flux's last apply shows that it did not make the generation that `fact`
/// is the first to show: the note has not moved since the state before. Notes are held against notes only;
/// the clock of a controller, which dates its attempts, may be ahead of the API server's.
bool stood_still(const observation& fact, const observation* before, const observation* noted,
                 const attempt& of) {
  const auto& now = *fact.state;
  if (!is_known(now.applied_at) || !before || before->state->applied_at != now.applied_at)
    return false;
  if (fact.received_at - noted->received_at > not_within_its_second)
    return true;
  if (moment_of(*noted).live)
    return before->state->edited_at != now.edited_at;
  return now.applied_at + std::chrono::seconds{1} < start_second_of(of); // since when is not known
}

} // namespace

/// Creations and new generations, with the apply behind each.
void analysis::find_spec_changes() {
  for (const auto& [object, line] : timelines) {
    auto owner = owner_of(object);
    auto& list = spec_changes_of[object];
    std::int64_t generation = -1;
    std::string uid;
    const observation* last = nullptr;
    const observation* noted = nullptr; // the first state with the note of Flux's last apply
    for (const auto& fact : line.states) {
      if (fact->kind == observation_kind::deleted)
        continue;
      const auto& state = *fact->state;
      const auto* before = last && last->uid == fact->uid ? last : nullptr;
      last = fact.get();
      if (!before || before->state->applied_at != state.applied_at)
        noted = fact.get();
      if (state.deleted || (state.generation == generation && fact->uid == uid))
        continue;
      spec_change made;
      made.uid = fact->uid;
      made.generation = state.generation;
      made.applied_at = state.applied_at;
      bool seen = moment_of(*fact).live;
      // Flux's last apply was the one before: this is somebody else's edit, though that was missed.
      bool edited = fact->relisted && !list.empty() && list.back().uid == fact->uid &&
                    list.back().applied_at == state.applied_at;
      edited = edited || edited_since(state, seen);
      made.version = seen || !list.empty() || fact->relisted ? fact->resource_version : 0;
      generation = state.generation;
      uid = fact->uid;
      if (owner && !edited) {
        if (seen) {
          made.cause = attempt_around(*owner, fact->resource_version, made.applied_at, object);
          // Somebody else may have edited it meanwhile: the API server notes who applied last, and when.
          if (made.cause && stood_still(*fact, before, noted, attempts[*made.cause]))
            made.cause.reset();
        } else {
          made.cause = only_attempt_at(*owner, made.applied_at, listed_until(*fact), object);
        }
      }
      made.relisted = fact->relisted;
      made.missed = fact->relisted && !made.cause;
      if (made.cause)
        made.logged = log_names(*made.cause, object).value_or(false);
      list.push_back(made);
    }
  }
}

namespace {

/// It did not come to its end; or that came while the watch was interrupted, and nobody knows.
void end_rollout(rollout& of, const observation& by, const char* reason) {
  of.end = moment_of(by);
  of.result = by.relisted ? outcome::incomplete : outcome::superseded;
  of.reason = by.relisted ? "NotSeen" : reason;
}

/// Whether a generation after that of a rollout goes on with it: nobody applied it, and its pods run the
/// same, as when an autoscaler sets the replicas.
bool only_scaled(const std::vector<spec_change>& all, const object_state& state,
                 const std::vector<std::string>* images) {
  return images && state.workload && state.workload->images == *images &&
         std::none_of(all.begin(), all.end(), [&](const spec_change& each) {
           return each.generation == state.generation && (each.cause || each.missed);
         });
}

} // namespace

void analysis::find_rollouts() {
  for (const auto& [object, line] : timelines) {
    if (!is_workload_kind(object.kind))
      continue;
    for (const auto& change : spec_changes_of[object]) {
      if (!change.cause || attempts[*change.cause].key.empty())
        continue;
      if (change.version == 0 && !is_known(change.applied_at))
        continue;
      rollout made;
      made.object = object;
      made.generation = change.generation;
      made.cause = *change.cause;
      made.begin_second = change.applied_at;
      made.end = {no_version, {}, false};
      auto generation = change.generation;
      auto from =
          std::partition_point(line.states.begin(), line.states.end(), [&](const observation_ptr& each) {
            return each->resource_version < change.version;
          });
      for (; from != line.states.end(); ++from) {
        const auto& fact = *from;
        const auto& state = *fact->state;
        if (fact->uid != change.uid && made.begin.version == 0)
          continue;
        if (fact->kind == observation_kind::deleted) {
          if (made.begin.version != 0) {
            end_rollout(made, *fact, "Deleted");
            break;
          }
          continue;
        }
        if (state.generation < change.generation)
          continue;
        if (state.generation > generation && only_scaled(spec_changes_of[object], state, made.images))
          generation = state.generation;
        if (state.generation > generation) {
          // One that its apply had given up by then has failed with it, whatever came later.
          const auto& by = attempts[made.cause];
          if (by.result != outcome::failed || by.last.version > fact->resource_version)
            end_rollout(made, *fact, "NewGeneration");
          break;
        }
        if (made.begin.version == 0) {
          made.begin = moment_of(*fact);
          made.uid = fact->uid;
        }
        if (!state.workload)
          continue;
        const auto& pods = *state.workload;
        made.images = &pods.images;
        const auto* progressing = state.find_condition("Progressing");
        if (state.observed_generation >= generation && progressing && progressing->is_false()) {
          made.end = moment_of(*fact);
          made.end_second = progressing->last_transition;
          made.result = outcome::failed;
          made.reason = progressing->reason;
          break;
        }
        if (state.observed_generation >= generation && pods.updated >= pods.desired &&
            pods.available >= pods.desired && pods.current <= pods.updated) {
          made.end = moment_of(*fact);
          if (progressing && progressing->reason == "NewReplicaSetAvailable")
            made.end_second = progressing->last_transition;
          made.result = outcome::succeeded;
          made.reason = "Available";
          break;
        }
      }
      if (made.begin.version != 0)
        rollouts.push_back(std::move(made));
    }
  }
  // What an attempt that was cut short still brought about shows that its controller was alive then.
  for (const auto& each : rollouts)
    if (auto& by = attempts[each.cause]; by.result == outcome::incomplete && each.begin.live)
      by.end = std::max(by.end, each.begin.at);
}

/// An apply prunes what it no longer has: deleted while its owner was applying, and gone from the owner's
/// inventory.
void analysis::find_removals() {
  for (const auto& [object, line] : timelines) {
    if (is_workload_kind(object.kind) || is_source_kind(object.kind) || object.kind == "HelmRepository")
      continue;
    auto owner = owner_of(object);
    if (!owner || owner->kind != "Kustomization")
      continue;
    const observation* begun = nullptr;
    for (const auto& fact : line.states) {
      bool dying = fact->kind == observation_kind::deleted || fact->state->deleted;
      if (!dying) {
        begun = nullptr;
        continue;
      }
      if (!begun) {
        begun = fact.get();
        auto second = fact->state->deleted.value_or(timestamp{});
        auto cause = !moment_of(*fact).live ? only_attempt_at(*owner, second, listed_until(*fact), object)
                                            : attempt_around(*owner, fact->resource_version, second, object);
        if (!cause || attempts[*cause].key.empty())
          continue;
        const auto* by = find(*owner);
        const auto* after = by ? by->at(attempts[*cause].last.version) : nullptr;
        bool kept = after && std::find(after->state->inventory.begin(), after->state->inventory.end(),
                                       object) != after->state->inventory.end();
        bool owner_dying = after && after->state->deleted;
        if (kept || owner_dying)
          continue;
        removal made;
        made.object = object;
        made.uid = fact->uid;
        made.cause = *cause;
        made.begin = moment_of(*fact);
        made.end = {no_version, {}, false};
        made.revision = fact->state->last_attempted_revision;
        removals.push_back(std::move(made));
      }
      if (fact->kind == observation_kind::deleted && !removals.empty() && removals.back().object == object &&
          removals.back().uid == fact->uid)
        removals.back().end = moment_of(*fact);
    }
  }
}

bool analysis::anything_selected(const change_facts& change) const {
  return std::any_of(change.attempts.begin(), change.attempts.end(),
                     [&](std::size_t each) { return selected(attempts[each].object); }) ||
         std::any_of(change.waits.begin(), change.waits.end(),
                     [&](const lingering& each) { return selected(each.object); }) ||
         std::any_of(change.removals.begin(), change.removals.end(),
                     [&](std::size_t each) { return selected(removals[each].object); }) ||
         !change.fetch_failures.empty(); // only those that concern what is selected are
}

std::set<object_id> analysis::sources_of_selected() const {
  std::set<object_id> result;
  for (const auto& [object, line] : timelines) {
    const auto* latest = line.latest();
    if (is_source_kind(object.kind)) {
      auto owner = owner_of(object); // of a HelmChart, its HelmRelease
      if (selected(object) || (owner && owner->kind == "HelmRelease" && selected(*owner)))
        result.insert(object);
    } else if (latest && selected(object)) {
      for (const auto& source : {latest->state->source_ref, latest->state->chart_ref})
        if (source)
          result.insert(*source);
    }
  }
  return result;
}

void analysis::collect() {
  for (std::size_t index = 0; index < contents.size(); ++index)
    if (asked_about(contents[index].change))
      changes[contents[index].change].contents.push_back(index);
  for (std::size_t index = 0; index < attempts.size(); ++index)
    if (asked_about(attempts[index].key))
      changes[attempts[index].key].attempts.push_back(index);
  for (std::size_t index = 0; index < rollouts.size(); ++index)
    if (const auto& key = attempts[rollouts[index].cause].key; asked_about(key))
      changes[key].rollouts.push_back(index);
  for (std::size_t index = 0; index < removals.size(); ++index)
    if (const auto& key = attempts[removals[index].cause].key; asked_about(key))
      changes[key].removals.push_back(index);
  if (!fetch_failures.empty() || !fetches_due.empty()) {
    auto concerned = sources_of_selected();
    for (std::size_t index = 0; index < fetch_failures.size(); ++index)
      if (const auto& each = fetch_failures[index];
          asked_about(each.change) && concerned.contains(each.source))
        changes[each.change].fetch_failures.push_back(index);
    for (const auto& each : fetches_due)
      if (asked_about(each.change) && concerned.contains(each.source))
        changes[each.change].pending.insert(each.source);
  }
  find_expectations(*this);
  doubt_what_lags(*this);
}

} // namespace tc::trace
