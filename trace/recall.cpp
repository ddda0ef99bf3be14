// After a restart of ours: what histories and Events tell of the contents that a source had before.
//
// Which source had a content first, where that one has gone on: whoever applies it has a record of the
// content that was begun before the other source fetched it. And whether a source has come back to a content
// that it had left.

#include "messages/kinds.hpp"
#include "trace/analysis.hpp"
#include "trace/earlier_stays.hpp"
#include "trace/revision.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace tc::trace {

namespace {

/// Returns a record of the content, of something that applies the source, that was begun no later than that.
const apply_record* record_before(const std::vector<const timeline*>& appliers, const object_id& source,
                                  const std::string& key, timestamp by) {
  for (const auto* line : appliers)
    for (const auto& record : line->latest()->state->applies) {
      const auto* state = line->latest()->state.operator->();
      // Of several reconciliations only the last was surely at this revision (earlier_stays.cpp).
      auto began = record.last_reconciled;
      if (record.total == 1)
        began = std::chrono::floor<std::chrono::seconds>(record.first_reconciled - record.last_duration);
      if (began <= by && had_this_spec_at(*state, began) &&
          has_change_key(source, record.revision, record.origin_revision, key))
        return &record;
    }
  return nullptr;
}

/// Whether who applies the source had a record of the content when the source, which had gone on, came to it.
bool was_recorded_before(const std::vector<const timeline*>& appliers, const occurrence& content) {
  for (const auto* line : appliers) {
    const auto& fact = *line->at(content.begin.version);
    if (fact.resource_version >= content.begin.version || fact.state->source_ref != content.source)
      continue;
    for (const auto& there : fact.state->applies)
      if (has_change_key(content.source, there.revision, there.origin_revision, content.key) &&
          had_this_spec_at(*fact.state, there.last_reconciled))
        return true;
  }
  return false;
}

/// Whether who applies the source was at work on the content when it was listed, or has told of it, before
/// the source, which had gone on, came to it.
bool was_taken_before(const analysis& all, const std::vector<const timeline*>& appliers,
                      const occurrence& content) {
  auto taken = [&](const object_state& state, const std::string& revision, const std::string& origin,
                   timestamp then) {
    return state.source_ref == content.source && had_this_spec_at(state, then) &&
           has_change_key(content.source, revision, origin, content.key);
  };
  for (const auto* line : appliers) {
    const auto& listed = *line->states.front();
    if (!listed.initial || listed.resource_version >= content.begin.version)
      continue;
    if (auto own = all.attempts_of.find(listed.object); own != all.attempts_of.end())
      if (const auto& first = all.attempts[own->second.front()];
          first.first.version == listed.resource_version && !first.revision.empty() &&
          taken(*listed.state, first.revision, first.origin_revision, start_second_of(first)))
        return true;
    for (const auto& fact : line->messages)
      if (tells_of_content_taken(*fact) && fact->resource_version < content.begin.version &&
          taken(*listed.state, fact->message->revision, fact->message->origin_revision, fact->message->first))
        return true;
  }
  return false;
}

/// Whether who applies the source had been at the content and gone on to another, while the source is at it.
/// A history has what was applied last in front, which tells the order within one second too.
bool gone_on_from_it(const std::vector<const timeline*>& appliers, const occurrence& content) {
  for (const auto* line : appliers)
    for (auto by : {std::uint64_t{0}, content.end.version - 1}) { // as listed, and before the source went on
      const auto& fact = *line->at(by);
      if (fact.resource_version >= content.end.version || fact.state->source_ref != content.source)
        continue;
      bool away = false;
      for (const auto& record : fact.state->applies) {
        bool there = has_change_key(content.source, record.revision, record.origin_revision, content.key);
        if (there && away && had_this_spec_at(*fact.state, record.last_reconciled))
          return true;
        away = away || !there;
      }
    }
  return false;
}

/// Whether listed Events tell that it had the content, then another, and it is at this one again.
bool told_twice(const analysis& all, const occurrence& content) {
  bool there = false;
  bool away = false;
  bool away_before = false; // it came to the content
  for (const auto& each : noted_contents(content.source, *all.find(content.source))) {
    if (each.version >= content.end.version || (content.end.live && each.at > content.end.at))
      break;
    bool same = each.key == content.key;
    if (same && away)
      return true;
    away = away || (there && !same);
    away_before = away_before || (there && !same && each.version < content.begin.version);
    there = there || same;
  }
  return away_before && content.begin.live;
}

} // namespace

std::vector<noted_content> noted_contents(const object_id& source, const timeline& line) {
  std::vector<noted_content> result;
  for (const auto& fact : line.messages) {
    const auto& told = *fact->message;
    if (fact->kind != observation_kind::event || !tells_of_earlier_content(*fact) ||
        told.reason != "NewArtifact" || told.count != 1 || told.combined)
      continue;
    auto key = change_key_of(source, told.revision, told.origin_revision);
    if (!key.empty())
      result.push_back({std::move(key), told.revision, told.origin_revision,
                        is_known(told.exact_first) ? told.exact_first : told.first, fact->resource_version});
  }
  std::sort(result.begin(), result.end(), [](const noted_content& left, const noted_content& right) {
    return std::tie(left.version, left.at, left.key) < std::tie(right.version, right.at, right.key);
  });
  return result;
}

bool had_left(const analysis& all, const occurrence& content) {
  if (told_twice(all, content))
    return true;
  auto appliers = all.appliers.find(content.source);
  if (appliers == all.appliers.end())
    return false;
  if (content.begin.version == 0)
    return gone_on_from_it(appliers->second, content);
  const auto& own = all.contents_of.at(content.source);
  bool first_of_its_source = all.contents[own.front()].begin.version == content.begin.version;
  return content.begin.live && !first_of_its_source &&
         (was_recorded_before(appliers->second, content) || was_taken_before(all, appliers->second, content));
}

void recall_first_source(analysis& all) {
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
  for (const auto& entry : all.timelines) {
    const auto& source = entry.first; // not bindings: a lambda captures them
    const auto& line = entry.second;
    if (!is_source_kind(source.kind) || line.states.empty() || !line.states.front()->initial)
      continue; // all of it has been seen, or nothing
    auto had = all.contents_of.find(source);
    std::set<std::string> keys;
    if (had != all.contents_of.end())
      for (auto index : had->second)
        keys.insert(all.contents[index].key);
    // By its own Events, or by the history of who applies it.
    auto take = [&](const std::string& key, const fact_text& revision, const fact_text& origin,
                    timestamp by) {
      auto other = first.find(key);
      if (other == first.end() || keys.contains(key))
        return;
      const auto& later = *other->second;
      // In the same second the names decide.
      auto second = std::min<timestamp>(std::chrono::floor<std::chrono::seconds>(by), later.updated);
      if (by >= later.updated + std::chrono::seconds{1} ||
          std::tuple{second, source.namespace_name, source.name} >
              std::tuple{later.updated, later.source.namespace_name, later.source.name})
        return;
      keys.insert(key);
      occurrence made;
      made.source = source;
      made.key = made.change = key;
      made.revision = revision;
      made.revisions.push_back(revision);
      made.origin_revision = origin;
      made.updated = second;
      made.recalled = true;
      found.push_back(std::move(made));
    };
    for (const auto& each : noted_contents(source, line))
      take(each.key, each.revision, each.origin_revision, each.at);
    auto appliers = all.appliers.find(source);
    if (appliers == all.appliers.end())
      continue;
    std::set<std::string> tried; // of all appliers at a time
    for (const auto* applier : appliers->second)
      for (const auto& known : applier->latest()->state->applies) {
        auto key = change_key_of(source, known.revision, known.origin_revision);
        auto other = first.find(key);
        if (other == first.end() || !tried.insert(key).second)
          continue;
        auto by = other->second->updated;
        if (const auto* record = record_before(appliers->second, source, key, by))
          take(key, record->revision, record->origin_revision, by);
      }
  }
  for (auto& each : found) {
    auto& list = all.contents_of[all.kept(each.source)];
    list.insert(list.begin(), all.contents.size());
    all.contents.push_back(std::move(each));
  }
}

} // namespace tc::trace
