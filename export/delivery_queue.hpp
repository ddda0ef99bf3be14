#pragma once

// The heart of delivery as a plain state machine: traces wait here, become batches, are sent, repeated or
// given up. It has no clock, no timer, no transport and no thread: the caller (an exporter actor, a test)
// passes `now`, sends what next() hands out through a span_sink, and reports back with complete().
//
// What it guarantees: every span that was accepted ends in exactly one count (delivered, refused, given up,
// dropped) or is pending. What was refused is never sent again. A trace is finished when its last span is.

#include "export/backend_circuit.hpp"
#include "export/batch.hpp"
#include "export/retry.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

namespace tc::exporting {

/// What push() does when there is no room.
enum class overflow_policy : std::uint8_t {
  refuse,      ///< the trace stays where it was: backpressure
  drop_oldest, ///< the oldest traces that are not being sent make room, and are counted as dropped
};

struct delivery_options {
  std::size_t max_spans = 100'000;
  std::size_t max_bytes = std::size_t{64} << 20; ///< by approximate_bytes()
  std::size_t in_flight = 4;                     ///< attempts at a time
  std::size_t batch_bytes = default_batch_bytes; ///< before compression
  /// A request takes no further trace beyond that many spans; 0: bytes alone count. A trace is not cut for
  /// it.
  std::size_t batch_spans = 0;
  /// The least between two requests of what was not tried before, unless a whole batch waits.
  duration schedule_delay{};
  overflow_policy overflow = overflow_policy::refuse;
  backoff_policy backoff;
  /// Shared with the other queues of the same endpoint; null for one of this queue's own.
  std::shared_ptr<backend_circuit> circuit = nullptr;
  /// A batch is given up when its next attempt would start later than this after its first; nothing: never.
  std::optional<duration> give_up_after;
};

/// Room that is left, in both measures.
struct delivery_credit {
  std::size_t spans = 0;
  std::size_t bytes = 0;

  bool operator==(const delivery_credit&) const = default;
};

/// Spans `[first, first + count)` of a trace.
struct span_part {
  std::size_t first = 0;
  std::size_t count = 0;

  bool operator==(const span_part&) const = default;
};

enum class trace_fate : std::uint8_t {
  delivered,
  refused,  ///< the backend refused at least one of its batches for good
  given_up, ///< give_up_after passed for at least one of its batches
  dropped,  ///< it made room for others
};

/// Returns "delivered", "refused", "given_up" or "dropped".
std::string_view to_string(trace_fate fate);

struct finished_trace {
  completed_trace_ptr trace;
  trace_fate fate = trace_fate::delivered;
  /// Less than all when a batch failed, or was taken in part: which spans a partial success refused is not
  /// said, so the count is taken off the first traces of the batch.
  std::size_t delivered_spans = 0;
  std::string reason;  ///< of the attempt that decided, a word for metrics
  std::string message; ///< of the same, for people
  /// In batches that the backend refused as a whole; of a partial success nobody knows which they are.
  std::vector<span_part> refused = {};
};

/// An attempt to make now. Give `batch` to a sink and its result, with the ticket, to complete().
struct delivery_attempt {
  std::uint64_t ticket = 0;
  std::shared_ptr<const encoded_batch> batch;
  unsigned number = 1; ///< 1 for the first attempt of this batch
};

/// Spans by where they ended; received == delivered + refused + given_up + dropped + pending.
struct delivery_counts {
  std::uint64_t received = 0;
  std::uint64_t delivered = 0;
  std::uint64_t refused = 0; ///< with those of partial successes
  std::uint64_t given_up = 0;
  std::uint64_t dropped = 0;
  std::uint64_t pending = 0;
  std::uint64_t attempts = 0; ///< requests, not spans
  std::uint64_t retries = 0;  ///< requests that were not the first of their batch
};

class delivery_queue {
public:
  /// `random` returns numbers uniform in [0, 1).
  delivery_queue(std::shared_ptr<const span_encoder> encoder, delivery_options options,
                 std::function<double()> random);

  // -- taking in ---

  struct push_result {
    bool accepted = false;
    std::vector<finished_trace> finished; ///< dropped to make room; or this trace, when it has no spans
  };
  /// Takes a trace if there is room; an empty queue takes a trace of any size. A trace that is pending
  /// already is accepted and not queued twice.
  push_result push(completed_trace_ptr trace);

  delivery_credit credit() const;
  bool has_room_for(std::size_t spans, std::size_t bytes) const;

  // -- sending ---

  /// Returns an attempt to make now; nothing when there is none, or not yet. Call until nothing comes.
  std::optional<delivery_attempt> next(timestamp now);

  /// Takes the result of an attempt; returns the traces that this finishes. Unknown tickets are ignored.
  std::vector<finished_trace> complete(std::uint64_t ticket, const attempt_result& result, timestamp now);

  /// Returns when next() is to be called again though nothing was pushed or completed; nothing when only
  /// those can change anything.
  std::optional<timestamp> wake_at() const;

  /// Changes the format and the endpoint: what is not being sent is encoded anew. For a Provider that was
  /// edited; also forgets that the backend was away. `circuit` as in delivery_options.
  void set_target(std::shared_ptr<const span_encoder> encoder,
                  std::shared_ptr<backend_circuit> circuit = nullptr);

  // -- looking at it ---

  /// Returns the pending traces, oldest first: what a shutdown leaves behind.
  std::vector<completed_trace_ptr> pending() const;
  bool empty() const { return entries_.empty(); }
  std::size_t attempts_in_flight() const { return in_flight_.size(); }
  std::size_t pending_traces() const { return entries_.size(); }
  std::size_t pending_bytes() const { return used_.bytes; }
  bool backend_is_away() const { return circuit_->is_away(); }
  const delivery_counts& counts() const { return counts_; }

private:
  struct entry {
    std::uint64_t sequence = 0; ///< order of arrival
    completed_trace_ptr trace;
    std::size_t bytes = 0;
    std::size_t open_spans = 0; ///< without a fate yet
    std::size_t delivered_spans = 0;
    trace_fate fate = trace_fate::delivered;
    std::string reason, message;
    std::vector<span_part> refused;
  };
  struct batch_state {
    std::shared_ptr<const encoded_batch> batch;
    unsigned failures = 0;
    std::optional<timestamp> first_attempt;
    timestamp not_before;
    std::unique_ptr<backend_circuit::leave> leave; ///< while it is in flight
  };

  void join(std::shared_ptr<backend_circuit> circuit);
  void note_recovery(timestamp now);
  void encode_waiting();
  bool may_cut(timestamp now) const;
  bool is_batch_waiting() const;
  void make_room(std::size_t spans, std::size_t bytes, std::vector<finished_trace>& finished);
  void return_to_waiting();
  std::optional<batch_state> take_batch(timestamp now, bool away);
  std::optional<batch_state> take_retry(timestamp now, bool even_if_early);
  void retry_later(batch_state state, backend_circuit& circuit, const attempt_result& result, timestamp now,
                   std::vector<finished_trace>& finished);
  void settle(const encoded_batch& batch, trace_fate fate, const attempt_result& result,
              std::vector<finished_trace>& finished);
  void settle_share(const batch_share& share, std::size_t refused, trace_fate fate,
                    const attempt_result& result, std::vector<finished_trace>& finished);

  // -- data members ---

  std::shared_ptr<const span_encoder> encoder_;
  delivery_options options_;
  std::function<double()> random_;
  std::unordered_map<const completed_trace*, entry> entries_; ///< all that is pending
  std::deque<completed_trace_ptr> waiting_;                   ///< not encoded yet, oldest first
  std::deque<batch_state> ready_;                             ///< encoded, never attempted
  std::deque<batch_state> retries_;                           ///< failed before
  std::map<std::uint64_t, batch_state> in_flight_;            ///< by ticket
  delivery_credit used_;
  delivery_counts counts_;
  std::uint64_t next_sequence_ = 1;
  std::uint64_t next_ticket_ = 1;
  std::shared_ptr<backend_circuit> circuit_;
  std::uint64_t seat_ = 0;            ///< our number at the circuit
  std::uint64_t recoveries_seen_ = 0; ///< of the circuit
  timestamp next_cut_{};              ///< no new batch before, by schedule_delay
  timestamp hold_until_{};            ///< no attempt at all before: the backend asked for time
  bool probe_retry_next_ =
      true; ///< probes take turns, so that one bad batch cannot hide a backend that is back
};

} // namespace tc::exporting
