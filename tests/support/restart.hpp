#pragma once

// What a process sees that starts in the midst of a recording: the objects and Events as a list shows them at
// that moment, then the rest live.

#include "messages/observation.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace tc::test {

/// Returns the facts from `from` on, after a list of what the API server then had. `facts` are in order of
/// arrival.
inline std::vector<observation_ptr> seen_after_restart(const std::vector<observation_ptr>& facts,
                                                       std::size_t from) {
  std::map<std::string, observation_ptr> listed;
  auto name_of = [](const observation& fact) {
    auto name = fact.object.group + '/' + fact.object.to_string();
    return fact.message ? name + ' ' + fact.message->name : name;
  };
  timestamp now = facts.empty() ? timestamp{} : facts.front()->received_at;
  for (std::size_t at = 0; at < from && at < facts.size(); ++at) {
    const auto& fact = *facts[at];
    now = std::max(now, fact.received_at);
    if (fact.kind == observation_kind::post)
      continue; // nobody keeps them
    if (fact.kind == observation_kind::deleted) {
      listed.erase(name_of(fact));
      continue;
    }
    auto& known = listed[name_of(fact)];
    if (!known || known->resource_version < fact.resource_version)
      known = facts[at];
  }
  std::vector<observation_ptr> result;
  for (const auto& [name, fact] : listed) {
    auto copy = std::make_shared<observation>(*fact);
    copy->initial = true;
    copy->received_at = now;
    result.push_back(std::move(copy));
  }
  for (std::size_t at = from; at < facts.size(); ++at)
    result.push_back(facts[at]);
  return result;
}

} // namespace tc::test
