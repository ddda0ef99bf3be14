#pragma once

// Which rows of the log of observations are needed still: an index in memory, without any file. What is
// needed is what an estate (trace/estate.hpp) would remember: the newest facts, all since the horizon, the
// latest state of each object, and of a source where its recent contents began.

#include "messages/observation.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tc::store {

class observation_rows {
public:
  /// Contents of a source whose first state is kept.
  static constexpr std::size_t contents_kept_of_a_source = 32;

  observation_rows() = default;
  observation_rows(observation_rows&&) = default;
  observation_rows& operator=(observation_rows&&) = default;
  observation_rows(const observation_rows&) = delete; // what is in it points at what is in it
  observation_rows& operator=(const observation_rows&) = delete;
  ~observation_rows() = default;

  /// Adds the row of that number, which is higher than any before it.
  void add(std::int64_t row, const observation& fact, std::size_t bytes);

  struct pruning {
    std::vector<std::int64_t> gone;
    /// Of an object whose earlier states are gone, the first one left: it is no creation.
    std::vector<std::int64_t> first_left;
  };
  /// Returns what can go: what arrived before the horizon, is none of the newest `keep_newest` and is not
  /// needed; and the oldest of what is beyond `most_bytes`, whenever it arrived.
  pruning prune(timestamp horizon, std::size_t keep_newest, std::size_t most_bytes) const;
  /// Forgets the rows that went.
  void apply(const pruning& done);

  std::size_t size() const { return rows_.size() - gone_; }
  std::size_t bytes() const { return bytes_; }

private:
  struct object_entry {
    std::vector<std::pair<std::uint64_t, std::int64_t>> states; ///< row by version
    std::set<std::uint64_t> contents;                           ///< versions in which a content began
    std::string revision;                                       ///< of the latest state
    bool deleted = false;                                       ///< by the latest state
    std::uint64_t marked = 0;                                   ///< the version told as the first one left
  };
  using known_object = std::unordered_map<object_id, object_entry>::value_type;
  /// There are some hundred thousand, and they stay in memory: small, and without blocks of their own.
  struct row_entry {
    std::int64_t number = 0;
    known_object* object = nullptr; ///< null for a message, and once all states of the object are gone
    std::uint64_t version = 0;      ///< of a state; 0 for a message
    timestamp received_at;
    std::uint32_t bytes = 0;
    bool gone = false;
  };

  static bool is_needed(const row_entry& row);
  row_entry* find(std::int64_t number);

  std::deque<row_entry> rows_; ///< by number
  std::size_t gone_ = 0;       ///< of them
  std::unordered_map<object_id, object_entry> objects_;
  std::size_t bytes_ = 0;
};

} // namespace tc::store
