#pragma once

// The actor that writes the status of Trace resources. It keeps only the latest status of each, writes one at
// a time per resource, news at most once a second and counts every ten, and tries again when a write fails.
// What the status looks like as JSON and how it gets to the API server comes from outside.

#include "messages/actors.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace tc::actors {

/// How much a status that has not been written differs from the one that has.
enum class status_change : std::uint8_t {
  none,   ///< a reader of the resource would see no difference
  counts, ///< only how many changes are where
  news,   ///< a condition, the generation, or the last exported trace
};

status_change compare(const trace_status& written, const trace_status& latest);

/// Writes a status; calls back with "" or the error, from any thread, exactly once.
using status_writer = std::function<void(const trace_status&, std::function<void(std::string error)> done)>;

struct reporter_memory {
  struct entry {
    trace_status_ptr latest;
    trace_status_ptr written;
    bool under_way = false;
    trace_status_ptr writing;
    timestamp not_before;        ///< for anything
    timestamp counts_not_before; ///< for counts alone
    timestamp known_since;       ///< the first tick with it
    unsigned failures = 0;
  };
  std::map<std::string, entry> entries; ///< by "namespace/name"
  bool draining = false;
  // For the supervisor, which looks from its own thread.
  std::atomic<std::uint64_t> received{0};  ///< statuses
  std::atomic<std::uint64_t> unwritten{0}; ///< as of the latest tick, and what came after it
};

struct reporter_state {
  static inline const char* name = "reporter";
  static constexpr duration spacing = std::chrono::seconds{1};
  /// Counts move all the time: writing each would only load the API server.
  static constexpr duration counts_spacing = std::chrono::seconds{10};
  static constexpr duration longest_wait = std::chrono::minutes{1};

  explicit reporter_state(reporter_actor::pointer selfptr) : self(selfptr) {}

  reporter_actor::behavior_type make_behavior();

  reporter_actor::pointer self;
  std::shared_ptr<reporter_memory> memory;
  std::shared_ptr<const status_writer> write;
  timestamp now;
};

reporter_actor::behavior_type reporter(reporter_actor::stateful_pointer<reporter_state> self,
                                       std::shared_ptr<reporter_memory> memory,
                                       std::shared_ptr<const status_writer> write);

} // namespace tc::actors
