// What content a source had, when, and which return to earlier content is a change of its own.

#include "messages/kinds.hpp"
#include "trace/facts.hpp"
#include "trace/revision.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace tc::trace {

namespace {

/// source-controller says in Reconciling that it has found something new before it stores it.
bool announces(const object_state& state) {
  const auto* reconciling = state.find_condition("Reconciling");
  return reconciling && reconciling->is_true() && reconciling->message.starts_with("building artifact: ");
}

/// Nearly all states of a source repeat the artifact of the state before.
bool same_revision(const artifact* before, const artifact& content) {
  return before && before->revision == content.revision && before->origin_revision == content.origin_revision;
}

} // namespace

timestamp spec_made_at(const object_state& state) {
  if (state.generation > 1)
    return std::max(state.applied_at, state.edited_at);
  return is_known(state.applied_at) ? state.applied_at : state.created;
}

std::vector<occurrence> source_history(const object_id& object, std::span<const observation_ptr> states,
                                       bool generated) {
  std::vector<occurrence> result;
  if (!is_source_kind(object.kind))
    return result;
  moment announced;
  bool announcing = false;
  bool first = true;
  std::string uid;
  std::string uid_of_stay;
  std::int64_t generation = 0;
  bool spec_moved = false;
  bool moved_unseen = false;
  std::uint64_t moved_after = 0;
  std::uint64_t moved_at = no_version;
  std::uint64_t previous = 0;
  timestamp asked_second; // until the content after that
  std::string key;        // of the last artifact
  const artifact* before = nullptr;
  for (const auto& fact : states) {
    if (fact->kind == observation_kind::deleted)
      continue;
    const auto& state = *fact->state;
    auto here = moment_of(*fact);
    bool created = !fact->initial && fact->uid != uid;
    if (created || (!first && state.generation != generation && !state.deleted)) {
      spec_moved = true;
      moved_after = created ? 0 : previous;
      moved_at = here.version;
      moved_unseen = fact->relisted;
      asked_second = {};
    }
    if (first && fact->initial)
      asked_second = spec_made_at(state);
    uid = fact->uid;
    generation = state.generation;
    previous = here.version;
    if (announces(state) && !announcing)
      announced = here;
    announcing = announces(state);
    if (!state.artifact) {
      first = false;
      continue;
    }
    const auto& content = *state.artifact;
    if (!same_revision(before, content))
      key = change_key_of(object, content);
    before = &content;
    bool known_before = first && fact->initial; // it had it already: since when is not known
    first = false;
    if (key.empty())
      continue;
    bool spec_taken = !known_before || state.observed_generation >= state.generation;
    bool stored_anew = fact->relisted && !result.empty() && content.last_update > result.back().latest;
    bool made_anew = generated && !result.empty() &&
                     (result.back().revision != content.revision || result.back().digest != content.digest);
    bool other_object = !result.empty() && fact->uid != uid_of_stay;
    uid_of_stay = fact->uid;
    if (!result.empty() && result.back().key == key && !stored_anew && !made_anew && !other_object) {
      auto& same = result.back();
      if (same.revisions.empty() || same.revisions.back() != content.revision)
        same.revisions.push_back(content.revision);
      same.revision = content.revision;
      same.updated = std::min(same.updated, content.last_update);
      same.latest = std::max(same.latest, content.last_update);
      continue;
    }
    if (!result.empty())
      result.back().end = here;
    occurrence made;
    made.source = object;
    made.key = made.change = key;
    made.revision = content.revision;
    made.revisions.push_back(content.revision);
    made.origin_revision = content.origin_revision;
    made.origin_source = content.origin_source;
    made.digest = content.digest;
    made.updated = made.latest = content.last_update;
    made.generated = generated;
    made.maybe_returned = !generated && stored_anew && !other_object && result.back().key == key;
    made.of_new_object = other_object && result.back().key == key;
    made.fetch_begin = announced;
    made.begin = known_before ? moment{0, here.at, false} : here;
    made.end = {no_version, {}, false};
    made.observed_source_revision = state.observed_source_revision;
    made.spec_moved = spec_moved && !known_before;
    made.asked_after = moved_after;
    made.asked_by = moved_at;
    made.asked_unseen = moved_unseen;
    if (spec_taken)
      made.asked_second = std::exchange(asked_second, {});
    result.push_back(std::move(made));
    announced = {};
    spec_moved = false;
  }
  return result;
}

void join_stays(std::vector<occurrence>& of_source,
                const std::function<bool(const occurrence&)>& was_elsewhere) {
  for (std::size_t at = 1; at < of_source.size();) {
    auto& each = of_source[at];
    if (!each.maybe_returned || was_elsewhere(each)) {
      ++at;
      continue;
    }
    auto& same = of_source[at - 1];
    same.end = each.end;
    same.revision = each.revision;
    same.latest = std::max(same.latest, each.latest);
    for (const auto& revision : each.revisions)
      if (same.revisions.back() != revision)
        same.revisions.push_back(revision);
    of_source.erase(of_source.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

void name_incarnations(std::vector<occurrence>& all,
                       const std::function<bool(const occurrence&)>& was_there) {
  std::map<std::string, std::vector<occurrence*>> by_key;
  for (auto& each : all)
    if (!each.generated)
      by_key[each.key].push_back(&each);
  for (auto& [key, list] : by_key) {
    // By what the sources wrote, never by arrival.
    std::sort(list.begin(), list.end(), [](const occurrence* left, const occurrence* right) {
      return std::tie(left->updated, left->source.namespace_name, left->source.name, left->source.kind,
                      left->begin.version, left->begin.at) <
             std::tie(right->updated, right->source.namespace_name, right->source.name, right->source.kind,
                      right->begin.version, right->begin.at);
    });
    std::set<object_id> at_it; // sources that have been at it in this incarnation
    std::string name = key;
    for (auto* each : list) {
      if (each->of_new_object) { // another object, but at what the one before it had
        at_it.insert(each->source);
        each->change = name;
        continue;
      }
      bool first_seen = at_it.empty() && name == key;
      if (!at_it.insert(each->source).second || (first_seen && was_there(*each))) {
        at_it = {each->source};
        name = incarnation_key(key, each->updated);
      }
      each->change = name;
    }
  }
}

} // namespace tc::trace
