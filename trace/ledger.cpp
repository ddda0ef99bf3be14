#include "trace/ledger.hpp"

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
  auto put = [&](auto& where, auto key) {
    auto [place, added] = where.try_emplace(std::move(key), fact);
    if (added) {
      ++size_;
      bytes_ += fact->byte_size();
    } else if (better(*fact, *place->second)) {
      place->second = fact;
    }
    return added;
  };
  if (fact->kind == observation_kind::state || fact->kind == observation_kind::deleted)
    return put(timeline.states, fact->resource_version);
  return put(fact->notification ? timeline.notifications : timeline.messages, fact->identity());
}

const object_timeline* ledger::find(const object_id& object) const {
  auto found = objects_.find(object);
  return found == objects_.end() ? nullptr : &found->second;
}

std::vector<observation_ptr> ledger::all() const {
  std::vector<observation_ptr> result;
  result.reserve(size_);
  for (const auto& [object, timeline] : objects_) {
    for (const auto& [version, fact] : timeline.states)
      result.push_back(fact);
    for (const auto& [identity, fact] : timeline.messages)
      result.push_back(fact);
    for (const auto& [identity, fact] : timeline.notifications)
      result.push_back(fact);
  }
  return result;
}

} // namespace tc::trace
