#pragma once

// The actor that writes the status of Trace resources. It keeps only the latest status of each, writes one at
// a time per resource and at most one a second, and tries again when a write fails. What the status looks
// like as JSON and how it gets to the API server comes from outside.

#include "messages/actors.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace tc::actors {

/// Writes a status; calls back with "" or the error, from any thread, exactly once.
using status_writer = std::function<void(const trace_status&, std::function<void(std::string error)> done)>;

struct reporter_memory {
  struct entry {
    trace_status_ptr latest;
    trace_status_ptr written;
    bool under_way = false;
    trace_status_ptr writing;
    timestamp not_before;
    unsigned failures = 0;
  };
  std::map<std::string, entry> entries; ///< by "namespace/name"
};

struct reporter_state {
  static inline const char* name = "reporter";
  static constexpr duration spacing = std::chrono::seconds{1};
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
