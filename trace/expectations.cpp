// Which objects a change still waits for, which only waited for it, and which went on without it.

#include "messages/kinds.hpp"
#include "trace/analysis.hpp"
#include "trace/timing.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

/// Everything that applies what the source holds. An ImageUpdateAutomation names a source too, but writes to
/// it; a HelmRelease takes what its chart makes of it.
std::map<object_id, std::vector<object_id>> followers_by_source(const analysis& all) {
  std::map<object_id, std::vector<object_id>> result;
  for (const auto& [object, line] : all.timelines) {
    const auto* latest = line.latest();
    bool applies = object.kind == "Kustomization" || usual_group(object.kind).empty(); // or of another maker
    if (!latest || !applies)
      continue;
    if (latest->state->source_ref && all.selected(object))
      result[*latest->state->source_ref].push_back(object);
  }
  return result;
}

/// Returns whether the object existed while the content was current.
bool existed(const timeline& line, const occurrence& content) {
  const auto& first = *line.states.front();
  if (first.initial)
    return first.state->created <= content.updated || content.end.version == no_version ||
           first.resource_version < content.end.version;
  return first.resource_version < content.end.version;
}

bool overlaps(const wait& of, const occurrence& content) {
  return of.begin.version < content.end.version && of.end.version > content.begin.version;
}

using last_attempts = std::map<std::pair<object_id, std::string>, const attempt*>;

bool has_applied(const object_state& state, const occurrence& content) {
  return content.has_revision(state.last_applied_revision) ||
         std::any_of(state.applies.begin(), state.applies.end(),
                     [&](const apply_record& each) { return content.has_revision(each.revision); });
}

/// The first state after that version, nullptr for none.
const observation* first_after(const timeline& line, std::uint64_t version) {
  auto after = std::upper_bound(
      line.states.begin(), line.states.end(), version,
      [](std::uint64_t wanted, const observation_ptr& each) { return wanted < each->resource_version; });
  return after == line.states.end() ? nullptr : after->get();
}

/// Whether it has applied the same content when the source had come back to it: another change.
bool applied_in_another(const analysis& all, const occurrence& content, const object_id& object) {
  auto found = all.attempts_of.find(object);
  return found != all.attempts_of.end() &&
         std::any_of(found->second.begin(), found->second.end(), [&](std::size_t index) {
           const auto& each = all.attempts[index];
           return !each.key.empty() && each.key != content.change && content.has_revision(each.revision);
         });
}

/// Written seconds, of controllers of which each has a clock, are the same or in either order within it.
constexpr auto a_second = std::chrono::seconds{1};

/// An Event comes before the patch that it tells of. When the content changed between the two, the wait that
/// the patch shows was for the content before as well.
std::optional<lingering> waited_between_patches(const analysis& all, const timeline& line,
                                                const occurrence& content, const std::string& uid) {
  const auto* next = first_after(line, content.end.version);
  auto waits = next ? all.waits_of.find(next->object) : all.waits_of.end();
  if (!next || next->uid != uid || !moment_of(*next).live || !content.end.live || waits == all.waits_of.end())
    return {};
  for (auto index : waits->second) {
    const auto& wait = all.waits[index];
    if (wait.begin.version != next->resource_version || wait.reason != "DependencyNotReady")
      continue;
    for (const auto& fact : line.messages) {
      const auto& told = *fact->message;
      // One that has come again has lost its revision, but not its place among the versions.
      bool after_begin = content.begin.version != 0 ? fact->resource_version > content.begin.version
                                                    : moment_of(*fact).live; // it was there by the list
      // Events may be kept in an etcd of their own, whose versions count apart: the seconds must fit too.
      bool meanwhile = told.last + a_second >= content.updated && told.last <= content.end.at + a_second;
      bool again = told.count > 1 && after_begin && fact->resource_version < content.end.version && meanwhile;
      bool named = told.first <= wait.begin_second && content.has_revision(told.revision);
      if (told.reason != wait.reason || !(again || named))
        continue;
      lingering made;
      made.object = wait.object;
      made.uid = uid;
      made.reason = wait.reason;
      made.message = wait.message;
      made.begin = content.begin;
      made.end = content.end;
      made.end_at = time_of(content.end, {});
      auto first = is_known(told.exact_first) ? told.exact_first : told.first;
      made.begin_at = std::min(again ? std::max(told.last, content.begin.at) : first, made.end_at);
      made.over = true;
      made.source = content.source;
      return made;
    }
  }
  return {};
}

void judge_follower(analysis& all, const last_attempts& lasts, change_facts& change,
                    const occurrence& content, const object_id& object) {
  const auto& line = all.timelines.at(object);
  if (!existed(line, content))
    return;
  // Of that name then. What was made anew since had nothing to do with this content.
  const auto& uid = line.at(content.end.version - 1)->uid;
  auto known = lasts.find({object, content.change});
  const attempt* last = known == lasts.end() ? nullptr : known->second;
  bool went_on = false; // to what came after
  if (auto found = all.attempts_of.find(object);
      found != all.attempts_of.end() && content.end.version != no_version) {
    const auto& latest_attempt = all.attempts[found->second.back()];
    went_on = latest_attempt.key != content.change && latest_attempt.uid == uid &&
              latest_attempt.first.version > content.end.version;
  }
  const auto& latest = *line.latest();
  bool out = line.is_gone() || latest.uid != uid || latest.state->deleted || latest.state->suspended;
  if (last) {
    bool tries = last->result == outcome::open || (last->result == outcome::failed && last->retry_due);
    if (!went_on && !out && tries)
      change.pending.insert(object);
    if (went_on && last->result == outcome::open)
      change.passed_over.insert(object);
    return;
  }
  // It may have taken this content before anything was seen (a restart of ours): then it has no run, but is
  // done.
  const auto* then = content.end.version == no_version ? &latest : line.at(content.end.version);
  if (content.has_revision(then->state->last_applied_revision) ||
      (content.has_revision(latest.state->last_applied_revision) &&
       !applied_in_another(all, content, object)))
    return;
  const wait* waited = nullptr;
  if (auto found = all.waits_of.find(object); found != all.waits_of.end()) {
    const auto& list = found->second;
    auto here = std::partition_point(list.begin(), list.end(), [&](std::size_t each) {
      return all.waits[each].end.version <= content.begin.version;
    });
    for (; here != list.end() && all.waits[*here].begin.version < content.end.version; ++here)
      if (all.waits[*here].reason == "DependencyNotReady" && overlaps(all.waits[*here], content))
        waited = &all.waits[*here];
  }
  bool moved_on = content.end.version != no_version; // a controller only ever takes what is current
  if (then->state->suspended && moved_on && !waited)
    return; // left out while that content was current
  // Which of them came first during the outage is not known.
  if (waited && moved_on && !waited->begin.live && !content.end.live)
    return;
  // It may have taken this content before the outage was over.
  if (waited && waited->end_missed && waited->end.version < content.end.version && moved_on)
    return;
  if (waited && waited->end_missed)
    if (const auto* shown = first_after(line, waited->end.version);
        shown && has_applied(*shown->state, content))
      return;
  if (waited) {
    lingering made;
    made.object = object;
    made.uid = waited->uid;
    made.reason = waited->reason;
    made.message = waited->message;
    bool began_before = waited->begin.version < content.begin.version;
    made.begin = began_before ? content.begin : waited->begin;
    made.begin_at =
        began_before ? time_of(content.begin, content.updated) : time_of(waited->begin, waited->begin_second);
    made.end = waited->end.version > content.end.version ? content.end : waited->end;
    made.end_at = made.end.version == no_version ? timestamp{} : made.end.at;
    made.over = moved_on || out;
    made.source = content.source;
    change.waits.push_back(std::move(made));
    if (moved_on)
      change.passed_over.insert(object);
    else if (!out)
      change.pending.insert(object);
    return;
  }
  if (moved_on && !out)
    if (auto told = waited_between_patches(all, line, content, uid)) {
      change.waits.push_back(*told);
      change.passed_over.insert(object);
      return;
    }
  // What it did with the content was missed.
  if (const auto* next = first_after(line, content.begin.version); went_on && next && next->relisted)
    return;
  if (went_on)
    change.passed_over.insert(object);
  else if (!out)
    change.pending.insert(object);
}

/// Whether the release went on to the next spec, which is of another change, without an attempt at this one,
/// though it had something to do.
bool passed_over(const analysis& all, const object_id& object, const spec_change& change,
                 const spec_change& next) {
  const auto& line = all.timelines.at(object);
  if (!all.selected(object) || next.uid != change.uid ||
      (next.cause && all.attempts[*next.cause].key == all.attempts[*change.cause].key))
    return false;
  if (auto found = all.attempts_of.find(object); found != all.attempts_of.end())
    for (auto index : found->second) {
      const auto& each = all.attempts[index];
      bool of_it = each.generation >= change.generation && each.generation < next.generation;
      if (of_it || (each.first.version >= change.version && each.first.version < next.version))
        return false;
    }
  return std::none_of(line.states.begin(), line.states.end(), [&](const observation_ptr& each) {
    return each->resource_version >= change.version && each->resource_version < next.version && each->state &&
           each->state->observed_generation >= change.generation;
  });
}

/// A release whose new spec an apply of the change brought, and that has not taken it yet.
void judge_spec_changes(analysis& all, const object_id& object, const std::vector<spec_change>& list) {
  const auto& line = all.timelines.at(object);
  const auto& latest = *line.latest();
  for (std::size_t at = 0; at < list.size(); ++at) {
    const auto& change = list[at];
    if (!change.cause || change.version == 0 || !all.asked_about(all.attempts[*change.cause].key))
      continue;
    auto& facts = all.changes[all.attempts[*change.cause].key];
    auto until = at + 1 < list.size() ? list[at + 1].version : no_version;
    if (until != no_version && passed_over(all, object, change, list[at + 1]))
      facts.passed_over.insert(object);
    bool taken = false;
    bool open = false;
    if (auto found = all.attempts_of.find(object); found != all.attempts_of.end())
      for (auto index : found->second) {
        const auto& each = all.attempts[index];
        if (each.last.version < change.version)
          continue;
        // What began under the spec before and ended after it has not taken it.
        if (each.generation >= change.generation ||
            (each.first.version >= change.version && each.first.version < until)) {
          taken = true;
          // Only the last one says whether there is more to come.
          open = each.key == all.attempts[*change.cause].key &&
                 (each.result == outcome::open || (each.result == outcome::failed && each.retry_due));
        }
      }
    bool out = line.is_gone() || latest.state->deleted || latest.state->suspended;
    if (taken) {
      if (open && until == no_version && !out)
        facts.pending.insert(object);
      continue;
    }
    if (latest.state->observed_generation >= change.generation && until == no_version)
      continue; // it had nothing to do
    const wait* waited = nullptr;
    if (auto found = all.waits_of.find(object); found != all.waits_of.end())
      for (auto index : found->second)
        if (all.waits[index].begin.version < until && all.waits[index].end.version > change.version &&
            all.waits[index].reason == "DependencyNotReady")
          waited = &all.waits[index];
    if (waited) {
      lingering made;
      made.object = object;
      made.uid = waited->uid;
      made.reason = waited->reason;
      made.message = waited->message;
      made.begin = waited->begin;
      made.begin_at = time_of(waited->begin, waited->begin_second);
      made.end = waited->end;
      made.end_at = made.end.version == no_version ? timestamp{} : made.end.at;
      made.over = until != no_version || out;
      made.cause = change.cause;
      facts.waits.push_back(std::move(made));
      if (until != no_version)
        facts.passed_over.insert(object);
    }
    if (until == no_version && !out && all.selected(object))
      facts.pending.insert(object);
  }
}

} // namespace

void find_expectations(analysis& all) {
  auto followers = followers_by_source(all);
  last_attempts lasts;
  for (const auto& each : all.attempts)
    if (all.asked_about(each.key))
      lasts[{each.object, each.key}] = &each;
  for (const auto& content : all.contents) {
    if (!all.asked_about(content.change) || content.recalled)
      continue;
    auto found = followers.find(content.source);
    if (found == followers.end())
      continue;
    auto& change = all.changes[content.change];
    for (const auto& object : found->second)
      judge_follower(all, lasts, change, content, object);
  }
  for (const auto& [object, list] : all.spec_changes_of)
    if (object.kind == "HelmRelease" && !list.empty()) // nothing is known but messages otherwise
      judge_spec_changes(all, object, list);
  // Whatever an object is doing last, for whichever change.
  for (const auto& [object, list] : all.attempts_of) {
    const auto& last = all.attempts[list.back()];
    const auto& line = all.timelines.at(object);
    bool retries = last.result == outcome::failed && last.retry_due && object.kind == "HelmRelease";
    if (!all.asked_about(last.key) || line.is_gone() || (last.result != outcome::open && !retries))
      continue;
    if (!line.latest()->state->suspended || last.result == outcome::open)
      all.changes[last.key].pending.insert(object);
  }
}

} // namespace tc::trace
