#pragma once

// What an analysis knows of each object: a map by object that is built once and asked often, in the order of
// the objects where it is gone through. Keys are referred to and not copied, so whoever adds one keeps it.
// Internal to trace/.

#include "messages/ids.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

namespace tc::trace {

template <class Value>
class object_map {
public:
  struct value_type {
    const object_id& first;
    Value second;
  };
  using iterator = typename std::vector<value_type>::iterator;
  using const_iterator = typename std::vector<value_type>::const_iterator;

  /// Returns the value of that object, made where there was none. What find() returned before may be gone
  /// then, unless there is room (reserve()) and objects come in their order.
  Value& operator[](const object_id& object) {
    auto& slot = slot_of(object);
    if (slot != empty)
      return entries_[slot].second;
    sorted_ = sorted_ && (entries_.empty() || entries_.back().first < object);
    slot = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back({object, Value{}});
    if (entries_.size() * 2 > slots_.size())
      spread(slots_.size() * 2);
    return entries_.back().second;
  }

  iterator find(const object_id& object) {
    auto at = place_of(object);
    return at == empty ? entries_.end() : entries_.begin() + at;
  }
  const_iterator find(const object_id& object) const {
    auto at = place_of(object);
    return at == empty ? entries_.end() : entries_.begin() + at;
  }
  bool contains(const object_id& object) const { return place_of(object) != empty; }
  Value& at(const object_id& object) { return const_cast<Value&>(std::as_const(*this).at(object)); }
  const Value& at(const object_id& object) const {
    auto at = place_of(object);
    if (at == empty)
      throw std::out_of_range{"no such object"};
    return entries_[at].second;
  }

  /// Puts the objects in their order; to be called before they are gone through, when one was added out of
  /// it.
  void sort() {
    if (sorted_)
      return;
    std::vector<std::uint32_t> order(entries_.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](std::uint32_t left, std::uint32_t right) {
      return entries_[left].first < entries_[right].first;
    });
    std::vector<value_type> ordered;
    ordered.reserve(entries_.size());
    for (auto each : order)
      ordered.push_back({entries_[each].first, std::move(entries_[each].second)});
    entries_.swap(ordered);
    sorted_ = true;
    spread(slots_.size());
  }

  void reserve(std::size_t count) {
    entries_.reserve(count);
    auto wanted = slots_.size();
    while (wanted < count * 2)
      wanted *= 2;
    if (wanted != slots_.size())
      spread(wanted);
  }
  std::size_t size() const { return entries_.size(); }

  iterator begin() { return entries_.begin(); }
  iterator end() { return entries_.end(); }
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }
  /// Returns the first that is not before it.
  const_iterator lower_bound(const object_id& object) const {
    return std::partition_point(entries_.begin(), entries_.end(),
                                [&](const value_type& each) { return each.first < object; });
  }

private:
  static constexpr std::uint32_t empty = UINT32_MAX;

  static std::size_t hash_of(const object_id& object) { return std::hash<object_id>{}(object); }

  static bool same(const object_id& left, const object_id& right) {
    return left.name == right.name && left.namespace_name == right.namespace_name &&
           left.kind == right.kind && left.group == right.group;
  }

  std::uint32_t place_of(const object_id& object) const {
    for (auto at = hash_of(object);; ++at) {
      auto slot = slots_[at & (slots_.size() - 1)];
      if (slot == empty || same(entries_[slot].first, object))
        return slot;
    }
  }

  std::uint32_t& slot_of(const object_id& object) {
    for (auto at = hash_of(object);; ++at) {
      auto& slot = slots_[at & (slots_.size() - 1)];
      if (slot == empty || same(entries_[slot].first, object))
        return slot;
    }
  }

  void spread(std::size_t count) {
    slots_.assign(count, empty);
    for (std::uint32_t index = 0; index < entries_.size(); ++index) {
      auto at = hash_of(entries_[index].first);
      while (slots_[at & (count - 1)] != empty)
        ++at;
      slots_[at & (count - 1)] = index;
    }
  }

  std::vector<value_type> entries_;
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(16, empty); ///< a power of two of them
  bool sorted_ = true;
};

} // namespace tc::trace
