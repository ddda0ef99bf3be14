#include "actors/exporter.hpp"

#include "actors/crash.hpp"

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace tc::actors {

exporter_actor::behavior_type exporter_state::make_behavior() {
  report_exceptions_as_errors(self);
  return {
      [this](attach_atom, const producer_actor&) { return setup->credit; },
      [this](submit_atom, std::uint64_t number, const completed_trace_ptr& trace) {
        submit(caf::actor_cast<producer_actor>(self->current_sender()), number, trace);
      },
      [this](apply_atom, const exporter_setup_ptr& changed) {
        setup = changed;
        queue->set_target(setup->sink->encoder(), setup->delivery.circuit);
        pump();
      },
      [this](sent_atom, std::uint64_t ticket, const send_result_ptr& sent) {
        const auto& result = sent->result;
        ++memory->books.attempts;
        if (result.outcome != exporting::attempt_outcome::delivered) {
          ++memory->books.failed_attempts;
          memory->books.last_error = result.message.empty() ? result.reason : result.message;
        }
        memory->books.spans_rejected += static_cast<std::uint64_t>(result.rejected_spans);
        for (const auto& done : queue->complete(ticket, result, now))
          finish(done);
        admit_waiting();
        pump();
      },
      [this](tick_atom, caf::timestamp at) {
        now = at;
        pump();
        publish_books();
      },
  };
}

void exporter_state::submit(const producer_actor& from, std::uint64_t number,
                            const completed_trace_ptr& trace) {
  auto id = next_id++;
  auto& entry = submissions[id];
  entry.from = caf::actor_cast<caf::actor_addr>(from);
  entry.number = number;
  entry.spans = trace->spans.size();
  memory->books.spans_submitted += trace->spans.size();
  std::vector<const completed_trace*> others;
  auto is_known_already = [&](const span& value) {
    if (memory->sent.contains(trace->id, value.id))
      return true;
    auto pending = pending_spans.find(sent_spans::key_of(trace->id, value.id));
    if (pending == pending_spans.end())
      return false;
    if (std::find(others.begin(), others.end(), pending->second) == others.end())
      others.push_back(pending->second);
    return true;
  };
  // Of most traces nothing is known yet: they are not copied.
  auto fresh = trace;
  if (std::any_of(trace->spans.begin(), trace->spans.end(), is_known_already)) {
    auto rest = std::make_shared<completed_trace>(*trace);
    std::erase_if(rest->spans, is_known_already);
    fresh = std::move(rest);
  }
  memory->books.spans_duplicate += trace->spans.size() - fresh->spans.size();
  for (const auto* other : others)
    waiting[other].push_back(id);
  entry.waits = others.size();
  if (!fresh->spans.empty()) {
    ++entry.waits;
    waiting[fresh.get()].push_back(id);
    for (const auto& value : fresh->spans)
      pending_spans.emplace(sent_spans::key_of(trace->id, value.id), fresh.get());
    memory->books.spans_pending += fresh->spans.size();
    without_room.push_back(std::move(fresh));
    admit_waiting();
    pump();
  }
  if (entry.waits == 0)
    report(id);
}

void exporter_state::admit_waiting() {
  while (!without_room.empty()) {
    auto pushed = queue->push(without_room.front());
    for (const auto& done : pushed.finished)
      finish(done);
    if (!pushed.accepted)
      return;
    without_room.pop_front();
  }
}

void exporter_state::finish(const exporting::finished_trace& done) {
  auto spans = done.trace->spans.size();
  memory->books.spans_pending -= spans;
  auto delivered = done.fate == exporting::trace_fate::delivered;
  memory->books.spans_delivered += done.delivered_spans;
  memory->books.spans_dropped += spans - done.delivered_spans; // with those that a partial success refused
  if (!done.refused.empty() && setup->refused)
    setup->refused(done);
  // What was refused must not be sent again either.
  auto final = delivered || done.fate == exporting::trace_fate::refused;
  std::vector<std::uint64_t> keys;
  for (const auto& value : done.trace->spans) {
    auto key = sent_spans::key_of(done.trace->id, value.id);
    pending_spans.erase(key);
    if (!final)
      continue;
    memory->sent.add(key);
    keys.push_back(key);
  }
  if (setup->settled && !keys.empty())
    setup->settled(keys);
  auto node = waiting.extract(done.trace.get());
  if (node.empty())
    return;
  for (auto id : node.mapped()) {
    auto& entry = submissions.at(id);
    if (!delivered) {
      entry.delivered = false;
      entry.reason = done.message.empty() ? done.reason : done.message;
    }
    entry.rejected += spans - std::min(spans, done.delivered_spans);
    if (--entry.waits == 0)
      report(id);
  }
}

void exporter_state::report(std::uint64_t id) {
  auto entry = std::move(submissions.extract(id).mapped());
  auto to = caf::actor_cast<producer_actor>(entry.from);
  if (!to)
    return; // it crashed; its successor has submitted again
  auto out = std::make_shared<delivery_report>();
  out->submission = entry.number;
  out->delivered = entry.delivered;
  out->spans = entry.spans - std::min(entry.spans, entry.rejected);
  out->rejected = std::min(entry.spans, entry.rejected);
  out->reason = std::move(entry.reason);
  self->send(to, report_atom_v, delivery_report_ptr{std::move(out)});
}

void exporter_state::pump() {
  auto me = caf::actor_cast<caf::actor_addr>(self);
  while (auto attempt = queue->next(now)) {
    auto spans = attempt->batch->span_count;
    setup->sink->send(attempt->batch, [me, ticket = attempt->ticket, spans,
                                       setup = setup](exporting::attempt_result result) {
      if (setup->attempted)
        setup->attempted(result, spans);
      if (auto to = caf::actor_cast<exporter_actor>(me))
        caf::anon_send(to, sent_atom_v, ticket,
                       send_result_ptr{std::make_shared<send_result>(send_result{std::move(result)})});
    });
  }
}

void exporter_state::publish_books() {
  memory->books.bytes_pending = queue->pending_bytes();
  memory->books.backend_away = queue->backend_is_away();
  if (memory->books == published)
    return;
  published = memory->books;
  if (auto to = caf::actor_cast<controller_actor>(owner))
    self->send(to, books_atom_v, provider, published);
}

exporter_actor::behavior_type exporter(exporter_actor::stateful_pointer<exporter_state> self,
                                       std::string provider, std::shared_ptr<exporter_memory> memory,
                                       exporter_setup_ptr setup, caf::actor_addr owner) {
  auto& state = self->state;
  state.provider = std::move(provider);
  state.memory = std::move(memory);
  state.setup = std::move(setup);
  state.owner = std::move(owner);
  // What the predecessor had pending is submitted again by those who own it.
  state.memory->books.spans_submitted -= state.memory->books.spans_pending;
  state.memory->books.spans_pending = 0;
  state.queue = std::make_unique<exporting::delivery_queue>(state.setup->sink->encoder(),
                                                            state.setup->delivery, state.setup->random);
  return state.make_behavior();
}

} // namespace tc::actors
