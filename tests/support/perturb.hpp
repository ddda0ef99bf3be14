#pragma once

// A recording as another cluster would have given it: shifted in time, with less in its objects, with Events
// lost or in another order, with other names. Whatever of this is legitimate changes no run.

#include "messages/observation.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace tc::test {

/// Every fact, changed by `change`.
inline std::vector<observation_ptr> changed(const std::vector<observation_ptr>& facts,
                                            const std::function<void(observation&)>& change) {
  std::vector<observation_ptr> result;
  for (const auto& fact : facts) {
    auto copy = std::make_shared<observation>(*fact);
    change(*copy);
    result.push_back(std::move(copy));
  }
  return result;
}

/// Calls `visit` with every second that a controller or the API server wrote.
inline void for_each_second(observation& fact, const std::function<void(timestamp&)>& visit) {
  if (fact.state) {
    auto& state = *fact.state;
    visit(state.created);
    if (state.deleted)
      visit(*state.deleted);
    visit(state.applied_at);
    visit(state.edited_at);
    visit(state.requested_by);
    for (auto& each : state.conditions)
      visit(each.last_transition);
    if (state.artifact)
      visit(state.artifact->last_update);
    for (auto& each : state.applies) {
      visit(each.first_reconciled);
      visit(each.last_reconciled);
    }
    for (auto& each : state.releases) {
      visit(each.first_deployed);
      visit(each.last_deployed);
      visit(each.deleted);
    }
    visit(state.last_push_time);
  }
  if (fact.message) {
    visit(fact.message->first);
    visit(fact.message->last);
  }
}

/// The same cluster at another time: by whole seconds.
inline std::vector<observation_ptr> shifted(const std::vector<observation_ptr>& facts,
                                            std::chrono::seconds by) {
  return changed(facts, [&](observation& fact) {
    fact.received_at += by;
    for_each_second(fact, [&](timestamp& at) {
      if (is_known(at))
        at += by;
    });
    if (fact.message && is_known(fact.message->exact_first))
      fact.message->exact_first += by;
  });
}

/// Every namespace and UID in an object, a reference and a change log gets `suffix`: two such clusters have
/// no object in common. Labels that name an owner are changed as well.
inline std::vector<observation_ptr> in_other_namespaces(const std::vector<observation_ptr>& facts,
                                                        const std::string& suffix) {
  auto rename = [&](object_id& id) {
    if (!id.namespace_name.empty())
      id.namespace_name += suffix;
  };
  return changed(facts, [&](observation& fact) {
    rename(fact.object);
    if (!fact.uid.empty())
      fact.uid += suffix;
    if (fact.state) {
      auto& state = *fact.state;
      for (auto* one : {&state.source_ref, &state.chart_ref})
        if (*one)
          rename(**one);
      for (auto* list :
           {&state.sources, &state.depends_on, &state.values_from, &state.inventory, &state.owners})
        for (auto& each : *list)
          rename(each);
      for (auto& [key, value] : state.labels)
        if (key.ends_with("toolkit.fluxcd.io/namespace"))
          value += suffix;
      if (auto slash = state.helm_chart.find('/'); slash != std::string::npos)
        state.helm_chart.insert(slash, suffix);
    }
    if (fact.message) {
      // A change log: "Kind/namespace/name verb"
      auto& text = fact.message->text;
      std::string result;
      for (std::size_t from = 0; from < text.size();) {
        auto to = std::min(text.find('\n', from), text.size());
        auto line = text.substr(from, to - from);
        auto first = line.find('/');
        auto second = first == std::string::npos ? first : line.find('/', first + 1);
        bool log = line.ends_with(" created") || line.ends_with(" configured") || line.ends_with(" deleted");
        if (log && second != std::string::npos)
          line.insert(second, suffix);
        result += line;
        if (to < text.size())
          result += '\n';
        from = to + 1;
      }
      text = std::move(result);
    }
  });
}

/// Resource versions of another cluster's order of magnitude.
inline std::vector<observation_ptr> with_versions_from(const std::vector<observation_ptr>& facts,
                                                       std::uint64_t offset) {
  return changed(facts, [&](observation& fact) { fact.resource_version += offset; });
}

} // namespace tc::test
