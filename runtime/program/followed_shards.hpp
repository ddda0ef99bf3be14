#pragma once

// The Traces of a cluster by the shards they are of: those that are known, and those whose last status is
// waited for while their shard is handed over. For one thread.

#include "messages/actors.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tc::runtime {

class followed_shards {
public:
  explicit followed_shards(std::size_t count) : traces_(count), draining_(count) {}

  std::size_t shard_of(const std::string& trace_uid) const;

  /// Takes note of a Trace as a watch or a list shows it. Returns its shard.
  std::size_t seen(const trace_resource& trace);
  /// The Trace was deleted. Returns its shard when it was the last that a handover waited for.
  std::optional<std::size_t> gone(const std::string& trace_uid);

  /// The Traces of a shard, as they were seen last, by UID.
  const std::map<std::string, trace_resource>& of(std::size_t shard) const { return traces_[shard]; }

  /// A shard is handed over. Returns the UIDs of the Traces whose last status is waited for: a Trace that is
  /// suspended, refused or stalled has none.
  std::set<std::string> drain(std::size_t shard);
  /// A status of that Trace is written. Returns its shard when it was the last status of the last Trace that
  /// is waited for.
  std::optional<std::size_t> written(const trace_status& status);

private:
  std::optional<std::size_t> drained(const std::string& trace_uid);

  std::vector<std::map<std::string, trace_resource>> traces_; ///< by shard, by UID
  std::vector<std::set<std::string>> draining_;               ///< by shard: UIDs
  std::set<std::string> stalled_;                             ///< UIDs
};

} // namespace tc::runtime
