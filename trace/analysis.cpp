#include "trace/analysis.hpp"

#include "messages/kinds.hpp"
#include "trace/revision.hpp"
#include "trace/selection.hpp"
#include "trace/timing.hpp"

#include <algorithm>

namespace tc::trace {

const observation* timeline::at(std::uint64_t version) const {
  if (states.empty())
    return nullptr;
  auto after = std::upper_bound(
      states.begin(), states.end(), version,
      [](std::uint64_t wanted, const observation_ptr& each) { return wanted < each->resource_version; });
  return after == states.begin() ? states.front().get() : std::prev(after)->get();
}

analysis::analysis(const ledger& facts, const assembly_options& wanted) : options(wanted) {
  read_timelines(facts);
  if (withheld) {
    conclude_from_messages(*this);
    name_attempts(*this);
    time_attempts(*this);
    collect();
    return;
  }
  recall_histories(*this);
  read_logs();
  find_spec_changes();
  attribute();
  time_attempts(*this);
  find_rollouts();
  find_removals();
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

/// Whether a record of that content, and after it one of other content, are older than the source's stay at
/// it.
bool left_and_returned(const std::vector<const object_state*>& appliers, const occurrence& content) {
  for (const auto* state : appliers)
    for (const auto& there : state->applies) {
      if (there.first_reconciled >= content.updated ||
          change_key_of(content.source, there.revision, there.origin_revision) != content.key)
        continue;
      for (const auto& away : state->applies)
        if (away.last_reconciled > there.first_reconciled && away.last_reconciled < content.updated &&
            change_key_of(content.source, away.revision, away.origin_revision) != content.key)
          return true;
    }
  return false;
}

/// Whether it is an ExternalArtifact whose generator, with the sources it is made of, has been seen.
bool is_generated(const ledger& facts, const object_id& object, const timeline& line) {
  if (object.kind != "ExternalArtifact" || !line.latest() || !line.latest()->state->source_ref)
    return false;
  auto generator = facts.objects().find(*line.latest()->state->source_ref);
  return generator != facts.objects().end() && !generator->second.states.empty() &&
         !generator->second.states.rbegin()->second->state->sources.empty();
}

} // namespace

void analysis::read_timelines(const ledger& facts) {
  // Messages stand in only where there is no object at all: those of one that is gone would tell half of its
  // story.
  withheld = std::all_of(facts.objects().begin(), facts.objects().end(),
                         [](const auto& each) { return each.second.states.empty(); });
  std::map<object_id, std::vector<occurrence>> histories;
  for (const auto& [object, known] : facts.objects()) {
    auto& line = timelines[object];
    for (const auto& [version, fact] : known.states)
      line.states.push_back(with_last_state(fact, line.states.empty() ? nullptr : line.states.back().get()));
    if (!known.states.empty())
      if (auto& until = seen_until_[object.kind]; until < known.states.rbegin()->first)
        until = known.states.rbegin()->first;
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
    for (auto& each : history.attempts) {
      attempts_of[object].push_back(attempts.size());
      attempts.push_back(std::move(each));
    }
    for (auto& each : history.waits) {
      waits_of[object].push_back(waits.size());
      waits.push_back(std::move(each));
    }
    histories[object] = source_history(object, line.states, is_generated(facts, object, line));
  }
  extend_waits();
  // Who applies a source keeps a history of revisions: it may show a stay before what was seen of the source
  // itself.
  appliers_by_source appliers;
  for (const auto& [object, line] : timelines)
    if (const auto* latest = line.latest();
        latest && latest->state->source_ref && !latest->state->applies.empty())
      appliers[*latest->state->source_ref].push_back(latest->state.operator->());
  for (auto& [object, history] : histories) {
    join_stays(history, [&](const occurrence& content) {
      return left_and_returned(appliers[content.source], content);
    });
    for (auto& each : history) {
      contents_of[object].push_back(contents.size());
      contents.push_back(std::move(each));
    }
  }
  name_incarnations(contents, [&](const occurrence& content) {
    return left_and_returned(appliers[content.source], content);
  });
  recall_first_source(*this, appliers);
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
  for (const auto& [prefix, kind] : {std::pair{"helm.toolkit.fluxcd.io", "HelmRelease"},
                                     std::pair{"kustomize.toolkit.fluxcd.io", "Kustomization"}}) {
    auto name = latest->state->label(std::string{prefix} + "/name");
    auto space = latest->state->label(std::string{prefix} + "/namespace");
    if (name.empty())
      continue;
    object_id result{prefix, kind, std::string{space}, std::string{name}};
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
                                                    timestamp second) const {
  auto found = attempts_of.find(by);
  if (found == attempts_of.end())
    return {};
  const auto& list = found->second;
  auto after = std::partition_point(
      list.begin(), list.end(), [&](std::size_t each) { return lower_bound_of(attempts[each]) < version; });
  bool missed = after != list.begin() && attempts[*std::prev(after)].start_missed &&
                version < attempts[*std::prev(after)].first.version;
  return missed ? only_attempt_at(by, second) : attempt_around(by, version);
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

std::optional<std::size_t> analysis::only_attempt_at(const object_id& by, timestamp second) const {
  auto found = attempts_of.find(by);
  if (found == attempts_of.end() || !is_known(second))
    return {};
  // Seconds of one clock first; only then what another clock may have put a second aside.
  for (duration aside : {duration{}, duration{std::chrono::seconds{1}}}) {
    std::optional<std::size_t> result;
    for (auto index : found->second) {
      const auto& each = attempts[index];
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
    return may_be_next ? std::nullopt : result;
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
  if (index != no_attempt &&
      (attempts[index].revision == message.revision || attempts[index].revision.empty()))
    return index;
  // Several attempts in one second: the revision tells which.
  const auto& list = attempts_of.at(fact.object);
  auto near = std::partition_point(list.begin(), list.end(), [&](std::size_t each) {
    return start_second_of(attempts[each]) <= message.last + std::chrono::seconds{1};
  });
  for (int tries = 0; tries < 8 && near != list.begin(); ++tries) {
    const auto& each = attempts[*--near];
    bool over = is_known(each.outcome_second) && each.outcome_second + std::chrono::seconds{1} < message.last;
    if (each.revision == message.revision && !over)
      return *near;
  }
  return no_attempt;
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

/// Creations and new generations, with the apply behind each.
void analysis::find_spec_changes() {
  for (const auto& [object, line] : timelines) {
    auto owner = owner_of(object);
    auto& list = spec_changes_of[object];
    std::int64_t generation = -1;
    std::string uid;
    for (const auto& fact : line.states) {
      if (fact->kind == observation_kind::deleted)
        continue;
      const auto& state = *fact->state;
      if (state.deleted || (state.generation == generation && fact->uid == uid))
        continue;
      spec_change made;
      made.uid = fact->uid;
      made.generation = state.generation;
      made.applied_at = state.applied_at;
      // Flux's last apply was the one before: this is somebody else's edit, though that was missed.
      bool edited = fact->relisted && !list.empty() && list.back().uid == fact->uid &&
                    list.back().applied_at == state.applied_at;
      bool seen = moment_of(*fact).live;
      made.version = seen || !list.empty() || fact->relisted ? fact->resource_version : 0;
      generation = state.generation;
      uid = fact->uid;
      if (owner && !edited) {
        if (seen) {
          made.cause = attempt_around(*owner, fact->resource_version, made.applied_at);
          // Somebody else may have edited it meanwhile: the API server notes who applied last, and when.
          if (made.cause && is_known(made.applied_at) &&
              made.applied_at + std::chrono::seconds{1} < start_second_of(attempts[*made.cause]))
            made.cause.reset();
        } else {
          made.cause = only_attempt_at(*owner, made.applied_at);
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

void analysis::attribute() {
  attribute_all(*this);
}

namespace {

/// It did not come to its end; or that came while the watch was interrupted, and nobody knows.
void end_rollout(rollout& of, const observation& by, const char* reason) {
  of.end = moment_of(by);
  of.result = by.relisted ? outcome::incomplete : outcome::superseded;
  of.reason = by.relisted ? "NotSeen" : reason;
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
        if (state.generation > change.generation) {
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
        made.images = pods.images;
        const auto* progressing = state.find_condition("Progressing");
        if (state.observed_generation >= change.generation && progressing && progressing->is_false()) {
          made.end = moment_of(*fact);
          made.end_second = progressing->last_transition;
          made.result = outcome::failed;
          made.reason = progressing->reason;
          break;
        }
        if (state.observed_generation >= change.generation && pods.updated >= pods.desired &&
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
        auto cause = !moment_of(*fact).live ? only_attempt_at(*owner, second)
                                            : attempt_around(*owner, fact->resource_version, second);
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

void analysis::collect() {
  for (std::size_t index = 0; index < contents.size(); ++index)
    if (!contents[index].change.empty())
      changes[contents[index].change].contents.push_back(index);
  for (std::size_t index = 0; index < attempts.size(); ++index)
    if (!attempts[index].key.empty())
      changes[attempts[index].key].attempts.push_back(index);
  for (std::size_t index = 0; index < rollouts.size(); ++index)
    changes[attempts[rollouts[index].cause].key].rollouts.push_back(index);
  for (std::size_t index = 0; index < removals.size(); ++index)
    changes[attempts[removals[index].cause].key].removals.push_back(index);
  find_expectations(*this);
  doubt_what_lags(*this);
}

} // namespace tc::trace
