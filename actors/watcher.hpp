#pragma once

// The actor that fans observations out: every observation goes to the trace actors whose Trace is interested
// in its object, found by an index (routing.hpp). It starts, restarts and ends the trace actors.

#include "actors/restart_policy.hpp"
#include "actors/restored.hpp"
#include "actors/routing.hpp"
#include "actors/trace.hpp"
#include "messages/actors.hpp"
#include "messages/backlog.hpp"

#include <caf/actor_addr.hpp>

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

namespace tc::actors {

/// Values that hold for the whole process.
struct watcher_setup {
  std::string cluster_name;
  duration backfill = std::chrono::minutes{5};
  /// A Trace may only name a Provider of its own namespace in any case; with this, only objects of it too.
  bool no_cross_namespace_refs = false;
  std::size_t max_live_changes = 10'000; ///< per Trace
  /// No object's states come, as in a recording of Events alone. Never of a cluster: there they may come yet.
  bool messages_only = false;
  bool tells_delivered = false; ///< the status of a Trace tells what was delivered: another may take over
  /// Traces come from other processes while this one runs: it may be so long before one is followed again.
  /// Zero where none do.
  duration takeover_gap{0};
  std::size_t max_recent = 4096;   ///< observations remembered for Traces that become interested later
  trace::estate_limits remembered; ///< by each Trace
  /// Counts what is handed in and has not been worked off; null: nobody asks.
  std::shared_ptr<backlog> waiting;
  /// Asked for a tick when a change is due between two of them; null for none.
  std::shared_ptr<alarm> wakes;
  /// Bounds what waits in memory; null for nothing.
  std::shared_ptr<memory_ledger> ledger;
  /// What an earlier process knew; null for nothing. Its observations are sent before the first lists, and
  /// after the Traces.
  std::shared_ptr<restored_state> restored;
};

/// One Trace resource as the watcher knows it.
struct followed_trace {
  trace_resource_ptr spec;
  routing::subscriber subscriber = 0; ///< 0 while it has no actor to tell: suspended or invalid
  std::shared_ptr<trace_memory> memory;
  restart_policy restarts;
  bool waiting_for_restart = false;
  bool ending = false; ///< its actor was asked to end, for a new spec; its memory is handed on when it has
  timestamp since;     ///< when it was first followed
  delivered_spans_ptr elsewhere; ///< what another process last told of it; null for nothing
};

/// What a watcher knows, kept by its supervisor.
struct watcher_memory {
  watcher_memory(watcher_setup values, timestamp start)
      : setup(std::move(values)), began(start), routes(setup.max_recent) {}

  watcher_setup setup;
  timestamp began; ///< when watching began: less the backfill, what was quiet by then is history
  timestamp now;   ///< of the latest message
  routing routes;
  std::map<std::string, followed_trace> traces; ///< by UID
  std::uint64_t observations = 0;
  std::uint64_t unrouted = 0;
  std::uint64_t restarts = 0;
};

struct watcher_state {
  static inline const char* name = "watcher";

  explicit watcher_state(watcher_actor::pointer selfptr) : self(selfptr) {}

  watcher_actor::behavior_type make_behavior();
  void observe(const observation_batch& batch, timestamp at);
  void apply(const trace_resource_ptr& spec);
  void apply(const delivered_spans_ptr& told);
  void remove(const std::string& uid);
  void drain(const std::string& uid);
  /// Returns whether it was one of the trace actors.
  bool on_end_of(const caf::actor_addr& who, const caf::error& reason);
  /// Starts to follow a Trace as its spec says, going on from its memory if it has one.
  void begin(followed_trace& what);
  void start(followed_trace& what, observation_batch seed);
  void stop(const std::string& uid);
  void bind(const followed_trace& what);
  timestamp history_of(const followed_trace& what) const;
  void tick(timestamp at);
  void publish_problem(const trace_resource& spec, std::string reason, std::string message);
  void send_status(trace_status_ptr status);

  watcher_actor::pointer self;
  std::shared_ptr<watcher_memory> memory;
  std::shared_ptr<const trace_events> events;
  caf::actor_addr owner; ///< the controller
  struct provider {
    exporter_actor exporter;
    std::string reason;
    std::string problem;
  };
  std::map<std::string, provider> providers;           ///< by "namespace/name"
  std::unordered_map<std::string, trace_actor> actors; ///< by UID
  std::unordered_map<caf::actor_addr, std::string> uids;
  std::unordered_map<routing::subscriber, std::string> subscribers;
  std::vector<routing::delivery> deliveries; ///< reused between batches
  std::size_t ticks = 0;
};

watcher_actor::behavior_type watcher(watcher_actor::stateful_pointer<watcher_state> self,
                                     std::shared_ptr<watcher_memory> memory,
                                     std::shared_ptr<const trace_events> events, caf::actor_addr owner);

} // namespace tc::actors
