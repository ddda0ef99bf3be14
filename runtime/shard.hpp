#pragma once

// One of several processes that share the Traces of a cluster among them: which Traces are its own.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tc::runtime {

struct shard {
  static constexpr std::size_t most = 256;

  std::size_t index = 0; ///< below `count`
  std::size_t count = 1;
  bool automatic = false; ///< which of them is found out while running, by Leases; `index` says nothing then

  bool operator==(const shard&) const = default;
  bool is_whole() const { return count == 1 && !automatic; }
  /// Returns of which of `count` shards the Trace of that UID is.
  static std::size_t of(std::string_view trace_uid, std::size_t count);
  /// Whether the Trace of that UID is one of its own. Each is of exactly one of the `count` shards; by
  /// rendezvous hashing, so that of n + 1 shards the last has taken its share from the others, and no other
  /// Trace has moved.
  bool owns(std::string_view trace_uid) const;
  /// Returns "i/n", or "auto/n".
  std::string to_string() const;
  /// Returns nothing unless the text is "i/n" with i below n, or "auto/n".
  static std::optional<shard> parse(std::string_view text);
};

} // namespace tc::runtime
