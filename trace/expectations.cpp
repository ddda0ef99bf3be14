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
  auto is_of_it = [&](const std::string& revision) {
    return std::find(content.revisions.begin(), content.revisions.end(), revision) != content.revisions.end();
  };
  return is_of_it(state.last_applied_revision) ||
         std::any_of(state.applies.begin(), state.applies.end(),
                     [&](const apply_record& each) { return is_of_it(each.revision); });
}

/// The first state after that version, nullptr for none.
const observation* first_after(const timeline& line, std::uint64_t version) {
  auto after = std::upper_bound(
      line.states.begin(), line.states.end(), version,
      [](std::uint64_t wanted, const observation_ptr& each) { return wanted < each->resource_version; });
  return after == line.states.end() ? nullptr : after->get();
}

void judge_follower(analysis& all, const last_attempts& lasts, change_facts& change,
                    const occurrence& content, const object_id& object) {
  const auto& line = all.timelines.at(object);
  if (!existed(line, content))
    return;
  auto known = lasts.find({object, content.change});
  const attempt* last = known == lasts.end() ? nullptr : known->second;
  bool went_on = false; // to what came after
  if (auto found = all.attempts_of.find(object);
      found != all.attempts_of.end() && content.end.version != no_version) {
    const auto& latest_attempt = all.attempts[found->second.back()];
    went_on = latest_attempt.key != content.change && latest_attempt.first.version > content.end.version;
  }
  const auto& latest = *line.latest();
  bool out = line.is_gone() || latest.state->deleted || latest.state->suspended;
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
  for (const auto* state : {&latest, then})
    if (std::find(content.revisions.begin(), content.revisions.end(), state->state->last_applied_revision) !=
        content.revisions.end())
      return;
  if (then->state->suspended && content.end.version != no_version)
    return; // left out while that content was current
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
  // What it did with the content was missed.
  if (const auto* next = first_after(line, content.begin.version); went_on && next && next->relisted)
    return;
  if (went_on)
    change.passed_over.insert(object);
  else if (!out)
    change.pending.insert(object);
}

/// A release whose new spec an apply of the change brought, and that has not taken it yet.
void judge_spec_changes(analysis& all, const object_id& object, const std::vector<spec_change>& list) {
  const auto& line = all.timelines.at(object);
  const auto& latest = *line.latest();
  for (std::size_t at = 0; at < list.size(); ++at) {
    const auto& change = list[at];
    if (!change.cause || change.version == 0 || all.attempts[*change.cause].key.empty())
      continue;
    auto& facts = all.changes[all.attempts[*change.cause].key];
    auto until = at + 1 < list.size() ? list[at + 1].version : no_version;
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
    if (!each.key.empty())
      lasts[{each.object, each.key}] = &each;
  for (const auto& content : all.contents) {
    if (content.change.empty() || content.recalled)
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
    if (last.key.empty() || line.is_gone() || (last.result != outcome::open && !retries))
      continue;
    if (!line.latest()->state->suspended || last.result == outcome::open)
      all.changes[last.key].pending.insert(object);
  }
}

} // namespace tc::trace
