#include "runtime/store/observation_rows.hpp"

#include "messages/kinds.hpp"

namespace tc::store {

void observation_rows::add(std::int64_t row, const observation& fact, std::size_t bytes) {
  row_entry entry{fact.object, 0, fact.received_at, bytes};
  if (fact.state) {
    entry.version = fact.resource_version;
    auto& object = objects_[fact.object];
    auto latest = object.states.empty() || object.states.rbegin()->first <= entry.version;
    object.states[entry.version] = row; // of two reports of one state the later row counts as the state
    if (latest) {
      const auto& revision = fact.state->artifact ? fact.state->artifact->revision : std::string{};
      if (is_source_kind(fact.object.kind) && !revision.empty() && revision != object.revision) {
        object.contents.insert(entry.version);
        if (object.contents.size() > contents_kept_of_a_source)
          object.contents.erase(object.contents.begin());
      }
      object.revision = revision;
      object.deleted = fact.kind == observation_kind::deleted;
    }
  }
  bytes_ += bytes;
  rows_.emplace(row, std::move(entry));
}

bool observation_rows::is_needed(const row_entry& row, std::int64_t number) const {
  if (row.version == 0)
    return false;
  auto found = objects_.find(row.object);
  if (found == objects_.end())
    return false;
  const auto& object = found->second;
  auto state = object.states.find(row.version);
  if (state == object.states.end() || state->second != number)
    return false;
  return (!object.deleted && object.states.rbegin()->first == row.version) ||
         object.contents.count(row.version) != 0;
}

observation_rows::pruning observation_rows::prune(timestamp horizon, std::size_t keep_newest,
                                                  std::size_t most_bytes) const {
  pruning out;
  std::unordered_map<object_id, std::set<std::uint64_t>> touched; // versions that go
  auto old = rows_.size() > keep_newest ? rows_.size() - keep_newest : 0;
  auto left = bytes_;
  std::size_t at = 0;
  for (const auto& [number, row] : rows_) {
    auto too_large = left > most_bytes;
    if (at++ >= old && !too_large)
      break;
    if ((row.received_at >= horizon && !too_large) || is_needed(row, number))
      continue;
    out.gone.push_back(number);
    left -= row.bytes;
    if (auto object = objects_.find(row.object); row.version != 0 && object != objects_.end())
      if (auto state = object->second.states.find(row.version);
          state != object->second.states.end() && state->second == number)
        touched[row.object].insert(row.version);
  }
  for (const auto& [id, gone] : touched) {
    auto found = objects_.find(id);
    if (found == objects_.end())
      continue;
    for (const auto& [version, number] : found->second.states) {
      if (gone.count(version) != 0)
        continue;
      if (found->second.marked != version)
        out.first_left.push_back(number);
      break;
    }
  }
  return out;
}

void observation_rows::apply(const pruning& done) {
  for (auto number : done.gone) {
    auto row = rows_.extract(number);
    if (row.empty())
      continue;
    bytes_ -= row.mapped().bytes;
    auto object = objects_.find(row.mapped().object);
    if (row.mapped().version == 0 || object == objects_.end())
      continue;
    auto& states = object->second.states;
    if (auto state = states.find(row.mapped().version); state != states.end() && state->second == number)
      states.erase(state);
    if (states.empty())
      objects_.erase(object);
  }
  for (auto number : done.first_left)
    if (auto row = rows_.find(number); row != rows_.end())
      if (auto object = objects_.find(row->second.object); object != objects_.end())
        object->second.marked = row->second.version;
}

} // namespace tc::store
