#pragma once

// The actor of one Trace resource: hands each observation to the changes it concerns, has them judged when
// they are due, and hands what settles to the exporter as credit allows. It owns the revision actors. What it
// knows lives in a trace_memory that outlasts it.

#include "actors/change_table.hpp"
#include "actors/delivered_log.hpp"
#include "actors/sent_spans.hpp"
#include "messages/actors.hpp"
#include "messages/alarm.hpp"
#include "trace/assemble.hpp"
#include "trace/estate.hpp"

#include <caf/actor_addr.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace tc::actors {

/// A change was judged, and what was done about it.
struct settled_change {
  const change_report* report = nullptr;
  settle_action action = settle_action::nothing_new;
  bool closed_early = false; ///< the process was too large
  /// The rule of spec.sampling that keeps it, when its trace is handed out for the first time; else "".
  std::string kept_by = {};
};

/// How far a Trace has come; about once a second.
struct trace_horizon {
  timestamp settled_before; ///< what was quiet by then was history
  /// What was quiet before has its fate or was handed out. No later than what has been observed: while a
  /// watch is down nothing is known to be quiet.
  timestamp settled_until;
  timestamp open_since; ///< no open change began before

  bool operator==(const trace_horizon&) const = default;
};

enum class let_go_result : std::uint8_t {
  gone,       ///< the data directory has it
  not_yet,    ///< it is about to be written
  impossible, ///< it cannot be written
};

/// Told what happens, for logs and metrics; may be called from several threads. Each may be empty.
struct trace_events {
  std::function<void(const trace_resource&, const settled_change&)> concluded;
  std::function<void(const trace_resource&, const std::string& key, const std::string& error, bool dropped,
                     const observation_batch& ledger)>
      revision_crashed;
  /// A trace actor crashed; it is started again.
  std::function<void(const trace_resource&, const std::string& error)> trace_crashed;
  /// A change was given up because there are more than --max-live-changes.
  std::function<void(const trace_resource&, const std::string& key)> overflowed;
  std::function<void(const completed_trace&, const delivery_report&)> acknowledged;
  // What outlasts the process: none of these may wait.
  /// A trace was handed out; until `finished` it is to be handed out again by a later process.
  std::function<void(const trace_resource&, const submission&)> handed_out;
  std::function<void(const trace_resource&, std::uint64_t submission)> finished;
  std::function<void(const trace_resource&, const trace_horizon&)> progressed;
  /// May a trace that was handed out leave memory? Empty: there is nowhere else.
  std::function<let_go_result(const trace_resource&, std::uint64_t submission)> let_go;
  /// Reads it back; the answer is null when it cannot be. On any thread.
  std::function<void(const trace_resource&, std::uint64_t submission,
                     std::function<void(completed_trace_ptr)> then)>
      read_back;
  // What memory makes us lose.
  /// A trace was given up before an exporter took it.
  std::function<void(const trace_resource&, const submission&, const std::string& reason)> given_up;
  /// An open change is settled before its time.
  std::function<void(const trace_resource&, const std::string& key)> closed_early;
  /// The first such loss in a minute.
  std::function<void(const trace_resource&, const memory_ledger&, const std::string& what)> short_of_memory;
  /// The books moved; the sums of these moves are those of trace_books.
  std::function<void(const trace_resource&, const bucket_move&)> moved;
  std::function<std::int64_t()> stopwatch;
};

/// What a trace actor knows, kept by its supervisor. Only one actor uses it at a time.
struct trace_memory {
  trace_memory(trace_resource resource, trace::assembly_options assembly, timestamp history,
               trace::estate_limits remembered = {})
      : spec(std::move(resource)), options(std::move(assembly)), settled_before(history),
        estate(options, remembered) {}

  /// Goes on from what the memory of the same Trace under another spec knows.
  void take_over(trace_memory& before) {
    std::lock_guard guard{before.use};
    table = std::move(before.table);
    now = before.now;
    last_trace_id = before.last_trace_id;
    last_revision = before.last_revision;
    last_change_key = before.last_change_key;
    last_export = before.last_export;
    last_refusal = before.last_refusal;
    exported_until = before.exported_until;
    latest_fact = before.latest_fact;
    elsewhere = std::move(before.elsewhere);
    delivered = std::move(before.delivered);
    draining = before.draining;
  }

  /// Held while a message is handled: an actor that was asked to end may still be in the midst of one when
  /// its successor starts.
  std::mutex use;
  trace_resource spec;
  trace::assembly_options options;
  std::size_t max_live_changes = 10'000;
  std::shared_ptr<memory_ledger> ledger; ///< null: nothing is bounded
  timestamp settled_before;              ///< what was quiet by then is history
  trace::estate estate;
  change_table table;
  timestamp now; ///< of the latest message
  std::string last_trace_id;
  std::string last_revision;
  std::string last_change_key;
  timestamp last_export;
  std::string last_refusal;
  timestamp exported_until;
  timestamp latest_fact; ///< arrival of it
  /// Spans that another process has delivered, while it led or before this one began.
  sent_spans elsewhere{std::size_t{1} << 16};
  bool tells_delivered = false; ///< another process may take over
  delivered_log delivered;      ///< of whoever leads
  bool draining = false;        ///< another process takes over
  trace_horizon told;           ///< at `told_at`
  timestamp told_at;
  std::shared_ptr<alarm> wakes;    ///< asked for the time at which a change is due; null for ticks alone
  std::atomic<bool> asleep{false}; ///< nothing is open and nothing waits: a tick now and then is enough
};

struct trace_state {
  static inline const char* name = "trace";

  explicit trace_state(trace_actor::pointer selfptr) : self(selfptr) {}

  trace_actor::behavior_type make_behavior();
  /// What the cluster brings, and time: in their order, and not while too much is being judged.
  struct input {
    observation_batch_ptr batch; ///< null for a tick
    timestamp at;
  };
  void take(input next);
  void drain();
  void go_on();
  bool bounded() const;
  std::size_t most_judged() const;
  void judge_more();
  void handle(const input& next);
  void observe(const observation_batch& batch, timestamp at);
  /// Returns whether it is there to be judged; a change whose ledger is lost is given up.
  bool start_revision(change_entry& entry);
  void stop_revision(const std::string& key);
  void on_revision_exit(const caf::actor_addr& who, const caf::error& reason);
  void tick(timestamp at);
  void conclude(const change_report& report);
  void take_delivered(const delivered_spans& told);
  /// Lets go of submissions from that number on that others have delivered.
  void settle_elsewhere(timestamp quiet_before, std::uint64_t first);
  void acknowledge(const delivery_report& report);
  void submit_waiting();
  void read_back(submission& what);
  void take_read(std::uint64_t number, const completed_trace_ptr& trace);
  void judge_due();
  /// Asks for a verdict as of `at`. Returns whether it will come.
  bool judge(const std::string& key, timestamp at);
  void pack_facts();
  void release_memory();
  void close_early();
  void give_up(std::uint64_t number, const std::string& reason);
  void note_loss(const std::string& what);
  void publish_status();
  void tell_moves();
  void tell_progress();
  void wake();
  void ask_for_tick() const;
  void rest();

  trace_actor::pointer self;
  std::shared_ptr<trace_memory> memory;
  std::shared_ptr<const trace_events> events;
  caf::actor_addr owner; ///< the watcher; weak, or the two would keep each other alive
  exporter_actor exporter;
  std::uint32_t credit = 0;
  std::string problem_reason = "ProviderNotFound";
  std::string problem = "the Provider has not been seen yet";
  std::unordered_map<std::string, revision_actor> revisions;
  std::unordered_map<caf::actor_addr, std::string> keys;
  std::deque<input> held_back;
  trace_status published;
  bool ever_published = false;
  std::uint64_t shortage_seen = 0; ///< of the ledger
  unsigned idle_ticks = 0;         ///< in a row
};

trace_actor::behavior_type trace(trace_actor::stateful_pointer<trace_state> self,
                                 std::shared_ptr<trace_memory> memory,
                                 std::shared_ptr<const trace_events> events, caf::actor_addr owner);

} // namespace tc::actors
