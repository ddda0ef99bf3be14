#include "actors/trace.hpp"

#include "actors/crash.hpp"
#include "actors/revision.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <mutex>
#include <unordered_set>

namespace tc::actors {

trace_actor::behavior_type trace_state::make_behavior() {
  report_exceptions_as_errors(self);
  self->set_exit_handler([this](caf::exit_msg& message) {
    if (keys.count(message.source) != 0) {
      std::lock_guard guard{memory->use};
      on_revision_exit(message.source, message.reason);
    } else {
      self->quit(message.reason);
    }
  });
  self->set_down_handler([this](caf::down_msg& message) {
    if (exporter && exporter.address() == message.source) {
      // Its supervisor binds the next one; what it had not acknowledged is handed out again.
      exporter = exporter_actor{};
      credit = 0;
      std::lock_guard guard{memory->use};
      memory->table.take_back_submissions();
    }
  });
  return {
      [this](report_atom, const delivery_report_ptr& report) {
        std::lock_guard guard{memory->use};
        acknowledge(*report);
      },
      [this](observe_atom, const observation_batch_ptr& batch, caf::timestamp at) {
        std::lock_guard guard{memory->use};
        observe(*batch, at);
      },
      [this](bind_atom, const exporter_actor& to) {
        std::lock_guard guard{memory->use};
        if (exporter == to)
          return;
        exporter = to;
        credit = 0;
        problem_reason.clear();
        problem.clear();
        memory->table.take_back_submissions();
        self->monitor(exporter);
        self->request(exporter, caf::infinite, attach_atom_v,
                      caf::actor_cast<producer_actor>(self->address()))
            .then(
                [this, to](std::uint32_t granted) {
                  if (exporter == to) {
                    std::lock_guard hold{memory->use};
                    credit = granted;
                    submit_waiting();
                  }
                },
                [](const caf::error&) { /* the exporter is gone; the down handler knows */ });
      },
      [this](unbind_atom, const std::string& reason, const std::string& message) {
        std::lock_guard guard{memory->use};
        exporter = exporter_actor{};
        credit = 0;
        problem_reason = reason;
        problem = message;
        memory->table.take_back_submissions();
        publish_status();
      },
      [this](tick_atom, caf::timestamp at) {
        std::lock_guard guard{memory->use};
        tick(at);
      },
      [this](report_atom, const change_report_ptr& report) {
        std::lock_guard guard{memory->use};
        conclude(*report);
      },
  };
}

void trace_state::observe(const observation_batch& batch, timestamp at) {
  memory->now = at;
  memory->table.count_observations(batch.size());
  std::unordered_map<std::string, std::shared_ptr<observation_batch>> news;
  for (const auto& fact : batch)
    memory->latest_fact = std::max(memory->latest_fact, fact->received_at);
  for (const auto& fact : batch)
    for (auto& key : memory->estate.observe(fact)) {
      auto [entry, opened] = memory->table.open(key);
      if (opened) {
        entry->opened_at = fact->initial ? timestamp{} : std::min(at, fact->received_at);
        entry->evidence = memory->estate.evidence(key); // with this fact
        start_revision(*entry);
      } else {
        entry->evidence.push_back(fact);
        auto& list = news[key];
        if (!list)
          list = std::make_shared<observation_batch>();
        list->push_back(fact);
      }
      memory->table.note_news(*entry, at, memory->spec.settle_after);
    }
  // Older facts that a later one shows to belong to an open change; what its ledger has already is no harm.
  for (const auto& key : memory->estate.take_reseeds()) {
    auto* entry = memory->table.find(key);
    if (entry == nullptr || !entry->open)
      continue;
    // The ledger may hold facts that the estate has let go.
    std::unordered_set<const observation*> known;
    for (const auto& fact : entry->evidence)
      known.insert(fact.get());
    for (auto& fact : memory->estate.evidence(key))
      if (known.insert(fact.get()).second)
        entry->evidence.push_back(std::move(fact));
    auto& list = news[key];
    list = std::make_shared<observation_batch>(entry->evidence);
    memory->table.note_news(*entry, at, memory->spec.settle_after);
  }
  while (memory->table.live() > memory->max_live_changes) {
    auto victim = memory->table.drop_quietest();
    if (!victim)
      break;
    stop_revision(*victim);
    memory->estate.forget(*victim);
    if (events->overflowed)
      events->overflowed(memory->spec, *victim);
  }
  tell_moves();
  for (auto& [key, list] : news)
    if (auto found = revisions.find(key); found != revisions.end())
      self->send(found->second, observe_atom_v, observation_batch_ptr{std::move(list)});
}

void trace_state::start_revision(change_entry& entry) {
  revision_setup setup;
  setup.key = entry.key;
  setup.options = memory->options;
  setup.progressive = memory->spec.mode == export_mode::progressive;
  setup.stopwatch = events->stopwatch;
  auto child = self->spawn<caf::linked>(revision, std::move(setup));
  keys.emplace(child.address(), entry.key);
  self->send(child, observe_atom_v,
             observation_batch_ptr{std::make_shared<observation_batch>(entry.evidence)});
  revisions[entry.key] = std::move(child);
}

void trace_state::stop_revision(const std::string& key) {
  auto found = revisions.find(key);
  if (found == revisions.end())
    return;
  keys.erase(found->second.address());
  self->unlink_from(found->second);
  self->send_exit(found->second, caf::exit_reason::user_shutdown);
  revisions.erase(found);
}

void trace_state::on_revision_exit(const caf::actor_addr& who, const caf::error& reason) {
  auto key = std::move(keys.extract(who).mapped());
  revisions.erase(key);
  auto* entry = memory->table.find(key);
  if (entry == nullptr)
    return;
  auto ledger = entry->evidence; // dropping the change clears it
  auto dropped = memory->table.crashed(key, memory->now);
  if (events->revision_crashed)
    events->revision_crashed(memory->spec, key, text_of(reason), dropped, ledger);
  tell_moves();
}

void trace_state::tick(timestamp at) {
  memory->now = at;
  for (const auto& key : memory->table.take_restarts(at))
    if (auto* entry = memory->table.find(key))
      start_revision(*entry);
  for (const auto& key : memory->table.take_due(at))
    if (auto found = revisions.find(key); found != revisions.end())
      self->send(found->second, judge_atom_v, at);
  for (const auto& key : memory->table.forget_old(at)) {
    memory->estate.forget(key);
    stop_revision(key);
  }
  submit_waiting();
  publish_status();
  tell_progress();
}

void trace_state::conclude(const change_report& report) {
  auto action = memory->table.conclude(report, memory->spec, memory->settled_before, memory->now);
  if (events->concluded)
    events->concluded(memory->spec, {&report, action});
  tell_moves();
  // Whatever is handed out is kept as a submission; evidence that comes later opens the change again.
  if (report.settled && memory->table.retire_if_quiet(report.key)) {
    memory->estate.forget(report.key);
    stop_revision(report.key);
  }
  if (action != settle_action::submit)
    return;
  if (events->handed_out)
    events->handed_out(memory->spec, *memory->table.latest_submission());
  submit_waiting();
}

void trace_state::submit_waiting() {
  for (; exporter && credit > 0; --credit) {
    auto* next = memory->table.next_to_submit();
    if (next == nullptr)
      return;
    self->send(exporter, submit_atom_v, next->number, next->trace);
  }
}

void trace_state::acknowledge(const delivery_report& report) {
  auto done = memory->table.acknowledge(report);
  if (!done)
    return; // of an exporter that was replaced meanwhile: its credit went with it
  ++credit;
  if (events->finished)
    events->finished(memory->spec, done->number);
  if (report.delivered) {
    memory->last_trace_id = done->trace->id.to_hex();
    memory->last_revision = done->trace->revision;
    memory->last_change_key = done->trace->change_key;
    memory->last_export = std::max(memory->last_export, memory->now);
    memory->last_refusal.clear();
  } else {
    memory->last_refusal =
        "the trace of " + done->trace->change_key + " was refused for good: " + report.reason;
  }
  tell_moves();
  if (events->acknowledged)
    events->acknowledged(*done->trace, report);
  submit_waiting();
}

void trace_state::tell_moves() {
  for (const auto& move : memory->table.take_moves())
    if (events->moved)
      events->moved(memory->spec, move);
}

void trace_state::tell_progress() {
  if (!events->progressed || !is_known(memory->latest_fact) ||
      memory->now - memory->told_at < std::chrono::seconds{1})
    return;
  memory->told_at = memory->now;
  auto open = memory->table.nothing_open_before(memory->now);
  if (!open)
    return; // of unknown age: nothing is known to be over
  trace_horizon latest{memory->settled_before,
                       std::min(*open, memory->latest_fact - change_table::longest_lag), *open};
  // An idle Trace has nothing new to tell but the time.
  if (latest.settled_before == memory->told.settled_before &&
      latest.settled_until == memory->told.settled_until && latest.open_since >= memory->told.open_since &&
      latest.open_since - memory->told.open_since < std::chrono::seconds{1})
    return;
  memory->told = latest;
  events->progressed(memory->spec, latest);
}

void trace_state::publish_status() {
  // Only up to the last export, so that the status of an idle Trace does not change all the time.
  if (memory->exported_until < memory->last_export)
    if (auto until = memory->table.nothing_pending_before(memory->last_export))
      memory->exported_until = std::max(memory->exported_until, *until);
  trace_status status;
  status.namespace_name = memory->spec.namespace_name;
  status.name = memory->spec.name;
  status.uid = memory->spec.uid;
  status.generation = memory->spec.generation;
  status.ready = static_cast<bool>(exporter) && problem.empty();
  status.reason = status.ready ? "Succeeded" : problem_reason;
  status.message = status.ready ? "changes are followed and exported" : problem;
  if (!exporter && problem.empty()) {
    status.reason = "ExporterRestarting";
    status.message = "the exporter of the Provider is being restarted";
  }
  status.books = memory->table.books();
  status.books.traces_waiting = memory->table.submissions_waiting();
  if (!exporter && !problem.empty())
    status.books.traces_stranded = status.books.traces_waiting;
  status.last_trace_id = memory->last_trace_id;
  status.last_revision = memory->last_revision;
  status.last_change_key = memory->last_change_key;
  status.last_export = memory->last_export;
  status.last_refusal = memory->last_refusal;
  status.exported_until = memory->exported_until;
  if (ever_published && status == published)
    return;
  if (auto to = caf::actor_cast<watcher_actor>(owner)) {
    self->send(to, status_atom_v, trace_status_ptr{std::make_shared<trace_status>(status)});
    published = std::move(status);
    ever_published = true;
  }
}

trace_actor::behavior_type trace(trace_actor::stateful_pointer<trace_state> self,
                                 std::shared_ptr<trace_memory> memory,
                                 std::shared_ptr<const trace_events> events, caf::actor_addr owner) {
  auto& state = self->state;
  state.memory = std::move(memory);
  state.events = std::move(events);
  state.owner = std::move(owner);
  auto behavior = state.make_behavior();
  std::lock_guard guard{state.memory->use};
  // A successor finds open changes: their revision actors died with the predecessor.
  for (const auto& key : state.memory->table.open_keys())
    state.start_revision(*state.memory->table.find(key));
  state.memory->table.take_back_submissions();
  state.memory->table.recover();
  return behavior;
}

} // namespace tc::actors
