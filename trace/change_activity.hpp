#pragma once

// When a change was busy, as far as it has been attributed: ordered by time, so that asking about one of many
// objects that take a change does not mean to go through all the others. Internal to trace/.

#include "trace/facts.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace tc::trace {

class change_activity {
public:
  void add_content(const occurrence& content) { fetched_.insert(content.updated); }

  /// `index` is that of the attempt in `attempts`, here and below.
  void add_attempt(const std::vector<attempt>& attempts, std::size_t index) {
    const auto& each = attempts[index];
    if (!is_known(each.outcome_second) || (each.result == outcome::failed && each.retry_due))
      under_way_.push_back(index);
    else
      over_.insert({each.outcome_second, index});
  }

  /// Returns the second of the last thing that happened in the change until `until`, the object's own runs
  /// aside; nothing when all of its content is younger, or when another object is under way with it still.
  std::optional<timestamp> last_busy(const std::vector<attempt>& attempts, const object_id& object,
                                     timestamp until) const {
    auto younger = fetched_.upper_bound(until);
    if (younger == fetched_.begin() || !is_known(*std::prev(younger)))
      return {};
    auto result = *std::prev(younger);
    // Both loops end at the first run of another object.
    for (auto index : under_way_)
      if (attempts[index].object != object)
        return {};
    for (auto here = over_.upper_bound({until, no_index}); here != over_.begin();) {
      --here;
      if (attempts[here->second].object == object)
        continue;
      result = std::max(result, here->first);
      break;
    }
    return result;
  }

private:
  static constexpr auto no_index = static_cast<std::size_t>(-1); // after every index

  std::set<timestamp> fetched_;
  std::vector<std::size_t> under_way_;
  std::set<std::pair<timestamp, std::size_t>> over_;
};

} // namespace tc::trace
