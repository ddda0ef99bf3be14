#pragma once

// What a process sees of a recording when its watches fail for a while and their versions expire: the lists
// after the outage show each object as it is then, and what is gone can only be told from what was known.

#include "messages/observation.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace tc::test {

/// Returns the facts without those of [from, to), with what the lists tell in their place. `facts` are in
/// order of arrival.
inline std::vector<observation_ptr> seen_with_outage(const std::vector<observation_ptr>& facts,
                                                     std::size_t from, std::size_t to) {
  auto name_of = [](const observation& fact) {
    auto name = fact.object.group + '/' + fact.object.to_string();
    return fact.message ? name + ' ' + fact.message->name : name;
  };
  auto take = [&](std::map<std::string, observation_ptr>& into, const observation_ptr& fact) {
    if (fact->kind == observation_kind::post)
      return; // nobody keeps them
    if (fact->kind == observation_kind::deleted) {
      into.erase(name_of(*fact));
      return;
    }
    auto& known = into[name_of(*fact)];
    if (!known || known->resource_version < fact->resource_version)
      known = fact;
  };
  std::map<std::string, observation_ptr> before;
  std::vector<observation_ptr> result;
  for (std::size_t at = 0; at < from; ++at) {
    take(before, facts[at]);
    result.push_back(facts[at]);
  }
  auto after = before;
  auto now = facts.at(from)->received_at;
  for (std::size_t at = from; at < to; ++at) {
    take(after, facts[at]);
    now = std::max(now, facts[at]->received_at);
  }
  auto tell_gone = [&](const observation& last) {
    // The reflector keeps the metadata of what it knows, without managedFields, and nothing else.
    auto gone = std::make_shared<observation>(last);
    gone->kind = observation_kind::deleted;
    gone->received_at = now;
    gone->relisted = true;
    ++gone->resource_version;
    object_state left;
    left.generation = last.state->generation;
    left.created = last.state->created;
    left.deleted = last.state->deleted;
    left.labels = last.state->labels;
    left.owners = last.state->owners;
    left.requested_at = last.state->requested_at;
    gone->state = std::move(left);
    result.push_back(std::move(gone));
  };
  for (const auto& [name, last] : before)
    if (last->state && !after.contains(name))
      tell_gone(*last);
  for (const auto& [name, fact] : after) {
    auto known = before.find(name);
    if (known != before.end() && known->second->resource_version == fact->resource_version)
      continue;
    if (known != before.end() && fact->state && known->second->uid != fact->uid)
      tell_gone(*known->second);
    auto copy = std::make_shared<observation>(*fact);
    copy->received_at = now;
    copy->relisted = true;
    result.push_back(std::move(copy));
  }
  result.insert(result.end(), facts.begin() + static_cast<std::ptrdiff_t>(to), facts.end());
  return result;
}

} // namespace tc::test
