#pragma once

// Writes dead letters on a thread of its own: whoever has one hands it over and goes on. The queue is bounded
// and a disk that is full or slow costs letters, counted and logged, and nothing else.

#include "export/dead_letters.hpp"
#include "runtime/logging.hpp"
#include "runtime/metrics.hpp"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace tc::runtime {

class dead_letter_writer {
public:
  /// Letters that wait, at most.
  static constexpr std::size_t most_letters = 256;
  static constexpr std::size_t most_bytes = std::size_t{32} << 20;

  dead_letter_writer(const std::filesystem::path& folder, exporting::dead_letter_limits limits, logger log,
                     std::shared_ptr<const metrics> counters);
  /// Writes what waits, and ends.
  ~dead_letter_writer();
  dead_letter_writer(const dead_letter_writer&) = delete;
  dead_letter_writer& operator=(const dead_letter_writer&) = delete;

  /// Thread-safe; never waits for the disk.
  void post(exporting::dead_letter letter);

private:
  void write_all();
  void write(const exporting::dead_letter& letter);

  exporting::dead_letter_folder folder_;
  std::string path_;
  logger log_;
  std::shared_ptr<const metrics> counters_;
  std::string last_error_; ///< on the thread
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<exporting::dead_letter> waiting_;
  std::size_t waiting_bytes_ = 0;
  bool ending_ = false;
  std::thread thread_; ///< last: it uses the rest
};

} // namespace tc::runtime
