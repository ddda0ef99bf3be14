#pragma once

// What stands between the program and its data directory: takes what is to be kept without ever waiting for
// the disk, writes it in groups on a thread of its own, and goes on in memory while that fails. When writing
// works again it writes what is needed still.

#include "runtime/store/commit_window.hpp"
#include "runtime/store/contents.hpp"
#include "runtime/store/database.hpp"
#include "runtime/store/directory.hpp"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace tc::store {

struct journal_options {
  std::string path; ///< of the folder
  database_options database;
  duration commit_wait = std::chrono::milliseconds{50}; ///< how long the first of a group waits for others
  std::size_t commit_observations = 1024;               ///< that many do not wait
  std::size_t most_waiting = 65'536; ///< observations while writing fails; then the oldest go
  duration first_retry = std::chrono::milliseconds{100};
  duration longest_retry = std::chrono::seconds{5};
  duration margin =
      std::chrono::minutes{10}; ///< observations stay that much longer than an open change asks for
};

struct journal_outside {
  std::function<timestamp()> clock; ///< wall clock
  /// Told of a problem when there is one, and of "" when it is over; on the journal's thread.
  std::function<void(const std::string& problem)> state;
  /// Told of each trace that was found at opening, and lets go of it; it stays in the file. One may come
  /// twice, when the file turns out to be damaged. Without it they are in the contents, and in memory.
  std::function<void(const waiting_trace&)> found_trace = {};
  /// Told of each observation that was found at opening, likewise; and of none (null) where the file turns
  /// out to be damaged: those before do not count.
  observation_taker found_observation = {};
  /// A damaged file was set aside: its new path, "" when it could only be given up. Also while opening.
  std::function<void(const std::string& aside, const std::string& problem)> damaged;
};

struct journal_books {
  database_books stored;
  std::uint64_t observations_waiting = 0; ///< to be written
  std::uint64_t traces_waiting = 0;
  std::uint64_t commits = 0;
  std::uint64_t failed_writes = 0;
  std::uint64_t observations_lost =
      0; ///< never written: writing failed for too long, or the file was damaged
  std::uint64_t files_set_aside = 0;
  std::string problem; ///< "" when all is well
};

/// Whether a waiting trace may leave memory.
enum class keeping : std::uint8_t {
  kept,    ///< it is in the file
  not_yet, ///< it is about to be
  failing, ///< the file cannot be written
};

class journal {
public:
  /// Opens the folder and starts the thread. The error names the flag, the path and a remedy. A damaged file
  /// is no error.
  static tl::expected<std::unique_ptr<journal>, std::string> open(journal_options options,
                                                                  journal_outside outside);
  /// Writes what is left, once, and ends the thread.
  ~journal();
  journal(const journal&) = delete;
  journal& operator=(const journal&) = delete;

  /// Returns what was there at opening. Once.
  contents take_contents() { return std::move(found_); }

  // -- from any thread, never waiting for the disk ---

  /// The observations from now on are of that cluster; those of another are forgotten. To be called first.
  void begin_cluster(const std::string& name);
  void add(const std::vector<observation_ptr>& facts);
  /// All that exists of a kind up to that resource version has been added, whatever its order.
  void note_position(const std::string& kind, const std::string& version);
  void put(waiting_trace trace);
  /// Lets go of a waiting trace where the file has it: from then on it is only there.
  keeping let_go(const trace_key& key);
  void acknowledged(const trace_key& key);
  void note_sent(const std::string& provider, const std::vector<std::uint64_t>& keys);
  /// `open_since`: no open change of that Trace began before; what is older is needed by none.
  void note_progress(const std::string& trace_uid, const trace_progress& progress, timestamp open_since);
  void forget_trace(const std::string& trace_uid);
  /// Reads a waiting trace back; the answer comes on the journal's thread, when there is a file to read.
  void read(const trace_key& key, std::function<void(result<completed_trace_ptr>)> then);
  /// Reads the next observations, as database::read_observations; the answer comes likewise.
  void read_observations(std::int64_t after, std::int64_t upto, std::size_t most,
                         std::function<void(result<observation_page>)> then);

  journal_books books() const;

  /// Has all that was given before written at once. Calls `then` on the journal's thread when it has been or
  /// has failed to be; never once the journal ends.
  void when_written(std::function<void()> then);

  /// Waits until all that was given before has been written or has failed to be. For tests and the end.
  void flush();

private:
  journal(journal_options options, journal_outside outside, directory folder);

  tl::expected<void, std::string> begin();
  void run();
  void count_given(std::uint64_t more = 1);
  void note_tried(std::uint64_t upto, bool done);
  result<void> write(changes& what);
  result<void> open_again(changes& what);
  void give_up_file(const std::string& why);
  void leave_file();
  void take_found(waiting_trace found);
  void rescue();
  void note_written(const changes& group);
  void answer_reads();
  void put_back(changes failed);
  void bound_waiting();
  void note_state(const std::string& problem);
  void look_after(std::chrono::steady_clock::time_point now);
  timestamp horizon() const;

  journal_options options_;
  journal_outside outside_;
  directory folder_;
  contents found_;

  // On the journal's thread.
  std::unique_ptr<database> database_; ///< null while it cannot be opened
  std::unique_ptr<database> former_;   ///< somebody removed its file: what is only there is read from it
  std::string aside_;                  ///< a damaged file, likewise
  std::chrono::steady_clock::time_point next_prune_;
  std::chrono::steady_clock::time_point next_sync_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  changes waiting_;
  std::deque<std::function<void(database*)>> reads_; ///< given null: there will be no file any more
  // All that a new file would need, but for the observations.
  struct known_trace {
    waiting_trace what; ///< its trace is null when only the file has it
    bool written = false;
  };
  std::map<trace_key, known_trace> traces_;
  std::map<std::string, std::deque<std::uint64_t>> sent_;
  std::map<std::string, trace_progress> progress_;
  std::map<std::string, timestamp> open_since_; ///< by UID of the Trace
  std::string cluster_;
  timestamp newest_; ///< observation
  journal_books books_;
  commit_window window_;
  std::uint64_t given_ = 0;
  std::uint64_t tried_ = 0; ///< how many of those given were written, or failed to be
  std::deque<std::pair<std::uint64_t, std::function<void()>>> told_when_tried_; ///< by how many
  bool ending_ = false;
  bool hurry_ = false;

  std::thread thread_;
};

} // namespace tc::store
