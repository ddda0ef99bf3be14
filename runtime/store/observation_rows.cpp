#include "runtime/store/observation_rows.hpp"

#include "messages/kinds.hpp"

#include <algorithm>
#include <unordered_set>

namespace tc::store {

namespace {

using states = std::vector<std::pair<std::uint64_t, std::int64_t>>;

/// Where the version is or would be.
template <class List>
auto place_of(List& all, std::uint64_t version) {
  return std::lower_bound(all.begin(), all.end(), version,
                          [](const auto& each, std::uint64_t wanted) { return each.first < wanted; });
}

/// Whether that row is the one that counts as the state of that version.
bool has(const states& all, std::uint64_t version, std::int64_t row) {
  auto at = place_of(all, version);
  return at != all.end() && *at == std::pair{version, row};
}

} // namespace

void observation_rows::add(std::int64_t row, const observation& fact, std::size_t bytes) {
  row_entry entry{row, nullptr, 0, fact.received_at, static_cast<std::uint32_t>(bytes)};
  if (fact.state) {
    entry.version = fact.resource_version;
    auto& known = *objects_.try_emplace(fact.object).first;
    entry.object = &known;
    auto& object = known.second;
    auto latest = object.states.empty() || object.states.back().first <= entry.version;
    // Of two reports of one state the later row counts as the state.
    if (auto at = place_of(object.states, entry.version);
        at != object.states.end() && at->first == entry.version)
      at->second = row;
    else
      object.states.emplace(at, entry.version, row);
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
  rows_.push_back(entry);
}

bool observation_rows::is_needed(const row_entry& row) {
  if (row.object == nullptr)
    return false;
  const auto& object = row.object->second;
  if (!has(object.states, row.version, row.number))
    return false;
  return (!object.deleted && object.states.back().first == row.version) ||
         object.contents.count(row.version) != 0;
}

observation_rows::pruning observation_rows::prune(timestamp horizon, std::size_t keep_newest,
                                                  std::size_t most_bytes) const {
  pruning out;
  std::unordered_map<const known_object*, std::set<std::uint64_t>> touched; // versions that go
  auto old = size() > keep_newest ? size() - keep_newest : 0;
  auto left = bytes_;
  std::size_t at = 0;
  for (const auto& row : rows_) {
    if (row.gone)
      continue;
    auto too_large = left > most_bytes;
    if (at++ >= old && !too_large)
      break;
    if ((row.received_at >= horizon && !too_large) || is_needed(row))
      continue;
    out.gone.push_back(row.number);
    left -= row.bytes;
    if (row.object != nullptr && has(row.object->second.states, row.version, row.number))
      touched[row.object].insert(row.version);
  }
  for (const auto& [object, gone] : touched)
    for (const auto& [version, number] : object->second.states) {
      if (gone.count(version) != 0)
        continue;
      if (object->second.marked != version)
        out.first_left.push_back(number);
      break;
    }
  return out;
}

void observation_rows::apply(const pruning& done) {
  std::unordered_set<known_object*> emptied;
  for (auto number : done.gone) {
    auto* row = find(number);
    if (row == nullptr)
      continue;
    row->gone = true;
    ++gone_;
    bytes_ -= row->bytes;
    if (row->object == nullptr)
      continue;
    auto& all = row->object->second.states;
    if (has(all, row->version, number))
      all.erase(place_of(all, row->version));
    if (all.empty())
      emptied.insert(row->object);
  }
  for (auto number : done.first_left)
    if (auto* row = find(number); row != nullptr && row->object != nullptr)
      row->object->second.marked = row->version;
  // Rows that are left may name an object of which no state is.
  if (!emptied.empty())
    for (auto& row : rows_)
      if (emptied.count(row.object) != 0)
        row.object = nullptr;
  for (auto* object : emptied)
    objects_.erase(objects_.find(object->first));
  if (gone_ > rows_.size() / 2) {
    std::erase_if(rows_, [](const row_entry& row) { return row.gone; });
    gone_ = 0;
  }
}

observation_rows::row_entry* observation_rows::find(std::int64_t number) {
  auto at = std::lower_bound(rows_.begin(), rows_.end(), number,
                             [](const row_entry& row, std::int64_t wanted) { return row.number < wanted; });
  return at != rows_.end() && at->number == number && !at->gone ? &*at : nullptr;
}

} // namespace tc::store
