#include "actors/controller.hpp"

#include "actors/crash.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <utility>

namespace tc::actors {

namespace {

std::string name_of(const provider_binding& binding) {
  return binding.namespace_name + '/' + binding.name;
}

} // namespace

controller_actor::behavior_type controller_state::make_behavior() {
  report_exceptions_as_errors(self);
  self->set_exit_handler([this](caf::exit_msg& message) {
    auto crashed = [&](const std::string& what, supervised& supervision) {
      ++restarts;
      supervision.waiting = true;
      supervision.restarts.crashed(now);
      if (setup.crashed)
        setup.crashed(what, text_of(message.reason));
    };
    if (watching && watching.address() == message.source) {
      watching = watcher_actor{};
      crashed("watcher", watcher_supervision);
      return;
    }
    if (reporting && reporting.address() == message.source) {
      reporting = reporter_actor{};
      crashed("reporter", reporter_supervision);
      return;
    }
    for (auto& [provider_name, entry] : providers)
      if (entry.actor && entry.actor.address() == message.source) {
        entry.actor = exporter_actor{};
        crashed("exporter " + provider_name, entry.supervision);
        return;
      }
    self->quit(message.reason); // from outside: the process ends
  });
  self->set_down_handler([this](const caf::down_msg& message) { on_recalled(message.source); });
  return {
      [this](observe_atom, const observation_batch_ptr& batch, caf::timestamp at) {
        now = at;
        for (const auto& fact : *batch)
          journal.push_back(fact);
        while (journal.size() > setup.watching.max_recent)
          journal.pop_front();
        if (watching)
          self->send(watching, observe_atom_v, batch, at);
      },
      [this](apply_atom, const trace_resource_ptr& spec) {
        specs[spec->uid] = spec;
        if (watching)
          self->send(watching, apply_atom_v, spec);
      },
      [this](remove_atom, const std::string& uid) { forget(uid, false); },
      [this](remove_atom, const departure_ptr& what) { depart(what); },
      [this](drain_atom, const std::string& uid) {
        if (watching)
          self->send(watching, drain_atom_v, uid);
      },
      [this](apply_atom, const provider_binding_ptr& binding) { apply(binding); },
      [this](apply_atom, const delivered_spans_ptr& told) {
        if (watching)
          self->send(watching, apply_atom_v, told);
      },
      [this](lead_atom) { lead(); },
      [this](synced_atom) { synced = true; },
      [this](tick_atom, caf::timestamp at) { tick(at); },
      [this](drain_atom) {
        if (reporting)
          self->send(reporting, drain_atom_v);
      },
      [this](status_atom, const trace_status_ptr& status) {
        if (specs.count(status->uid) == 0)
          return; // of a Trace that was deleted meanwhile
        statuses[status->uid] = status;
        if (reporting)
          report(status);
      },
      [this](books_atom, const std::string& provider_name, const exporter_books& books) {
        if (auto found = providers.find(provider_name); found != providers.end())
          found->second.books = books;
      },
      [this](books_atom, std::uint64_t seen, std::uint64_t seen_unrouted, std::uint64_t seen_restarts) {
        observations = seen;
        unrouted = seen_unrouted;
        trace_restarts = seen_restarts;
      },
      [this](books_atom) { return books(); },
  };
}

void controller_state::start_watcher() {
  watcher_supervision.waiting = false;
  // A removal may have died in the mailbox of the predecessor.
  std::vector<std::string> gone;
  for (const auto& [uid, what] : watcher_memory_->traces)
    if (specs.count(uid) == 0)
      gone.push_back(uid);
  watching = self->spawn<caf::linked>(watcher, watcher_memory_, setup.events,
                                      caf::actor_cast<caf::actor_addr>(self));
  for (const auto& uid : gone)
    self->send(watching, remove_atom_v, uid);
  for (const auto& [provider_name, entry] : providers)
    if (entry.actor)
      self->send(watching, bind_atom_v, provider_name, entry.actor);
    else if (!entry.binding->setup)
      self->send(watching, unbind_atom_v, provider_name, entry.binding->reason, entry.binding->problem);
  for (const auto& [uid, spec] : specs)
    self->send(watching, apply_atom_v, spec);
  if (!journal.empty())
    self->send(watching, observe_atom_v,
               observation_batch_ptr{std::make_shared<observation_batch>(journal.begin(), journal.end())},
               now);
}

void controller_state::start_reporter() {
  reporter_supervision.waiting = false;
  reporting = self->spawn<caf::linked>(reporter, reporter_memory_,
                                       std::make_shared<const status_writer>(setup.write_status));
  statuses_sent = reporter_memory_->received; // what was under way to the predecessor is lost
  for (const auto& [uid, status] : statuses)
    report(status);
}

void controller_state::report(const trace_status_ptr& status) {
  ++statuses_sent;
  self->send(reporting, status_atom_v, status);
}

void controller_state::apply(const provider_binding_ptr& binding) {
  auto provider_name = name_of(*binding);
  if (binding->forgotten) {
    auto entry = providers.extract(provider_name);
    if (!entry.empty() && entry.mapped().actor) {
      self->unlink_from(entry.mapped().actor);
      self->send_exit(entry.mapped().actor, caf::exit_reason::user_shutdown);
    }
    if (watching)
      self->send(watching, unbind_atom_v, provider_name, std::string{}, std::string{});
    return;
  }
  auto& entry = providers[provider_name];
  entry.binding = binding;
  if (binding->setup) {
    if (entry.actor) {
      self->send(entry.actor, apply_atom_v, binding->setup);
      return;
    }
    if (leads && !entry.supervision.waiting && recalled.empty())
      start_exporter(provider_name);
    return;
  }
  // What it had not delivered comes back to the trace actors, which keep it until there is a Provider again.
  if (entry.actor) {
    self->unlink_from(entry.actor);
    self->send_exit(entry.actor, caf::exit_reason::user_shutdown);
    entry.actor = exporter_actor{};
  }
  entry.supervision.waiting = false;
  if (watching)
    self->send(watching, unbind_atom_v, provider_name, binding->reason, binding->problem);
}

void controller_state::start_exporter(const std::string& provider_name) {
  auto& entry = providers.at(provider_name);
  entry.supervision.waiting = false;
  if (!entry.memory) {
    entry.memory = std::make_shared<exporter_memory>();
    entry.memory->sent = sent_spans{setup.spans_remembered};
    if (setup.watching.restored)
      if (auto before = setup.watching.restored->sent.extract(provider_name); !before.empty())
        for (auto key : before.mapped())
          entry.memory->sent.add(key);
  }
  entry.actor = self->spawn<caf::linked>(exporter, provider_name, entry.memory, entry.binding->setup,
                                         caf::actor_cast<caf::actor_addr>(self));
  if (watching)
    self->send(watching, bind_atom_v, provider_name, entry.actor);
}

void controller_state::lead() {
  leads = true;
  for (auto& [provider_name, entry] : providers)
    if (entry.binding->setup && !entry.actor && !entry.supervision.waiting)
      start_exporter(provider_name);
}

void controller_state::tick(timestamp at) {
  now = at;
  if (watcher_supervision.waiting && watcher_supervision.restarts.due(at))
    start_watcher();
  if (reporter_supervision.waiting && reporter_supervision.restarts.due(at))
    start_reporter();
  for (auto& [provider_name, entry] : providers) {
    if (entry.supervision.waiting && recalled.empty() && entry.supervision.restarts.due(at))
      start_exporter(provider_name);
    if (entry.actor)
      self->send(entry.actor, tick_atom_v, at);
  }
  if (watching && synced)
    self->send(watching, tick_atom_v, at);
  if (reporting && synced && leads) // before, a Provider that has not been listed yet would be called missing
    self->send(reporting, tick_atom_v, at);
  if (setup.publish_books && at - books_published >= std::chrono::seconds{1}) {
    books_published = at;
    setup.publish_books(books());
  }
}

void controller_state::forget(const std::string& uid, bool handed_over) {
  if (auto spec = specs.extract(uid); !spec.empty() && reporting)
    self->send(reporting, remove_atom_v, spec.mapped()->namespace_name + '/' + spec.mapped()->name);
  if (auto status = statuses.extract(uid); !status.empty())
    close_books(status.mapped()->books, handed_over);
  if (watching)
    self->send(watching, remove_atom_v, uid);
}

void controller_state::depart(const departure_ptr& what) {
  for (const auto& uid : what->uids)
    forget(uid, true);
  // The next exporters are bound after these Traces were forgotten: they get nothing of them.
  if (what->recall)
    for (auto& [provider_name, entry] : providers)
      if (entry.actor) {
        self->unlink_from(entry.actor);
        self->monitor(entry.actor);
        recalled.insert(entry.actor.address());
        self->send_exit(entry.actor, caf::exit_reason::user_shutdown);
        entry.actor = exporter_actor{};
      }
  if (!what->recall || recalled.empty())
    what->done();
  else
    departing.push_back(what);
}

/// Not before all have ended: one that is in the midst of a message may still send.
void controller_state::on_recalled(const caf::actor_addr& exporter) {
  if (recalled.erase(exporter) == 0 || !recalled.empty())
    return;
  lead();
  for (const auto& each : std::exchange(departing, {}))
    each->done();
}

void controller_state::close_books(const trace_books& of, bool handed_over) {
  departed.observations += of.observations;
  departed.changes_opened += of.changes_opened;
  departed.changes_exported += of.changes_exported;
  departed.changes_history += of.changes_history;
  departed.changes_sampled_out += of.changes_sampled_out;
  departed.changes_filtered += of.changes_filtered;
  departed.changes_dropped += of.changes_dropped + (handed_over ? 0 : of.changes_pending);
  departed.changes_handed_over += handed_over ? of.changes_pending : 0;
  departed.spans_exported += of.spans_exported;
  departed.spans_dropped += of.spans_dropped;
  departed.spans_late += of.spans_late;
  departed.spans_faded += of.spans_faded;
  departed.restarts += of.restarts;
}

controller_books_ptr controller_state::books() const {
  auto out = std::make_shared<controller_books>();
  out->observations = observations;
  out->observations_unrouted = unrouted;
  out->restarts = restarts + trace_restarts;
  out->departed = departed;
  out->statuses_unwritten = statuses_sent - reporter_memory_->received + reporter_memory_->unwritten;
  for (const auto& [uid, status] : statuses)
    out->traces.emplace_back(status->namespace_name + '/' + status->name, status->books);
  for (const auto& [provider_name, entry] : providers)
    out->exporters.emplace_back(provider_name, entry.books);
  return out;
}

controller_actor::behavior_type controller(controller_actor::stateful_pointer<controller_state> self,
                                           controller_setup setup) {
  auto& state = self->state;
  state.setup = std::move(setup);
  state.now = state.setup.began;
  state.leads = state.setup.leads;
  state.watcher_memory_ = std::make_shared<watcher_memory>(state.setup.watching, state.setup.began);
  state.reporter_memory_ = std::make_shared<reporter_memory>();
  auto behavior = state.make_behavior();
  state.start_watcher();
  state.start_reporter();
  return behavior;
}

} // namespace tc::actors
