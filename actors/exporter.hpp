#pragma once

// The actor of one Provider: takes traces on credit, drops spans that the backend has or is getting, and
// delivers through a sink with retries. The state machine of delivery is export/delivery_queue.hpp; here is
// only who submitted what.

#include "actors/sent_spans.hpp"
#include "export/delivery_queue.hpp"
#include "export/sink.hpp"
#include "messages/actors.hpp"

#include <caf/actor_addr.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace tc {

struct exporter_setup {
  std::shared_ptr<exporting::span_sink> sink;
  exporting::delivery_options delivery;
  std::uint32_t credit = 16;      ///< submissions a producer may have under way
  std::function<double()> random; ///< uniform in [0, 1)
  /// Told of every attempt, for logs and metrics; called on the sink's thread. Optional.
  std::function<void(const exporting::attempt_result&, std::size_t spans)> attempted;
  /// Told of every trace of which the backend refused spans for good; called on the actor's thread. Optional.
  std::function<void(const exporting::finished_trace&)> refused;
  /// Told of spans that the backend has, or refused for good, by sent_spans::key_of; before those who handed
  /// them out are. Must not wait. Optional.
  std::function<void(const std::vector<std::uint64_t>& keys)> settled;
};

struct send_result {
  exporting::attempt_result result;
};

} // namespace tc

namespace tc::actors {

/// What an exporter knows that outlasts it.
struct exporter_memory {
  sent_spans sent;
  exporter_books books; ///< of its predecessors and itself
};

struct exporter_state {
  static inline const char* name = "exporter";

  explicit exporter_state(exporter_actor::pointer selfptr) : self(selfptr) {}

  exporter_actor::behavior_type make_behavior();
  void submit(const producer_actor& from, std::uint64_t number, const completed_trace_ptr& trace);
  void admit_waiting();
  void finish(const exporting::finished_trace& done);
  void report(std::uint64_t id);
  void pump();
  void publish_books();

  /// A submission waits for the traces in the queue that carry its spans.
  struct submission {
    caf::actor_addr from;
    std::uint64_t number = 0;
    std::size_t waits = 0; ///< for that many queued traces
    bool delivered = true;
    std::size_t spans = 0;
    std::size_t rejected = 0;
    std::string reason;
  };

  exporter_actor::pointer self;
  std::string provider;
  std::shared_ptr<exporter_memory> memory;
  exporter_setup_ptr setup;
  caf::actor_addr owner; ///< the controller
  std::unique_ptr<exporting::delivery_queue> queue;
  timestamp now;
  std::uint64_t next_id = 1;
  std::unordered_map<std::uint64_t, submission> submissions;
  std::unordered_map<const completed_trace*, std::vector<std::uint64_t>> waiting; ///< by queued trace
  std::unordered_map<std::uint64_t, const completed_trace*> pending_spans;        ///< by sent_spans::key_of
  std::deque<completed_trace_ptr> without_room;
  exporter_books published;
};

/// `provider` is "namespace/name" of the Provider.
exporter_actor::behavior_type exporter(exporter_actor::stateful_pointer<exporter_state> self,
                                       std::string provider, std::shared_ptr<exporter_memory> memory,
                                       exporter_setup_ptr setup, caf::actor_addr owner);

} // namespace tc::actors
