#include "actors/revision.hpp"

#include "actors/crash.hpp"
#include "trace/settle.hpp"

#include <caf/actor_cast.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <unordered_set>

namespace tc::actors {

namespace {

/// The word for logs and metric labels.
const char* word_for(trace::settle_reason reason) {
  switch (reason) {
  case trace::settle_reason::open:
    return "open";
  case trace::settle_reason::complete:
    return "complete";
  case trace::settle_reason::superseded:
    return "superseded";
  case trace::settle_reason::timeout:
    return "timeout";
  case trace::settle_reason::unknown:
    break;
  }
  return "unknown";
}

} // namespace

revision_actor::behavior_type revision_state::make_behavior() {
  report_exceptions_as_errors(self);
  return {
      [this](observe_atom, const observation_batch_ptr& batch) {
        for (const auto& item : *batch)
          ledger.add(item);
      },
      [this](judge_atom, caf::timestamp now) {
        auto report = judge(now);
        if (auto owner = caf::actor_cast<trace_actor>(self->current_sender()))
          self->send(owner, report_atom_v, std::move(report));
      },
  };
}

completed_trace finished_part(completed_trace trace, bool unsure) {
  std::unordered_set<span_id> stable;
  std::erase_if(trace.spans, [&](const span& value) {
    auto outcome = value.text("flux.outcome");
    auto open = value.parent.is_zero() || outcome.empty() || outcome == "incomplete" ||
                (unsure && outcome == "superseded");
    // What is open keeps its place in the tree, but a run's ID is final only with its outcome.
    if (!open || value.parent.is_zero() || value.text("flux.span.kind") == "source")
      stable.insert(value.id);
    return open;
  });
  // A parent comes before its children or after them: look until nothing changes.
  while (std::erase_if(trace.spans, [&](const span& value) {
           if (stable.count(value.parent) != 0)
             return false;
           stable.erase(value.id);
           return true;
         }) > 0)
    continue;
  return trace;
}

change_report_ptr revision_state::judge(timestamp now) const {
  auto out = std::make_shared<change_report>();
  out->key = setup.key;
  out->observations = ledger.size();
  auto began = setup.stopwatch ? setup.stopwatch() : 0;
  auto [verdict, trace] = trace::judge_and_assemble(ledger, setup.key, setup.options, now, setup.progressive);
  out->settled = verdict.settled;
  out->why = word_for(verdict.reason);
  out->wanted = verdict.wanted;
  out->ask_again = verdict.ask_again;
  out->first_activity = verdict.first_activity;
  out->last_activity = verdict.last_activity;
  if (verdict.settled)
    out->trace = std::make_shared<completed_trace>(std::move(*trace));
  else if (setup.progressive)
    out->trace = std::make_shared<completed_trace>(finished_part(std::move(*trace), verdict.unsure));
  if (setup.stopwatch)
    out->assembly_time = duration{setup.stopwatch() - began};
  return out;
}

revision_actor::behavior_type revision(revision_actor::stateful_pointer<revision_state> self,
                                       revision_setup setup) {
  self->state.setup = std::move(setup);
  return self->state.make_behavior();
}

} // namespace tc::actors
