#include "trace/reach.hpp"

#include "messages/kinds.hpp"
#include "trace/revision.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

/// Stands for a content: no object has neither kind nor namespace.
object_id content_id(const std::string& key) {
  return {"", "", "", key};
}

bool is_content(const object_id& id) {
  return id.kind.empty();
}

} // namespace

reach::number reach::number_of(const object_id& object) {
  auto [found, added] = numbers_.try_emplace(object, static_cast<number>(nodes_.size()));
  if (added) {
    nodes_.emplace_back();
    nodes_.back().id = object;
  }
  return found->second;
}

const reach::node* reach::find(const object_id& object) const {
  auto found = numbers_.find(object);
  return found == numbers_.end() ? nullptr : &nodes_[found->second];
}

reach::number reach::content_number(const std::string& key) {
  return number_of(content_id(key));
}

void reach::add_up(number child, number parent, bool takes) {
  nodes_[child].up.push_back({parent, takes});
  for (auto change : std::vector{nodes_[child].changes})
    look_at(change, parent);
}

void reach::link(const object_id& child_id, const object_id& parent_id, bool takes) {
  auto child = number_of(child_id);
  auto parent = number_of(parent_id);
  if (child == parent)
    return;
  auto& up = nodes_[child].up;
  auto known = std::find_if(up.begin(), up.end(), [&](const edge& each) { return each.to == parent; });
  if (known == up.end())
    add_up(child, parent, takes);
  else if (takes > known->takes)
    known->takes = true;
  else
    return;
  if (!takes)
    return;
  nodes_[parent].down.push_back(child);
  for (auto change : std::vector{nodes_[parent].changes})
    if (open_.at(change).members.at(parent))
      take(change, child);
}

reach::number reach::add_content(const object_id& source_id, const std::string& key) {
  auto source = number_of(source_id);
  auto holder = content_number(key);
  const auto& at = nodes_[holder].up;
  if (std::any_of(at.begin(), at.end(), [&](const edge& each) { return each.to == source; }))
    return source;
  add_up(source, holder, false);
  if (auto open = slots_at_.find(holder); open != slots_at_.end())
    for (auto change : std::vector{open->second})
      take(change, source);
  add_up(holder, source, false);
  return source;
}

void reach::content(const object_id& source, const std::string& key) {
  auto at = add_content(source, key);
  nodes_[at].seen_content = true;
}

void reach::take(number change, number object) {
  auto& members = open_.at(change).members;
  auto [found, added] = members.try_emplace(object, true);
  if (!added && found->second)
    return;
  found->second = true;
  if (!is_content(nodes_[object].id))
    grown_.emplace_back(change, object);
  if (added)
    nodes_[object].changes.push_back(change);
  for (std::size_t i = 0; i < nodes_[object].up.size(); ++i)
    look_at(change, nodes_[object].up[i].to);
  for (std::size_t i = 0; i < nodes_[object].down.size(); ++i)
    take(change, nodes_[object].down[i]);
}

void reach::look_at(number change, number object) {
  auto& members = open_.at(change).members;
  if (!members.try_emplace(object, false).second)
    return;
  if (!is_content(nodes_[object].id))
    grown_.emplace_back(change, object);
  nodes_[object].changes.push_back(change);
  for (std::size_t i = 0; i < nodes_[object].up.size(); ++i)
    look_at(change, nodes_[object].up[i].to);
}

/// What took the change shows where it comes from even where no source is known to have had it.
void reach::spread_from(number change, const object_id& anchor) {
  auto object = number_of(anchor);
  take(change, object);
  for (std::size_t i = 0; i < nodes_[object].up.size(); ++i) {
    auto above = nodes_[object].up[i].to;
    if (is_source_kind(nodes_[above].id.kind) && !nodes_[above].seen_content)
      take(change, above);
  }
}

void reach::open(const std::string& change, const object_id& object) {
  auto [found, added] = slots_.try_emplace(change, next_slot_);
  auto slot_number = found->second;
  auto& opened = open_[slot_number];
  if (added) {
    ++next_slot_;
    opened.change = change;
    auto holder = content_number(std::string{base_key(change)});
    slots_at_[holder].push_back(slot_number);
    look_at(slot_number, holder);
    for (std::size_t i = 0; i < nodes_[holder].up.size(); ++i)
      take(slot_number, nodes_[holder].up[i].to);
  }
  auto& anchors = opened.anchors;
  if (std::find(anchors.begin(), anchors.end(), object) != anchors.end())
    return;
  anchors.push_back(object);
  spread_from(slot_number, object);
  // Whoever opened it asks for all of it at once.
  if (added)
    std::erase_if(grown_, [&](const auto& each) { return each.first == slot_number; });
}

void reach::close(const std::string& change) {
  auto found = slots_.find(change);
  if (found == slots_.end())
    return;
  auto slot_number = found->second;
  for (const auto& [member, takes] : open_.at(slot_number).members)
    std::erase(nodes_[member].changes, slot_number);
  if (const auto* holder = find(content_id(std::string{base_key(change)}))) {
    auto& at = slots_at_[numbers_.at(holder->id)];
    std::erase(at, slot_number);
    if (at.empty())
      slots_at_.erase(numbers_.at(holder->id));
  }
  std::erase_if(grown_, [&](const auto& each) { return each.first == slot_number; });
  open_.erase(slot_number);
  slots_.erase(found);
}

std::vector<std::string> reach::changes_of(const object_id& object) const {
  std::vector<std::string> out;
  if (const auto* at = find(object))
    for (auto change : at->changes)
      out.push_back(open_.at(change).change);
  return out;
}

std::vector<std::pair<object_id, bool>> reach::members(const std::string& change) const {
  std::vector<std::pair<object_id, bool>> out;
  if (auto found = slots_.find(change); found != slots_.end())
    for (const auto& [member, takes] : open_.at(found->second).members)
      if (!is_content(nodes_[member].id))
        out.emplace_back(nodes_[member].id, takes);
  return out;
}

std::vector<std::pair<std::string, object_id>> reach::take_grown() {
  std::vector<std::pair<std::string, object_id>> out;
  for (const auto& [change, object] : grown_)
    out.emplace_back(open_.at(change).change, nodes_[object].id);
  grown_.clear();
  return out;
}

void reach::clear_links() {
  auto before = std::move(open_);
  *this = reach{};
  for (const auto& [at, opened] : before)
    for (const auto& anchor : opened.anchors)
      open(opened.change, anchor);
}

} // namespace tc::trace
