// After a restart of ours: what histories tell of before.
//
// Which source had a content first, where that one has gone on: whoever applies it has a record of the
// content that was begun before the other source fetched it.
//
// What is left of a success that was over before anything was seen. Is it the reconciliation that took the
// object to its revision, or one of the intervals after it? Its history tells, with the time since which the
// source has had the content. In doubt it is no run: nothing is invented.

#include "trace/analysis.hpp"
#include "trace/revision.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

const occurrence* content_of(const analysis& all, const object_id& source, const attempt& run) {
  auto found = all.contents_of.find(source);
  if (found == all.contents_of.end())
    return nullptr;
  for (auto here = found->second.rbegin(); here != found->second.rend(); ++here) {
    const auto& each = all.contents[*here];
    if (!each.recalled && each.begin.version <= run.last.version &&
        std::find(each.revisions.begin(), each.revisions.end(), run.revision) != each.revisions.end())
      return &each;
  }
  return nullptr;
}

bool recall(const analysis& all, attempt& run) {
  const auto* state = all.find(run.object)->at(run.last.version);
  if (run.recorded_total == 0 || !state || !state->state->source_ref)
    return false;
  const auto* content = content_of(all, *state->state->source_ref, run);
  if (!content)
    return false;
  auto since = content->updated;
  if (run.first_recorded >= since) {
    for (const auto& other : state->state->applies)
      if (other.revision == run.revision && other.first_reconciled < run.first_recorded &&
          other.first_reconciled >= since && other.last_status == run.reason)
        return false; // other manifests at the same revision came later
    run.changed = true;
    if (run.recorded_total > 1) { // the first of them was it
      run.outcome_second = run.recorded_second = run.first_recorded;
      run.reported.reset();
      run.last.live = run.decided.live = false;
    }
    return true;
  }
  // Manifests it had applied before: its last reconciliation was the first at this revision unless an
  // interval has passed since the source got the content.
  auto interval = state->state->interval.value_or(duration{});
  return run.recorded_second < since + interval * 9 / 10;
}

/// Whether its spec is known to have been the same then: it may have followed another source otherwise.
bool had_this_spec_at(const object_state& state, timestamp then) {
  return state.generation == 1 || (is_known(state.applied_at) && state.applied_at <= then);
}

/// Returns a record of the content, of something that applies the source, that was begun no later than that.
const apply_record* record_before(const std::vector<const object_state*>& appliers, const object_id& source,
                                  const std::string& key, timestamp by) {
  for (const auto* state : appliers)
    for (const auto& record : state->applies) {
      auto began = record.first_reconciled;
      if (record.total == 1)
        began = std::chrono::floor<std::chrono::seconds>(began - record.last_duration);
      if (began <= by && had_this_spec_at(*state, record.first_reconciled) &&
          change_key_of(source, record.revision, record.origin_revision) == key)
        return &record;
    }
  return nullptr;
}

} // namespace

void recall_first_source(analysis& all, const appliers_by_source& appliers) {
  std::map<std::string, const occurrence*> first; // of each content
  for (const auto& each : all.contents) {
    if (each.change != each.key)
      continue; // of a later incarnation
    auto& known = first[each.key];
    if (!known || std::tie(each.updated, each.source.namespace_name, each.source.name) <
                      std::tie(known->updated, known->source.namespace_name, known->source.name))
      known = &each;
  }
  std::vector<occurrence> found;
  for (const auto& [source, states] : appliers) {
    const auto* line = all.find(source);
    if (!line || line->states.empty() || !line->states.front()->initial)
      continue; // all of it has been seen, or nothing
    auto had = all.contents_of.find(source);
    std::set<std::string> keys;
    if (had != all.contents_of.end())
      for (auto index : had->second)
        keys.insert(all.contents[index].key);
    for (const auto* state : states)
      for (const auto& known : state->applies) {
        auto key = change_key_of(source, known.revision, known.origin_revision);
        auto other = first.find(key);
        if (other == first.end() || !keys.insert(key).second)
          continue;
        const auto& later = *other->second;
        const auto* record = record_before(states, source, key, later.updated);
        // In the same second the names decide.
        if (!record || std::tie(source.namespace_name, source.name) >
                           std::tie(later.source.namespace_name, later.source.name))
          continue;
        occurrence made;
        made.source = source;
        made.key = made.change = key;
        made.revision = record->revision;
        made.revisions.push_back(record->revision);
        made.origin_revision = record->origin_revision;
        made.updated = later.updated;
        made.recalled = true;
        found.push_back(std::move(made));
      }
  }
  for (auto& each : found) {
    auto& list = all.contents_of[each.source];
    list.insert(list.begin(), all.contents.size());
    all.contents.push_back(std::move(each));
  }
}

void recall_histories(analysis& all) {
  for (auto& each : all.attempts)
    if (each.historic && each.result == outcome::succeeded && each.object.kind != "HelmRelease")
      each.moved = recall(all, each);
}

} // namespace tc::trace
