#include "export/delivery_queue.hpp"

#include <algorithm>

namespace tc::exporting {

std::string_view to_string(trace_fate fate) {
  switch (fate) {
  case trace_fate::delivered:
    return "delivered";
  case trace_fate::refused:
    return "refused";
  case trace_fate::given_up:
    return "given_up";
  case trace_fate::dropped:
    return "dropped";
  }
  return "unknown";
}

delivery_queue::delivery_queue(std::shared_ptr<const span_encoder> encoder, delivery_options options,
                               std::function<double()> random)
    : encoder_(std::move(encoder)), options_(std::move(options)), random_(std::move(random)) {
  join(std::move(options_.circuit));
}

void delivery_queue::join(std::shared_ptr<backend_circuit> circuit) {
  circuit_ = circuit ? std::move(circuit) : std::make_shared<backend_circuit>(circuit_policy{}, random_);
  seat_ = circuit_->join();
  recoveries_seen_ = circuit_->recoveries();
}

// -- taking in
// -------------------------------------------------------------------------------------------------

delivery_credit delivery_queue::credit() const {
  return {options_.max_spans - std::min(used_.spans, options_.max_spans),
          options_.max_bytes - std::min(used_.bytes, options_.max_bytes)};
}

bool delivery_queue::has_room_for(std::size_t spans, std::size_t bytes) const {
  auto left = credit();
  // What is larger than the whole queue must still get through at some time: alone.
  return entries_.empty() || (spans <= left.spans && bytes <= left.bytes);
}

delivery_queue::push_result delivery_queue::push(completed_trace_ptr trace) {
  push_result out;
  if (entries_.contains(trace.get())) {
    out.accepted = true;
    return out;
  }
  auto spans = trace->spans.size();
  if (spans == 0) {
    out.accepted = true;
    out.finished.push_back({std::move(trace), trace_fate::delivered, 0, "ok", "", {}});
    return out;
  }
  auto bytes = approximate_bytes(*trace);
  if (!has_room_for(spans, bytes)) {
    if (options_.overflow == overflow_policy::refuse)
      return out;
    make_room(spans, bytes, out.finished);
    if (!has_room_for(spans, bytes))
      return out; // what is being sent cannot be dropped
  }
  out.accepted = true;
  used_.spans += spans;
  used_.bytes += bytes;
  counts_.received += spans;
  counts_.pending += spans;
  entry added;
  added.sequence = next_sequence_++;
  added.trace = trace;
  added.bytes = bytes;
  added.open_spans = spans;
  entries_.emplace(trace.get(), std::move(added));
  waiting_.push_back(std::move(trace));
  return out;
}

void delivery_queue::make_room(std::size_t spans, std::size_t bytes, std::vector<finished_trace>& finished) {
  return_to_waiting();
  attempt_result overflow;
  overflow.reason = "queue_full";
  overflow.message = "the delivery queue was full";
  // Batches left are pieces of traces too large for one batch; they are the oldest there are.
  for (auto* batches : {&retries_, &ready_})
    while (!batches->empty() && !has_room_for(spans, bytes)) {
      auto oldest = std::move(batches->front());
      batches->pop_front();
      settle(*oldest.batch, trace_fate::dropped, overflow, finished);
    }
  while (!waiting_.empty() && !has_room_for(spans, bytes)) {
    auto oldest = std::move(waiting_.front());
    waiting_.pop_front();
    settle_share({oldest, 0, oldest->spans.size()}, 0, trace_fate::dropped, overflow, finished);
  }
}

/// Takes batches of whole traces apart again, so that single traces can be dropped or encoded anew. Pieces of
/// larger traces stay batches.
void delivery_queue::return_to_waiting() {
  std::vector<completed_trace_ptr> returned;
  auto take_apart = [&](std::deque<batch_state>& batches) {
    std::deque<batch_state> kept;
    for (auto& state : batches) {
      const auto& shares = state.batch->shares;
      if (std::all_of(shares.begin(), shares.end(),
                      [](const batch_share& share) { return share.count == share.trace->spans.size(); }))
        for (const auto& share : shares)
          returned.push_back(share.trace);
      else
        kept.push_back(std::move(state));
    }
    batches = std::move(kept);
  };
  take_apart(retries_);
  take_apart(ready_);
  if (returned.empty())
    return; // which spares a full queue the sorting at every push
  waiting_.insert(waiting_.end(), returned.begin(), returned.end());
  std::sort(waiting_.begin(), waiting_.end(), [&](const auto& a, const auto& b) {
    return entries_.at(a.get()).sequence < entries_.at(b.get()).sequence;
  });
}

// -- sending
// ---------------------------------------------------------------------------------------------------

void delivery_queue::encode_waiting() {
  std::vector<completed_trace_ptr> chosen;
  for (std::size_t bytes = 0, spans = 0; !waiting_.empty(); waiting_.pop_front()) {
    bytes += entries_.at(waiting_.front().get()).bytes;
    spans += waiting_.front()->spans.size();
    if (!chosen.empty() &&
        (bytes > options_.batch_bytes || (options_.batch_spans != 0 && spans > options_.batch_spans)))
      break;
    chosen.push_back(waiting_.front());
  }
  for (auto& batch : encoder_->encode(chosen, options_.batch_bytes)) {
    batch_state state;
    state.batch = std::make_shared<const encoded_batch>(std::move(batch));
    ready_.push_back(std::move(state));
  }
}

/// Whether what waits fills a request.
bool delivery_queue::is_batch_waiting() const {
  std::size_t bytes = 0;
  std::size_t spans = 0;
  for (const auto& trace : waiting_) {
    bytes += entries_.at(trace.get()).bytes;
    spans += trace->spans.size();
    if (bytes >= options_.batch_bytes || (options_.batch_spans != 0 && spans >= options_.batch_spans))
      return true;
  }
  return false;
}

bool delivery_queue::may_cut(timestamp now) const {
  return !waiting_.empty() && (now >= next_cut_ || is_batch_waiting());
}

std::optional<delivery_queue::batch_state> delivery_queue::take_retry(timestamp now, bool even_if_early) {
  auto due = std::find_if(retries_.begin(), retries_.end(),
                          [&](const batch_state& state) { return even_if_early || state.not_before <= now; });
  if (due == retries_.end())
    return std::nullopt;
  auto out = std::move(*due);
  retries_.erase(due);
  return out;
}

std::optional<delivery_queue::batch_state> delivery_queue::take_batch(timestamp now, bool away) {
  auto fresh = [&]() -> std::optional<batch_state> {
    if (ready_.empty() && may_cut(now)) {
      encode_waiting();
      next_cut_ = now + options_.schedule_delay;
    }
    if (ready_.empty())
      return std::nullopt;
    auto out = std::move(ready_.front());
    ready_.pop_front();
    return out;
  };
  if (!away) {
    auto out = take_retry(now, false);
    return out ? std::move(out) : fresh();
  }
  // Which batch is the probe does not matter to a backend that is away, only that they take turns.
  bool retry_first = probe_retry_next_;
  probe_retry_next_ = !probe_retry_next_;
  auto out = retry_first ? take_retry(now, true) : fresh();
  if (out)
    return out;
  return retry_first ? fresh() : take_retry(now, true);
}

std::optional<delivery_attempt> delivery_queue::next(timestamp now) {
  note_recovery(now);
  if (ready_.empty() && retries_.empty() && !may_cut(now))
    return std::nullopt;
  if (in_flight_.size() >= options_.in_flight || now < hold_until_)
    return std::nullopt;
  bool away = backend_is_away();
  auto leave = circuit_->ask(seat_, now);
  if (!leave)
    return std::nullopt;
  auto state = take_batch(now, away);
  if (!state)
    return std::nullopt;
  state->leave = std::move(leave);
  if (!state->first_attempt)
    state->first_attempt = now;
  ++counts_.attempts;
  if (state->failures > 0)
    ++counts_.retries;
  delivery_attempt out{next_ticket_++, state->batch, state->failures + 1};
  in_flight_.emplace(out.ticket, std::move(*state));
  return out;
}

std::vector<finished_trace> delivery_queue::complete(std::uint64_t ticket, const attempt_result& result,
                                                     timestamp now) {
  std::vector<finished_trace> finished;
  auto found = in_flight_.find(ticket);
  if (found == in_flight_.end())
    return finished;
  auto state = std::move(found->second);
  in_flight_.erase(found);
  auto leave = std::move(state.leave); // of the endpoint that was asked, which may be another one by now
  auto& circuit = leave->circuit();
  switch (result.outcome) {
  case attempt_outcome::delivered:
    circuit.answered(now);
    settle(*state.batch, trace_fate::delivered, result, finished);
    break;
  case attempt_outcome::rejected:
    circuit.answered(now);
    settle(*state.batch, trace_fate::refused, result, finished);
    break;
  case attempt_outcome::retry:
    retry_later(std::move(state), circuit, result, now, finished);
    break;
  }
  return finished;
}

/// It is back, as we or another queue found out: what waited for that need not wait for its own turn too.
void delivery_queue::note_recovery(timestamp now) {
  auto recoveries = circuit_->recoveries();
  if (recoveries == std::exchange(recoveries_seen_, recoveries))
    return;
  for (auto& state : retries_)
    state.not_before = std::min(state.not_before, now);
}

void delivery_queue::retry_later(batch_state state, backend_circuit& circuit, const attempt_result& result,
                                 timestamp now, std::vector<finished_trace>& finished) {
  auto throttled = result.status == 429 || result.reason == "grpc_resource_exhausted";
  ++state.failures;
  auto wait = backoff_delay(options_.backoff, state.failures, result.retry_after, random_);
  state.not_before = now + wait;
  if (options_.give_up_after && state.not_before - *state.first_attempt > *options_.give_up_after) {
    settle(*state.batch, trace_fate::given_up, result, finished);
    state.batch = nullptr;
  }
  // A backend that asks for time is there: that is no matter of the endpoint but of this queue's requests.
  // And what was not sent says nothing of it at all (runtime/program/fresh_sink.hpp).
  if (throttled)
    circuit.answered(now);
  else if (result.reason != "provider_changed")
    circuit.failed(now);
  if (throttled || result.retry_after)
    hold_until_ = std::max(
        hold_until_, throttled ? state.not_before
                               : now + std::min(*result.retry_after, options_.backoff.longest_retry_after));
  if (state.batch)
    retries_.push_back(std::move(state));
}

std::optional<timestamp> delivery_queue::wake_at() const {
  bool away = backend_is_away();
  if (in_flight_.size() >= (away ? std::size_t{1} : options_.in_flight))
    return std::nullopt;
  auto earliest = away ? std::max(hold_until_, circuit_->next_probe()) : hold_until_;
  bool recovered = circuit_->recoveries() != recoveries_seen_;
  bool may_cut_now = options_.schedule_delay == duration::zero() || is_batch_waiting();
  if (!ready_.empty() || ((away || recovered) && !retries_.empty()) || (!waiting_.empty() && may_cut_now))
    return earliest;
  std::optional<timestamp> out;
  if (!waiting_.empty())
    out = std::max(next_cut_, earliest);
  for (const auto& state : retries_) {
    auto at = std::max(state.not_before, hold_until_);
    out = out ? std::min(*out, at) : at;
  }
  return out;
}

void delivery_queue::set_target(std::shared_ptr<const span_encoder> encoder,
                                std::shared_ptr<backend_circuit> circuit) {
  encoder_ = std::move(encoder);
  return_to_waiting();
  // Pieces of large traces: encode the trace's part anew. Rare, and exact.
  for (auto* batches : {&retries_, &ready_}) {
    std::deque<batch_state> old = std::move(*batches);
    batches->clear();
    for (auto& state : old)
      for (const auto& share : state.batch->shares) {
        auto part = std::make_shared<completed_trace>(*share.trace);
        part->spans.assign(share.trace->spans.begin() + static_cast<std::ptrdiff_t>(share.first),
                           share.trace->spans.begin() +
                               static_cast<std::ptrdiff_t>(share.first + share.count));
        for (auto& batch : encoder_->encode(std::vector<completed_trace_ptr>{part}, options_.batch_bytes)) {
          for (auto& piece : batch.shares) {
            piece.trace = share.trace;
            piece.first += share.first;
          }
          batch_state again;
          again.batch = std::make_shared<const encoded_batch>(std::move(batch));
          ready_.push_back(std::move(again));
        }
      }
  }
  join(std::move(circuit));
  circuit_->reset();
  hold_until_ = {};
}

// -- accounts
// --------------------------------------------------------------------------------------------------

void delivery_queue::settle(const encoded_batch& batch, trace_fate fate, const attempt_result& result,
                            std::vector<finished_trace>& finished) {
  auto refused = fate == trace_fate::delivered
                     ? static_cast<std::size_t>(std::clamp<std::int64_t>(
                           result.rejected_spans, 0, static_cast<std::int64_t>(batch.span_count)))
                     : 0;
  for (const auto& share : batch.shares) {
    auto of_share = std::min(refused, share.count);
    refused -= of_share;
    settle_share(share, of_share, fate, result, finished);
  }
}

void delivery_queue::settle_share(const batch_share& share, std::size_t refused, trace_fate fate,
                                  const attempt_result& result, std::vector<finished_trace>& finished) {
  auto spans = share.count;
  auto found = entries_.find(share.trace.get());
  if (found == entries_.end())
    return;
  auto& settled = found->second;
  settled.open_spans -= spans;
  counts_.pending -= spans;
  switch (fate) {
  case trace_fate::delivered:
    counts_.delivered += spans - refused;
    counts_.refused += refused;
    settled.delivered_spans += spans - refused;
    break;
  case trace_fate::refused:
    counts_.refused += spans;
    settled.refused.push_back({share.first, share.count});
    break;
  case trace_fate::given_up:
    counts_.given_up += spans;
    break;
  case trace_fate::dropped:
    counts_.dropped += spans;
    break;
  }
  // The first thing that went wrong decides; else the last answer.
  if (settled.fate == trace_fate::delivered) {
    settled.fate = fate;
    settled.reason = result.reason;
    settled.message = result.message;
  }
  if (settled.open_spans > 0)
    return;
  used_.spans -= share.trace->spans.size();
  used_.bytes -= settled.bytes;
  finished.push_back({settled.trace, settled.fate, settled.delivered_spans, std::move(settled.reason),
                      std::move(settled.message), std::move(settled.refused)});
  entries_.erase(found);
}

std::vector<completed_trace_ptr> delivery_queue::pending() const {
  std::vector<const entry*> sorted;
  for (const auto& [key, value] : entries_)
    sorted.push_back(&value);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->sequence < b->sequence; });
  std::vector<completed_trace_ptr> out;
  out.reserve(sorted.size());
  for (const auto* value : sorted)
    out.push_back(value->trace);
  return out;
}

} // namespace tc::exporting
