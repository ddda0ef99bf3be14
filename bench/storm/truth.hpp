#pragma once

// What a storm's traces have to say, in the form of the recordings' truth.json (shared/recordings/README.md).

#include "bench/storm/cluster.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tc::storm {

class truth {
public:
  /// Names a change; commits of one source have ascending numbers.
  using change_id = std::size_t;
  /// What was there before watching began: nothing is expected of it.
  static constexpr change_id history = static_cast<change_id>(-1);

  change_id change(const object_key& source, const std::string& revision, const std::string& key,
                   timestamp artifact_at);

  /// An object is expected to take every change of its source from now on.
  void expect(const object_key& object, const object_key& source);

  void waited(change_id change, const object_key& object, const object_key& source);
  /// An attempt came to an end. `outcome` as truth.json has it; `changed`: it applied something.
  void attempted(change_id change, const object_key& object, const object_key& source,
                 const std::string& outcome, bool changed);
  /// The parent that applied `object`, drawn where it has a run in the same change.
  void applied_by(const object_key& object, const object_key& parent) { appliers_[object] = parent; }
  /// An apply of that change asked for a release that never came to be attempted.
  void passed_over(change_id change);
  void rolled_out(change_id change, const object_key& workload, const object_key& parent);

  /// Call when all is quiet.
  json to_json() const;
  std::size_t runs() const;

private:
  struct object_run {
    object_key source;
    std::vector<std::string> outcomes;
    std::vector<int> attempts; ///< parallel to the outcomes
    bool changed = false;
    int waits = 0;
  };
  struct one_change {
    object_key root;
    std::string revision, key;
    timestamp artifact_at;
    bool superseded = false;
    std::map<object_key, object_run> runs;
    std::vector<std::pair<object_key, object_key>> workloads;
    std::set<object_key> expected;
  };

  std::string status_of(const one_change& change) const;

  std::vector<one_change> changes_;
  std::map<object_key, object_key> appliers_;
  std::map<object_key, std::set<object_key>> takers_; ///< by source
};

} // namespace tc::storm
