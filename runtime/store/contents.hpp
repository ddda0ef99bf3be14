#pragma once

// What a data directory holds, as values: all of it when it is opened, and what is to be changed in it.

#include "messages/observation.hpp"
#include "messages/span.hpp"

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tc::store {

/// Names a completed trace that waits for its acknowledgement.
struct trace_key {
  std::string trace_uid;    ///< of the Trace resource
  std::uint64_t number = 0; ///< of the submission, for that Trace

  auto operator<=>(const trace_key&) const = default;
};

struct waiting_trace {
  trace_key key;
  std::string change_key; ///< of the change, as the Trace has it
  bool whole = false;     ///< of a settled change; otherwise what is finished of an open one
  completed_trace_ptr trace;
};

/// How far a Trace resource has come.
struct trace_progress {
  timestamp settled_before; ///< what was quiet by then was history for it
  timestamp settled_until;  ///< what was quiet before then has its fate, or is among the waiting traces

  bool operator==(const trace_progress&) const = default;
};

/// Takes a trace that was found; the next comes when it is done. So there is never more than one in memory.
using trace_taker = std::function<void(waiting_trace)>;
/// Takes an observation that was found, likewise.
using observation_taker = std::function<void(const observation_ptr&)>;

/// Some of the observations, in the order of their arrival.
struct observation_page {
  std::vector<observation_ptr> facts;
  std::int64_t last = 0; ///< row up to which they go
};

struct contents {
  std::string cluster; ///< which cluster the observations are of, and which part of it; "" when there is none
  /// In the order of their arrival; none when somebody takes them one by one.
  std::vector<observation_ptr> observations;
  std::int64_t last_observation = 0; ///< its row; 0 where there is none
  /// By "Kind.group": up to which resource version all is among the observations. A watch that goes on from
  /// there misses nothing.
  std::map<std::string, std::string> positions;
  /// In the order in which they were handed out; none when somebody takes them one by one.
  std::vector<waiting_trace> traces;
  /// By "namespace/name" of the Provider: what its backend has, or refused for good; oldest first.
  std::map<std::string, std::vector<std::uint64_t>> sent;
  std::map<std::string, trace_progress> progress; ///< by UID of the Trace
};

/// What one transaction writes.
struct changes {
  /// The observations from now on are of that cluster: those of another, and its positions, go.
  std::optional<std::string> cluster;
  /// Before these observations some could not be kept: a watch must not go on from a position.
  bool after_gap = false;
  std::vector<observation_ptr> observations;
  std::map<std::string, std::string> positions;
  std::map<trace_key, std::optional<waiting_trace>> traces; ///< nothing: it is acknowledged
  std::map<std::string, std::vector<std::uint64_t>> sent;
  std::map<std::string, std::optional<trace_progress>>
      progress; ///< nothing: the Trace is gone, with all of its

  bool empty() const {
    return !cluster && !after_gap && observations.empty() && positions.empty() && traces.empty() &&
           sent.empty() && progress.empty();
  }
};

} // namespace tc::store
