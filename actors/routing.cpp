#include "actors/routing.hpp"

#include "messages/kinds.hpp"
#include "trace/selection.hpp"

#include <algorithm>

namespace tc::actors {

namespace {

template <class T>
bool insert_sorted(std::vector<T>& into, const T& value) {
  auto place = std::lower_bound(into.begin(), into.end(), value);
  if (place != into.end() && *place == value)
    return false;
  into.insert(place, value);
  return true;
}

bool contains(const std::vector<routing::subscriber>& sorted, routing::subscriber who) {
  return std::binary_search(sorted.begin(), sorted.end(), who);
}

/// Kinds that are drawn because of what applied or feeds on them, without being selected.
bool follows_its_parents(std::string_view kind) {
  return is_workload_kind(kind) || kind == "ImageUpdateAutomation";
}

object_id split_name(std::string_view kind, std::string_view namespaced_name) {
  auto slash = namespaced_name.find('/');
  if (slash == std::string_view::npos)
    return {};
  return {std::string{usual_group(kind)}, std::string{kind}, std::string{namespaced_name.substr(0, slash)},
          std::string{namespaced_name.substr(slash + 1)}};
}

} // namespace

std::vector<object_id> parents_of(const object_id& id, const object_state& state) {
  std::vector<object_id> out;
  auto add = [&](object_id parent) {
    if (!parent.name.empty() && parent != id && std::find(out.begin(), out.end(), parent) == out.end())
      out.push_back(std::move(parent));
  };
  // The labels that the controllers put on what they apply.
  for (const auto& by : labels_of_appliers) {
    auto name = state.label(by.name);
    auto namespace_name = state.label(by.namespace_name);
    if (!name.empty())
      add({std::string{by.group}, std::string{by.kind},
           std::string{namespace_name.empty() ? std::string_view{id.namespace_name} : namespace_name},
           std::string{name}});
  }
  if (state.source_ref)
    add(*state.source_ref);
  if (state.chart_ref)
    add(*state.chart_ref);
  if (!state.helm_chart.empty())
    add(split_name("HelmChart", state.helm_chart));
  for (const auto& source : state.sources)
    add(source);
  for (const auto& owner : state.owners)
    add(owner);
  return out;
}

std::string routing::index_key(std::string_view kind, std::string_view namespace_name,
                               std::string_view name) {
  std::string out;
  out.reserve(kind.size() + namespace_name.size() + name.size() + 2);
  out.append(kind).append(1, '/').append(namespace_name).append(1, '/').append(name);
  return out;
}

routing::node& routing::node_of(const object_id& id) {
  auto [place, added] = nodes_.try_emplace(id);
  if (added)
    place->second.id = id;
  return place->second;
}

void routing::remember(node& at, const observation_ptr& fact) {
  if (fact->state && (!at.latest || at.latest->resource_version <= fact->resource_version))
    at.latest = fact;
  at.recent.push_back(fact);
  order_.push_back(at.id);
  while (order_.size() > max_recent_) {
    auto oldest = nodes_.find(order_.front());
    order_.pop_front();
    if (oldest == nodes_.end() || oldest->second.recent.empty())
      continue;
    oldest->second.truncated = oldest->second.truncated || oldest->second.recent.front()->state.has_value();
    oldest->second.recent.pop_front();
    forget_if_gone(oldest->second, at);
  }
}

void routing::forget_if_gone(node& candidate, const node& in_use) {
  auto gone = !candidate.latest || candidate.latest->kind == observation_kind::deleted;
  if (!gone || !candidate.recent.empty() || !candidate.children.empty() || &candidate == &in_use)
    return;
  auto id = candidate.id;
  auto parents = std::move(candidate.parents);
  nodes_.erase(id);
  for (const auto& parent : parents) {
    auto above = nodes_.find(parent);
    if (above == nodes_.end())
      continue;
    std::erase(above->second.children, id);
    forget_if_gone(above->second, in_use);
  }
}

void routing::add_retained(const node& at, subscriber who, std::vector<delivery>& out) {
  bool first = at.truncated;
  auto add = [&](const observation_ptr& fact) {
    if (!first || !fact->state || fact->initial) {
      out.emplace_back(who, fact);
    } else {
      auto listed = std::make_shared<observation>(*fact);
      listed->initial = true;
      out.emplace_back(who, std::move(listed));
    }
    first = first && !fact->state;
  };
  if (at.latest && std::find(at.recent.begin(), at.recent.end(), at.latest) == at.recent.end())
    add(at.latest);
  for (const auto& fact : at.recent)
    add(fact);
}

void routing::gain(node& at, subscriber who, bool upward, std::vector<delivery>& out) {
  // Reference stability: unordered_map nodes do not move when others are added.
  auto known = contains(at.upward, who) || contains(at.downward, who);
  if (!insert_sorted(upward ? at.upward : at.downward, who))
    return;
  if (!known)
    add_retained(at, who, out);
  if (!upward)
    return;
  for (const auto& parent : at.parents)
    gain(node_of(parent), who, true, out);
  for (const auto& child : at.children)
    if (follows_its_parents(child.kind))
      gain(node_of(child), who, false, out);
}

void routing::select(node& at, std::vector<delivery>& out) {
  for (auto who : everything_)
    gain(at, who, true, out);
  static const std::map<std::string, std::string> no_labels;
  const auto& labels = at.latest && at.latest->state ? at.latest->state->labels : no_labels;
  for (std::string_view name : {std::string_view{at.id.name}, std::string_view{"*"}}) {
    auto found = index_.find(index_key(at.id.kind, at.id.namespace_name, name));
    if (found == index_.end())
      continue;
    for (const auto& candidate : found->second)
      if (!contains(at.upward, candidate.who) &&
          trace::selects(candidate.source, at.id, labels, candidate.trace_namespace))
        gain(at, candidate.who, true, out);
  }
}

void routing::link(node& at, const object_state& state, std::vector<delivery>& out) {
  for (auto& parent : parents_of(at.id, state)) {
    if (std::find(at.parents.begin(), at.parents.end(), parent) != at.parents.end())
      continue;
    // Links only grow: what an object once came from may still have a change under way.
    at.parents.push_back(parent);
    auto& above = node_of(parent);
    above.children.push_back(at.id);
    for (auto who : std::vector<subscriber>{at.upward})
      gain(above, who, true, out);
    if (follows_its_parents(at.id.kind))
      for (auto who : std::vector<subscriber>{above.upward})
        gain(at, who, false, out);
  }
}

void routing::route(const observation_ptr& fact, std::vector<delivery>& out) {
  auto& at = node_of(fact->object);
  auto first = at.recent.empty() && !at.latest;
  auto labels_changed = fact->state && (!at.latest || at.latest->state->labels != fact->state->labels);
  for (auto who : at.upward)
    out.emplace_back(who, fact);
  for (auto who : at.downward)
    if (!contains(at.upward, who))
      out.emplace_back(who, fact);
  remember(at, fact);
  // Whoever becomes interested now is told what is retained, this fact included.
  if (first || labels_changed)
    select(at, out);
  if (fact->state)
    link(at, *fact->state, out);
}

std::pair<routing::subscriber, observation_batch> routing::subscribe(const trace_resource& resource) {
  auto who = next_++;
  if (resource.event_sources.empty())
    everything_.push_back(who);
  for (const auto& source : resource.event_sources) {
    const auto& namespace_name =
        source.namespace_name.empty() ? resource.namespace_name : source.namespace_name;
    index_[index_key(source.kind, namespace_name, source.name)].push_back(
        {who, source, resource.namespace_name});
  }
  std::vector<delivery> ignored;
  std::vector<object_id> ids;
  ids.reserve(nodes_.size());
  for (const auto& [id, at] : nodes_)
    ids.push_back(id);
  for (const auto& id : ids)
    select(nodes_.at(id), ignored);
  return {who, retained_for(who)};
}

void routing::unsubscribe(subscriber who) {
  std::erase(everything_, who);
  for (auto& [key, entries] : index_)
    std::erase_if(entries, [&](const entry& item) { return item.who == who; });
  std::erase_if(index_, [](const auto& item) { return item.second.empty(); });
  for (auto& [id, at] : nodes_) {
    std::erase(at.upward, who);
    std::erase(at.downward, who);
  }
}

observation_batch routing::retained_for(subscriber who) const {
  std::vector<delivery> found;
  for (const auto& [id, at] : nodes_)
    if (contains(at.upward, who) || contains(at.downward, who))
      add_retained(at, who, found);
  std::sort(found.begin(), found.end(), [](const delivery& left, const delivery& right) {
    return left.second->received_at < right.second->received_at;
  });
  observation_batch out;
  out.reserve(found.size());
  for (auto& item : found)
    out.push_back(std::move(item.second));
  return out;
}

} // namespace tc::actors
