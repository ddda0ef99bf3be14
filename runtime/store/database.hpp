#pragma once

// One file of the data directory: observations, traces that wait, what was sent, how far each Trace is. What
// it holds is checked when it is opened, row by row; what it cannot vouch for it does not give out. One
// thread at a time; every call may wait for the disk.

#include "runtime/store/contents.hpp"
#include "runtime/store/observation_rows.hpp"
#include "runtime/store/sqlite.hpp"

#include <deque>
#include <functional>
#include <set>
#include <unordered_set>

namespace tc::store {

/// When what was written is made to survive a loss of power.
enum class sync_policy : std::uint8_t {
  full,     ///< with every commit
  interval, ///< every second
  off,      ///< when the operating system does
};

struct database_options {
  sync_policy sync = sync_policy::full;
  std::uint64_t limit_bytes = std::uint64_t{1}
                              << 30; ///< of the file; SQLite's log of what is new may add some
  std::size_t keep_newest = 4096;    ///< observations that stay whatever the horizon is
  std::size_t sent_limit = std::size_t{1}
                           << 20; ///< spans remembered of each Provider, as by actors/sent_spans
};

struct database_books {
  std::uint64_t bytes = 0; ///< of the file and what SQLite keeps beside it
  std::uint64_t observations = 0;
  std::uint64_t traces = 0;
  std::uint64_t sent_spans = 0;
  std::uint64_t pruned = 0; ///< observations that were no longer needed
  std::uint64_t evicted =
      0; ///< observations that were let go for room, although an open change may need them
};

class database {
public:
  /// The version of the schema that this program writes.
  static constexpr std::int64_t schema_version = 2;

  /// Opens the file, made when it is not there, brings it to the present schema and reads all that is in it
  /// into `out`; waiting traces go to `take` instead, and observations to `take_fact`, where one is given.
  static result<std::unique_ptr<database>> open(const std::string& path, const database_options& options,
                                                contents& out, const trace_taker& take = {},
                                                const observation_taker& take_fact = {});

  /// Reads what can be read of a damaged file: waiting traces, as open() does, and what was sent. Leaves the
  /// file as it is.
  static contents salvage(const std::string& path, const trace_taker& take = {});

  /// All of it or nothing.
  result<void> write(const changes& what);
  /// The part of it that makes room: acknowledged traces and deleted Traces go.
  result<void> write_removals(const changes& what);

  result<completed_trace_ptr> read_trace(const trace_key& key);
  /// Reads the next observations after a row, `most` of them or up to the row `upto`.
  result<observation_page> read_observations(std::int64_t after, std::int64_t upto, std::size_t most);

  /// Lets go of the observations that arrived before the horizon and are not needed, and gives room back to
  /// the disk.
  result<void> prune(timestamp horizon);

  /// Makes all that was committed survive a loss of power. For sync_policy::interval.
  result<void> sync();

  database_books books() const;
  /// Returns whether the file at the path is still the one that is open: somebody may have removed it.
  bool is_in_place() const;

private:
  database() = default;

  result<void> prepare();
  result<void> migrate();
  result<void> load(contents& out, const trace_taker& take, const observation_taker& take_fact);
  result<void> begin_cluster(const std::string& name);
  result<void> insert(const changes& what);
  result<void> write_observations(const changes& what);
  result<void> remove(const changes& what);
  result<void> remove(const trace_key& key);
  result<void> add_sent(const std::string& provider, const std::vector<std::uint64_t>& keys);
  result<void> mark_first(std::int64_t row);
  template <class Work>
  result<void> transaction(Work work);

  struct sent_rows {
    std::deque<std::pair<std::int64_t, std::size_t>> rows; ///< row, and how many are in it
    std::size_t spans = 0;
  };
  /// The indexes of what is in the tables; changed together with them.
  struct index {
    observation_rows observations;
    std::map<std::string, std::string> positions;
    std::map<trace_key, std::size_t> traces; ///< bytes
    std::map<std::string, sent_rows> sent;
    bool after_gap = false;
    std::unordered_set<object_id> seen_after_gap;
  };

  /// An observation whose row counts once it is committed.
  struct added_row {
    std::int64_t row = 0;
    const observation* fact = nullptr;
    std::size_t bytes = 0;
  };

  std::string path_;
  database_options options_;
  std::vector<added_row> added_;            ///< within a transaction
  std::vector<std::function<void()>> undo_; ///< of what it has changed in the index
  connection connection_;
  index index_;
  std::uint64_t inode_ = 0;
  std::uint64_t pruned_ = 0;
  std::uint64_t evicted_ = 0;
  struct {
    statement add_observation, drop_observation, read_observation, read_observations, change_observation;
    statement set_position, drop_positions;
    statement add_trace, drop_trace, read_trace;
    statement add_sent, drop_sent;
    statement set_progress, drop_progress;
    statement add_cluster;
  } sql_;
};

} // namespace tc::store
