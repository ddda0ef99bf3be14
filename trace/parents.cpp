#include "trace/parents.hpp"

#include <algorithm>

namespace tc::trace {

parents::parents(const analysis& all, const std::string& key, const change_facts& change)
    : all_(all), key_(key) {
  for (auto index : change.attempts)
    attempts_[all.attempts[index].object].push_back(index);
  for (auto index : change.contents)
    contents_.try_emplace(all.contents[index].source, index);
  for (auto index : change.fetch_failures)
    failures_.try_emplace(all.fetch_failures[index].source, index);
}

std::optional<std::size_t> parents::attempt_of_owner(const object_id& owner, const object_id& object,
                                                     std::uint64_t version) const {
  auto found = attempts_.find(owner);
  if (found == attempts_.end())
    return {};
  const auto& list = found->second;
  if (list.size() == 1)
    return list.front();
  for (auto index : list)
    if (all_.log_names(index, object).value_or(false))
      return index;
  auto after = std::partition_point(list.begin(), list.end(), [&](std::size_t each) {
    return all_.attempts[each].first.version < version;
  });
  return after == list.begin() ? list.front() : *std::prev(after);
}

std::optional<std::size_t> parents::applied_by(const attempt& run) const {
  if (run.cause && all_.attempts[*run.cause].key == key_)
    return run.cause;
  if (run.attribution == "chart")
    return {};
  auto owner = all_.owner_of(run.object);
  return owner ? attempt_of_owner(*owner, run.object, run.first.version) : std::nullopt;
}

parent_ref parents::of_attempt(std::size_t index) const {
  const auto& run = all_.attempts[index];
  auto above = applied_by(run);
  // Objects may name each other as owners; a run under itself would be no tree.
  std::set<object_id> seen{run.object};
  for (auto up = above; up; up = applied_by(all_.attempts[*up]))
    if (!seen.insert(all_.attempts[*up].object).second) {
      above.reset();
      break;
    }
  if (above)
    return {above, {}};
  return {{}, run.source};
}

parent_ref parents::of_waiting(const lingering& waiting) const {
  if (waiting.cause && all_.attempts[*waiting.cause].key == key_)
    return {waiting.cause, {}};
  if (auto owner = all_.owner_of(waiting.object))
    if (auto above = attempt_of_owner(*owner, waiting.object, waiting.begin.version))
      return {above, {}};
  return {{}, waiting.source};
}

/// A source that an apply asked for hangs under that apply; a packaged chart under what it was packaged from.
parent_ref parents::of_source(const object_id& source) const {
  std::optional<std::size_t> cause;
  if (auto found = contents_.find(source); found != contents_.end())
    cause = all_.contents[found->second].cause;
  else if (auto failed = failures_.find(source); failed != failures_.end())
    cause = all_.fetch_failures[failed->second].cause;
  else
    return {};
  if (cause && all_.attempts[*cause].key == key_)
    return {cause, {}};
  if (auto told = all_.told_origins.find(source); told != all_.told_origins.end())
    return contents_.contains(told->second) ? parent_ref{{}, told->second} : parent_ref{};
  const auto* line = all_.find(source);
  const auto* latest = line ? line->latest() : nullptr;
  if (!latest || !latest->state->source_ref)
    return {};
  auto origin = *latest->state->source_ref;
  if (contents_.contains(origin))
    return {{}, origin};
  // An ExternalArtifact names its generator; what that was made of is above it.
  if (const auto* generator = all_.find(origin); generator && generator->latest())
    for (const auto& each : generator->latest()->state->sources)
      if (contents_.contains(each))
        return {{}, each};
  return {};
}

} // namespace tc::trace
