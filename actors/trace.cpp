#include "actors/trace.hpp"

#include "actors/crash.hpp"
#include "actors/revision.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <limits>
#include <mutex>
#include <unordered_set>
#include <utility>

namespace tc::actors {

namespace {

/// While so many changes are being judged, what comes waits. A change that has settled gets no more facts;
/// when verdicts came after a backlog instead, each fact of it would go into all the ledgers that are open.
constexpr std::size_t most_judged_at_once = 64;
/// As many where memory is bounded: what was drawn of them waits in this actor's mailbox, where no account
/// sees it.
constexpr std::size_t most_judged_in_bounds = 4;
/// Of the open changes one in so many is closed at a time when memory is short.
constexpr std::size_t closed_at_once = 16;
/// So many ticks after the last thing that happened, a Trace without an open change need not be ticked each
/// time: ten thousand of them took half a core.
constexpr unsigned ticks_before_rest = 50;

} // namespace

trace_actor::behavior_type trace_state::make_behavior() {
  report_exceptions_as_errors(self);
  self->set_exit_handler([this](caf::exit_msg& message) {
    if (keys.count(message.source) != 0) {
      std::lock_guard guard{memory->use};
      on_revision_exit(message.source, message.reason);
      go_on();
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
      wake();
      memory->table.take_back_submissions();
    }
  });
  return {
      [this](report_atom, const delivery_report_ptr& report) {
        std::lock_guard guard{memory->use};
        wake();
        acknowledge(*report);
      },
      [this](observe_atom, const observation_batch_ptr& batch, caf::timestamp at) {
        std::lock_guard guard{memory->use};
        wake();
        take({batch, at});
      },
      [this](bind_atom, const exporter_actor& to) {
        std::lock_guard guard{memory->use};
        wake();
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
        wake();
        exporter = exporter_actor{};
        credit = 0;
        problem_reason = reason;
        problem = message;
        memory->table.take_back_submissions();
        publish_status();
      },
      [this](tick_atom, caf::timestamp at) {
        std::lock_guard guard{memory->use};
        take({nullptr, at});
      },
      [this](apply_atom, const delivered_spans_ptr& told) {
        std::lock_guard guard{memory->use};
        wake();
        take_delivered(*told);
      },
      [this](drain_atom) {
        std::lock_guard guard{memory->use};
        wake();
        drain();
      },
      [this](report_atom, const change_report_ptr& report) {
        std::lock_guard guard{memory->use};
        wake();
        if (memory->draining)
          return; // the next process judges it
        conclude(*report);
        go_on();
        ask_for_tick();
      },
      [this](read_atom, std::uint64_t number, const completed_trace_ptr& trace) {
        std::lock_guard guard{memory->use};
        wake();
        take_read(number, trace);
      },
  };
}

/// From here on what comes is for the process that takes over.
void trace_state::drain() {
  memory->draining = true;
  held_back.clear();
  publish_status();
}

void trace_state::take(input next) {
  if (memory->draining) {
    if (next.batch)
      return;
    memory->now = next.at;
    release_memory();
    submit_waiting();
    publish_status();
    return;
  }
  held_back.push_back(std::move(next));
  go_on();
}

bool trace_state::bounded() const {
  return memory->ledger && memory->ledger->limit() != 0;
}

std::size_t trace_state::most_judged() const {
  if (!bounded())
    return most_judged_at_once;
  // What a change knows is unpacked for it: some thousand observations of a busy cluster.
  return memory->ledger->to_pack() > 0 ? 1 : most_judged_in_bounds;
}

/// Those that are due and could not be judged with the others.
void trace_state::judge_more() {
  if (bounded())
    judge_due();
}

void trace_state::go_on() {
  while (!held_back.empty() && memory->table.judging() < most_judged()) {
    auto next = std::move(held_back.front());
    held_back.pop_front();
    handle(next);
  }
}

void trace_state::handle(const input& next) {
  if (next.batch)
    observe(*next.batch, next.at);
  else
    tick(next.at);
  ask_for_tick();
}

void trace_state::wake() {
  idle_ticks = 0;
  memory->asleep = false;
}

/// A change is judged when it is due and not at the next tick, which may be nearly the tenth of a second
/// later.
void trace_state::ask_for_tick() const {
  auto next = memory->wakes ? memory->table.next_due() : std::nullopt;
  if (next && *next > memory->now) // what is due already waits for something else
    memory->wakes->ask(*next);
}

void trace_state::rest() {
  auto idle = revisions.empty() && held_back.empty() && !memory->table.waits_for_time() &&
              memory->table.live() == 0 && memory->table.submissions_waiting() == 0;
  idle_ticks = idle ? idle_ticks + 1 : 0;
  memory->asleep = idle_ticks > ticks_before_rest;
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
        memory->table.seed(*entry, memory->estate.evidence(key)); // with this fact
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
    change_table::packed_prints packed{*entry};
    std::unordered_set<const observation*> known;
    for (const auto& fact : entry->evidence)
      known.insert(fact.get());
    for (auto& fact : memory->estate.evidence(key))
      if (!packed.contain(*fact) && known.insert(fact.get()).second)
        entry->evidence.push_back(std::move(fact));
    news[key] = std::make_shared<observation_batch>(entry->evidence);
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
  pack_facts();
}

bool trace_state::start_revision(change_entry& entry) {
  auto evidence = memory->table.evidence_of(entry);
  if (!evidence) {
    memory->estate.forget(entry.key);
    note_loss("what an open change knew cannot be read back from the data directory");
    memory->table.lose(entry);
    tell_moves();
    return false;
  }
  revision_setup setup;
  setup.key = entry.key;
  setup.options = memory->options;
  setup.progressive = memory->spec.mode == export_mode::progressive;
  setup.stopwatch = events->stopwatch;
  auto child = self->spawn<caf::linked>(revision, std::move(setup));
  keys.emplace(child.address(), entry.key);
  self->send(child, observe_atom_v,
             observation_batch_ptr{std::make_shared<observation_batch>(std::move(*evidence))});
  revisions[entry.key] = std::move(child);
  return true;
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
  auto ledger = memory->table.evidence_of(*entry).value_or(entry->evidence); // dropping the change clears it
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
  release_memory();
  pack_facts();
  close_early();
  judge_due();
  for (const auto& key : memory->table.forget_old(at)) {
    memory->estate.forget(key);
    stop_revision(key);
  }
  submit_waiting();
  publish_status();
  tell_progress();
  rest();
}

void trace_state::judge_due() {
  const auto& ledger = memory->ledger;
  // Without room a change that would settle stays open: what it knows takes less than what is drawn of it.
  if (ledger && ledger->is_full())
    return;
  auto most = bounded() ? most_judged() : std::numeric_limits<std::size_t>::max();
  for (const auto& key : memory->table.take_due(memory->now, most))
    judge(key, memory->now);
}

bool trace_state::judge(const std::string& key, timestamp at) {
  auto found = revisions.find(key);
  if (found == revisions.end()) {
    auto* entry = memory->table.find(key);
    if (entry == nullptr || entry->packed.empty() || !start_revision(*entry))
      return false;
    found = revisions.find(key);
  }
  self->send(found->second, judge_atom_v, at);
  return true;
}

/// What open changes know leaves memory while observations take too much of it, until it is judged.
void trace_state::pack_facts() {
  auto bytes = memory->ledger ? memory->ledger->to_pack() : 0;
  if (bytes == 0)
    return;
  for (const auto& key : memory->table.pack_quietest(bytes, memory->now))
    stop_revision(key);
}

/// What may not stay in memory goes to the disk; where there is none, or it does not work, it is given up.
void trace_state::release_memory() {
  const auto& ledger = memory->ledger;
  if (!ledger)
    return;
  auto disk = static_cast<bool>(events->let_go);
  if (disk)
    for (auto number : ledger->to_spill(memory->spec.uid)) {
      auto went = events->let_go(memory->spec, number);
      if (went == let_go_result::gone)
        memory->table.spill(number);
      disk = disk && went != let_go_result::impossible;
    }
  if (disk)
    return;
  auto lost = ledger->to_drop(memory->spec.uid);
  if (!lost.empty())
    note_loss("traces that wait for their backend are dropped, the oldest first");
  for (auto number : lost)
    give_up(number, "memory_limit");
}

void trace_state::close_early() {
  const auto& ledger = memory->ledger;
  auto shortage = ledger ? ledger->shortage() : 0;
  if (shortage == 0 || shortage == std::exchange(shortage_seen, shortage))
    return;
  auto quietest = memory->table.close_quietest(closed_at_once);
  for (const auto& key : quietest) {
    if (!judge(key, memory->now + memory->spec.timeout + change_table::longest_lag))
      continue;
    if (events->closed_early)
      events->closed_early(memory->spec, key);
  }
  if (!quietest.empty())
    note_loss("open changes are settled before their time, the quietest first");
}

void trace_state::give_up(std::uint64_t number, const std::string& reason) {
  auto lost = memory->table.drop_submission(number, reason);
  if (!lost)
    return;
  if (events->finished)
    events->finished(memory->spec, number);
  if (events->given_up)
    events->given_up(memory->spec, *lost, reason);
  tell_moves();
  for (auto addition : memory->table.left_hanging_by(*lost))
    give_up(addition, reason);
}

void trace_state::note_loss(const std::string& what) {
  if (memory->ledger->note_loss(memory->now) && events->short_of_memory)
    events->short_of_memory(memory->spec, *memory->ledger, what);
}

void trace_state::conclude(const change_report& report) {
  const auto* entry = memory->table.find(report.key);
  auto closed = entry != nullptr && entry->closing;
  auto action = memory->table.conclude(report, memory->spec, memory->settled_before, memory->now);
  if (events->concluded) {
    const auto* fresh = action == settle_action::submit ? memory->table.latest_submission() : nullptr;
    auto first = fresh != nullptr && fresh->trace && !fresh->trace->addition;
    events->concluded(memory->spec, {&report, action, closed, first ? fresh->kept_by : std::string{}});
  }
  tell_moves();
  // Whatever is handed out is kept as a submission; evidence that comes later opens the change again.
  if (report.settled && memory->table.retire_if_quiet(report.key)) {
    memory->estate.forget(report.key);
    stop_revision(report.key);
  } else if (const auto* open = memory->table.find(report.key); open != nullptr && !open->packed.empty()) {
    stop_revision(report.key); // it was unpacked for this verdict
  }
  if (action != settle_action::submit) {
    judge_more();
    return;
  }
  if (events->handed_out)
    events->handed_out(memory->spec, *memory->table.latest_submission());
  if (memory->elsewhere.size() > 0)
    settle_elsewhere({}, memory->table.latest_submission()->number);
  submit_waiting();
  release_memory();
  judge_more();
}

void trace_state::take_delivered(const delivered_spans& told) {
  for (const auto& part : told.traces) {
    memory->delivered.add(part); // the next one to take over is to know it too
    for (const auto& id : part.spans)
      memory->elsewhere.add(part.id, id);
  }
  memory->exported_until = std::max(memory->exported_until, told.until);
  // A fact may be on its way here still, so the last minute before that time is judged by the list alone.
  settle_elsewhere(is_known(told.until) ? told.until - change_table::longest_lag : timestamp{}, 0);
}

void trace_state::settle_elsewhere(timestamp quiet_before, std::uint64_t first) {
  auto delivered = [this](const trace_id& trace, const span_id& id) {
    return memory->elsewhere.contains(trace, id);
  };
  for (const auto& done : memory->table.settle_elsewhere(delivered, quiet_before, first))
    if (events->finished)
      events->finished(memory->spec, done.number);
  tell_moves();
}

void trace_state::submit_waiting() {
  for (; exporter && credit > 0; --credit) {
    auto* next = memory->table.next_to_submit();
    if (next == nullptr)
      return;
    if (next->spilled)
      read_back(*next);
    else
      self->send(exporter, submit_atom_v, next->number, next->trace);
  }
}

/// Its credit is taken already; it is submitted when the answer comes.
void trace_state::read_back(submission& what) {
  if (std::exchange(what.reading, true))
    return; // asked for before its exporter was replaced
  auto me = caf::actor_cast<caf::actor_addr>(self);
  events->read_back(memory->spec, what.number, [me, number = what.number](completed_trace_ptr trace) {
    if (auto to = caf::actor_cast<trace_actor>(me))
      caf::anon_send(to, read_atom_v, number, std::move(trace));
  });
}

void trace_state::take_read(std::uint64_t number, const completed_trace_ptr& trace) {
  auto* what = memory->table.read_back(number, trace);
  if (what == nullptr)
    return;
  auto wanted = what->under_way && exporter;
  if (!trace) {
    credit += wanted ? 1 : 0;
    give_up(number, "store_lost");
    submit_waiting();
  } else if (wanted) {
    if (memory->elsewhere.size() > 0) {
      what->under_way = false;
      settle_elsewhere({}, number);
      what = memory->table.find_submission(number);
      if (what == nullptr) {
        ++credit;
        submit_waiting();
        return;
      }
      what->under_way = true;
    }
    self->send(exporter, submit_atom_v, number, what->trace);
  } else {
    release_memory(); // its exporter is gone meanwhile
  }
}

void trace_state::acknowledge(const delivery_report& report) {
  auto done = memory->table.acknowledge(report);
  if (!done)
    return; // of an exporter that was replaced meanwhile: its credit went with it
  ++credit;
  if (events->finished)
    events->finished(memory->spec, done->number);
  if (memory->tells_delivered) {
    delivered_trace part{done->trace->id, {}};
    for (const auto& value : done->trace->spans)
      part.spans.push_back(value.id);
    memory->delivered.add(part);
  }
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
  status.books.traces_spilled = memory->table.submissions_spilled();
  if (!exporter && !problem.empty())
    status.books.traces_stranded = status.books.traces_waiting;
  status.last_trace_id = memory->last_trace_id;
  status.last_revision = memory->last_revision;
  status.last_change_key = memory->last_change_key;
  status.last_export = memory->last_export;
  status.last_refusal = memory->last_refusal;
  status.exported_until = memory->exported_until;
  if (memory->tells_delivered)
    status.delivered = memory->delivered.latest();
  // Without a usable Provider nothing is under way, and the next process has what waits too.
  status.drained = memory->draining && (status.books.traces_waiting == 0 || status.books.traces_stranded > 0);
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
    if (auto* entry = state.memory->table.find(key); entry->packed.empty())
      state.start_revision(*entry);
  state.memory->table.take_back_submissions();
  state.memory->table.recover();
  return behavior;
}

} // namespace tc::actors
