#include "trace/earlier_stays.hpp"

#include "messages/kinds.hpp"
#include "trace/analysis.hpp"
#include "trace/revision.hpp"
#include "trace/tellings.hpp"

#include <algorithm>
#include <utility>

namespace tc::trace {

namespace {

/// When the content of a record was there for certain. A record is of manifests: it takes the revision of the
/// last reconciliation that made the same, so that of several only the last was surely at it (a commit that
/// reverts another makes a record say that the revert came first).
timestamp at_it(const apply_record& record) {
  return record.total == 1 ? record.first_reconciled : record.last_reconciled;
}

void note_records(const object_state& state, std::vector<sighting>& to) {
  for (const auto& record : state.applies)
    if (auto key = change_key_of(*state.source_ref, record.revision, record.origin_revision);
        !key.empty() && had_this_spec_at(state, at_it(record)))
      to.push_back({at_it(record), std::move(key)});
}

} // namespace

bool had_this_spec_at(const object_state& state, timestamp then) {
  return state.generation == 1 || (is_known(state.applied_at) && state.applied_at <= then);
}

bool tells_of_earlier_content(const observation& fact) {
  return fact.message && (fact.initial || fact.relisted) && !fact.message->revision.empty() &&
         is_source_kind(fact.object.kind);
}

bool tells_of_content_taken(const observation& fact) {
  // One that has come again has lost its revision (flux.md, 1.5).
  return fact.kind == observation_kind::event && (fact.initial || fact.relisted) &&
         fact.object.kind == "Kustomization" && !fact.message->revision.empty() && fact.message->count == 1 &&
         !fact.message->combined;
}

void note_sightings(const object_id& object, const timeline& line, sightings_by_source& to) {
  // Seen live, a source's own states tell more than this.
  for (const auto& fact : line.states)
    if ((fact->initial || fact->relisted) && fact->kind != observation_kind::deleted &&
        fact->state->source_ref && !fact->state->applies.empty())
      note_records(*fact->state, to[*fact->state->source_ref]);
  if (const auto* latest = line.latest(); latest && latest->state->source_ref)
    for (const auto& fact : line.messages)
      if (tells_of_content_taken(*fact) && had_this_spec_at(*latest->state, fact->message->first))
        to[*latest->state->source_ref].push_back(
            {fact->message->first, change_key_of(*latest->state->source_ref, fact->message->revision,
                                                 fact->message->origin_revision)});
  std::vector<observation_ptr> messages;
  std::copy_if(line.messages.begin(), line.messages.end(), std::back_inserter(messages),
               [](const observation_ptr& fact) { return tells_of_earlier_content(*fact); });
  for (const auto& told : read_tellings(messages))
    if (told.believed && !told.revision().empty())
      to[object].push_back({told.second, change_key_of(object, told.revision(), told.says.origin_revision)});
}

bool left_and_returned(const std::vector<sighting>& of_source, const occurrence& content) {
  timestamp there = timestamp::max(); // first
  for (const auto& each : of_source)
    if (each.key == content.key)
      there = std::min(there, each.at);
  return there < content.updated &&
         std::any_of(of_source.begin(), of_source.end(), [&](const sighting& away) {
           return away.key != content.key && away.at > there && away.at < content.updated;
         });
}

bool began_before_return(const attempt& run, const occurrence& content) {
  if (run.first.live || content.change == content.key)
    return false;
  if (content.begin.live)
    return run.first.version < content.begin.version;
  return start_second_of(run) + std::chrono::seconds{1} <= content.updated;
}

} // namespace tc::trace
