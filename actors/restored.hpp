#pragma once

// What an earlier process knew, for the actors that go on from it. Each takes what is its own out of it.

#include "actors/change_table.hpp"
#include "messages/actors.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tc::actors {

/// A trace that was handed out and of which no exporter had reported. Its spans stay in the data directory
/// until an exporter has room for them.
struct restored_submission {
  std::uint64_t number = 0;
  std::string key; ///< of the change
  bool whole = false;
  completed_trace_ptr header; ///< without spans
  trace_summary summary;
};

/// Of one Trace resource.
struct restored_trace {
  timestamp settled_before;
  timestamp settled_until; ///< what was quiet before has its fate, or is among the submissions
  bool has_progress = false;
  std::vector<restored_submission> submissions;
};

struct restored_state {
  std::map<std::string, restored_trace> traces; ///< by UID; for the watcher
  std::map<std::string, std::vector<std::uint64_t>>
      sent; ///< by Provider, keys of sent_spans; for the controller
};

} // namespace tc::actors
