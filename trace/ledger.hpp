#pragma once

// A set of observations, as assembly reads it: per object its states in the order of resource versions, and
// the messages about it. The order in which they were added has left no mark. Nothing is concluded here.

#include "messages/observation.hpp"

#include <cstddef>
#include <map>
#include <unordered_map>
#include <vector>

namespace tc::trace {

/// All that is known of one object, whatever its UIDs.
struct object_timeline {
  std::vector<observation_ptr> states;                  ///< states and deletions, by resource version
  std::map<std::string, observation_ptr> messages;      ///< Events and posts, by identity
  std::map<std::string, observation_ptr> notifications; ///< by identity
};

/// A deletion that only a list implies comes with little but its name. Returns it with what was known of the
/// object before, else the deletion as it is.
observation_ptr with_last_state(const observation_ptr& deletion, const observation* before);

class ledger {
public:
  /// Adds a fact. Returns false when it was known already; the earlier of two arrivals of a fact is kept, so
  /// that a redelivery or a re-list never makes timing worse.
  bool add(observation_ptr fact);

  /// Returns how many different facts there are.
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  const std::map<object_id, object_timeline>& objects() const { return objects_; }
  /// Returns nullptr for an object nothing is known of.
  const object_timeline* find(const object_id& object) const;

  /// Returns every fact, in a fixed order.
  std::vector<observation_ptr> all() const;

private:
  std::map<object_id, object_timeline> objects_;
  std::size_t size_ = 0;
};

} // namespace tc::trace
