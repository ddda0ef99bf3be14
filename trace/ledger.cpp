#include "trace/ledger.hpp"

#include <algorithm>

namespace tc::trace {

observation_ptr with_last_state(const observation_ptr& deletion, const observation* before) {
  if (deletion->kind != observation_kind::deleted || !deletion->relisted || !before || !before->state ||
      before->uid != deletion->uid)
    return deletion;
  auto result = std::make_shared<observation>(*deletion);
  result->state = before->state;
  return result;
}

bool ledger::add(observation_ptr fact) {
  if (!fact)
    return false;
  auto& timeline = objects_[fact->object];
  // A live arrival says when something happened, a list only that it did; of two of a kind the earlier is
  // better.
  auto better = [](const observation& left, const observation& right) {
    if (left.initial != right.initial)
      return !left.initial;
    if (left.relisted != right.relisted)
      return !left.relisted;
    return left.received_at < right.received_at;
  };
  if (fact->kind == observation_kind::state || fact->kind == observation_kind::deleted) {
    auto& states = timeline.states;
    auto place = states.end();
    // Nearly always it is the latest.
    if (!states.empty() && states.back()->resource_version >= fact->resource_version)
      place = std::partition_point(states.begin(), states.end(), [&](const observation_ptr& each) {
        return each->resource_version < fact->resource_version;
      });
    if (place == states.end() || (*place)->resource_version != fact->resource_version) {
      states.insert(place, std::move(fact));
      ++size_;
      return true;
    }
    if (better(*fact, **place))
      *place = std::move(fact);
    return false;
  }
  auto& told = fact->notification ? timeline.notifications : timeline.messages;
  auto [place, added] = told.try_emplace(fact->identity(), fact);
  if (added)
    ++size_;
  else if (better(*fact, *place->second))
    place->second = std::move(fact);
  return added;
}

const object_timeline* ledger::find(const object_id& object) const {
  auto found = objects_.find(object);
  return found == objects_.end() ? nullptr : &found->second;
}

std::vector<observation_ptr> ledger::all() const {
  std::vector<observation_ptr> result;
  result.reserve(size_);
  for (const auto& [object, timeline] : objects_) {
    result.insert(result.end(), timeline.states.begin(), timeline.states.end());
    for (const auto& [identity, fact] : timeline.messages)
      result.push_back(fact);
    for (const auto& [identity, fact] : timeline.notifications)
      result.push_back(fact);
  }
  return result;
}

} // namespace tc::trace
