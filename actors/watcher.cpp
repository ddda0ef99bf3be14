#include "actors/watcher.hpp"

#include "actors/crash.hpp"
#include "actors/message_filter.hpp"

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <mutex>
#include <utility>

namespace tc::actors {

namespace {

/// A Trace at rest gets one tick in so many.
constexpr std::size_t ticks_at_rest = 100;

std::string provider_of(const trace_resource& spec) {
  return spec.namespace_name + '/' + spec.provider_name;
}

/// Whether the two specs follow the same things in the same way; status and generation apart.
bool same_spec(trace_resource left, const trace_resource& right) {
  left.generation = right.generation;
  left.exported_until = right.exported_until;
  return left == right;
}

} // namespace

watcher_actor::behavior_type watcher_state::make_behavior() {
  report_exceptions_as_errors(self);
  self->set_exit_handler([this](caf::exit_msg& message) {
    if (!on_end_of(message.source, message.reason))
      self->quit(message.reason);
  });
  // An exit that we ask for undoes the link: the end is told to monitors only.
  self->set_down_handler([this](caf::down_msg& message) { on_end_of(message.source, message.reason); });
  return {
      [this](observe_atom, const observation_batch_ptr& batch, caf::timestamp at) { observe(*batch, at); },
      [this](apply_atom, const trace_resource_ptr& spec) { apply(spec); },
      [this](apply_atom, const delivered_spans_ptr& told) { apply(told); },
      [this](remove_atom, const std::string& uid) { remove(uid); },
      [this](drain_atom, const std::string& uid) { drain(uid); },
      [this](bind_atom, const std::string& provider_name, const exporter_actor& exporter) {
        providers[provider_name] = {exporter, {}, {}};
        for (const auto& [uid, what] : memory->traces)
          if (provider_of(*what.spec) == provider_name)
            bind(what);
      },
      [this](unbind_atom, const std::string& provider_name, const std::string& reason,
             const std::string& message) {
        if (reason.empty())
          providers.erase(provider_name); // it is gone and nobody names it
        else
          providers[provider_name] = {exporter_actor{}, reason, message};
        for (const auto& [uid, what] : memory->traces)
          if (provider_of(*what.spec) == provider_name)
            bind(what);
      },
      [this](tick_atom, caf::timestamp at) { tick(at); },
      [this](status_atom, const trace_status_ptr& status) { send_status(status); },
  };
}

bool watcher_state::on_end_of(const caf::actor_addr& who, const caf::error& reason) {
  auto entry = uids.extract(who);
  if (entry.empty())
    return false;
  auto found = memory->traces.find(entry.mapped());
  if (found == memory->traces.end())
    return true; // the Trace is gone meanwhile
  auto& what = found->second;
  if (std::exchange(what.ending, false)) {
    begin(what);
    return true;
  }
  actors.erase(entry.mapped());
  what.restarts.crashed(memory->now);
  what.waiting_for_restart = true;
  ++memory->restarts;
  if (events->trace_crashed)
    events->trace_crashed(*what.spec, text_of(reason));
  return true;
}

void watcher_state::observe(const observation_batch& batch, timestamp at) {
  memory->now = at;
  memory->observations += batch.size();
  std::unordered_map<routing::subscriber, std::shared_ptr<observation_batch>> lists;
  for (const auto& fact : batch) {
    deliveries.clear();
    memory->routes.route(fact, deliveries);
    if (deliveries.empty())
      ++memory->unrouted;
    for (auto& [who, what] : deliveries) {
      auto& list = lists[who];
      if (!list)
        list = std::make_shared<observation_batch>();
      list->push_back(std::move(what));
    }
  }
  for (auto& [who, list] : lists) {
    auto uid = subscribers.find(who);
    if (uid == subscribers.end())
      continue;
    // An actor that waits for its restart is told everything retained when it starts.
    if (auto actor = actors.find(uid->second); actor != actors.end())
      self->send(actor->second, observe_atom_v, backlog::counted(memory->setup.waiting, std::move(list)), at);
  }
}

void watcher_state::apply(const trace_resource_ptr& spec) {
  auto [place, added] = memory->traces.try_emplace(spec->uid);
  auto& what = place->second;
  if (added)
    what.since = std::max(memory->began, memory->now);
  if (what.spec && what.subscriber != 0 && same_spec(*what.spec, *spec)) {
    // Also after a crash of this actor's predecessor: the memory is there, only the actor is not.
    what.spec = spec;
    std::lock_guard guard{what.memory->use};
    what.memory->spec.generation = spec->generation;
    return;
  }
  what.spec = spec;
  what.waiting_for_restart = false;
  if (what.subscriber != 0) {
    memory->routes.unsubscribe(what.subscriber);
    subscribers.erase(what.subscriber);
    what.subscriber = 0;
  }
  if (auto running = actors.extract(spec->uid); !running.empty()) {
    what.ending = true;
    self->monitor(running.mapped());
    self->send_exit(running.mapped(), caf::exit_reason::user_shutdown);
  }
  if (!what.ending)
    begin(what);
}

void watcher_state::apply(const delivered_spans_ptr& told) {
  auto found = memory->traces.find(told->uid);
  if (found == memory->traces.end())
    return;
  found->second.elsewhere = told;
  if (auto actor = actors.find(told->uid); actor != actors.end())
    self->send(actor->second, apply_atom_v, told);
}

void watcher_state::begin(followed_trace& what) {
  const auto& spec = what.spec;
  if (spec->suspend)
    return; // its status stays as it was, as Flux does it
  if (!spec->refused.empty()) {
    publish_problem(*spec, "InvalidSpec", spec->refused);
    return;
  }
  auto filter = message_filter(spec->inclusion_list, spec->exclusion_list);
  if (!filter) {
    publish_problem(*spec, "InvalidExpression", filter.error());
    return;
  }
  if (memory->setup.no_cross_namespace_refs)
    for (std::size_t i = 0; i < spec->event_sources.size(); ++i) {
      const auto& wanted = spec->event_sources[i].namespace_name;
      if (!wanted.empty() && wanted != spec->namespace_name) {
        publish_problem(
            *spec, "AccessDenied",
            "spec.eventSources[" + std::to_string(i) + "].namespace: '" + wanted +
                "' is another namespace than the Trace's, which --no-cross-namespace-refs forbids");
        return;
      }
    }
  auto options = trace::assembly_options::from(*spec, memory->setup.cluster_name);
  options.messages_only = memory->setup.messages_only;
  options.message_filter = std::move(*filter);
  std::vector<restored_submission> submitted;
  if (memory->setup.restored)
    if (auto before = memory->setup.restored->traces.extract(spec->uid); !before.empty()) {
      const auto& known = before.mapped();
      if (known.has_progress) // what happened while nobody watched is no history
        what.since = std::max(known.settled_before + memory->setup.backfill, known.settled_until);
      submitted = std::move(before.mapped().submissions);
    }
  auto fresh =
      std::make_shared<trace_memory>(*spec, std::move(options), history_of(what), memory->setup.remembered);
  fresh->max_live_changes = memory->setup.max_live_changes;
  fresh->tells_delivered = memory->setup.tells_delivered;
  fresh->ledger = memory->setup.ledger;
  fresh->wakes = memory->setup.wakes;
  fresh->table.charge_to(memory->setup.ledger, spec->uid);
  for (auto& each : submitted)
    fresh->table.restore({each.number, std::move(each.key), std::move(each.header), false, each.whole, true},
                         each.summary);
  if (what.memory)
    fresh->take_over(*what.memory); // what settled and waits is not lost by an edit, nor sent again
  what.memory = std::move(fresh);
  auto [subscriber, seed] = memory->routes.subscribe(*spec);
  what.subscriber = subscriber;
  start(what, std::move(seed));
}

void watcher_state::start(followed_trace& what, observation_batch seed) {
  const auto& uid = what.spec->uid;
  auto child = self->spawn<caf::linked>(trace, what.memory, events, caf::actor_cast<caf::actor_addr>(self));
  uids.emplace(child.address(), uid);
  subscribers[what.subscriber] = uid;
  what.waiting_for_restart = false;
  what.memory->asleep = false;
  actors[uid] = child;
  if (what.elsewhere)
    self->send(child, apply_atom_v, what.elsewhere);
  if (!seed.empty())
    self->send(child, observe_atom_v,
               observation_batch_ptr{std::make_shared<observation_batch>(std::move(seed))}, memory->now);
  bind(what);
}

void watcher_state::stop(const std::string& uid) {
  auto found = actors.find(uid);
  if (found == actors.end())
    return;
  uids.erase(found->second.address());
  self->unlink_from(found->second);
  self->send_exit(found->second, caf::exit_reason::user_shutdown);
  actors.erase(found);
}

void watcher_state::remove(const std::string& uid) {
  auto found = memory->traces.find(uid);
  if (found == memory->traces.end())
    return;
  stop(uid);
  if (found->second.subscriber != 0) {
    memory->routes.unsubscribe(found->second.subscriber);
    subscribers.erase(found->second.subscriber);
  }
  memory->traces.erase(found);
}

void watcher_state::drain(const std::string& uid) {
  auto found = memory->traces.find(uid);
  if (found == memory->traces.end())
    return;
  if (found->second.memory) {
    // For a successor of its actor too.
    std::lock_guard guard{found->second.memory->use};
    found->second.memory->draining = true;
  }
  if (auto actor = actors.find(uid); actor != actors.end())
    self->send(actor->second, drain_atom_v);
}

/// What was quiet before is history.
timestamp watcher_state::history_of(const followed_trace& what) const {
  auto out = what.since - memory->setup.backfill;
  if (memory->setup.takeover_gap == duration::zero())
    return out;
  // Its former owner tells how far it came; what happened when there was none is no history.
  out -= memory->setup.takeover_gap;
  if (what.spec->exported_until)
    out = std::max(out, *what.spec->exported_until - change_table::longest_lag);
  return out;
}

void watcher_state::bind(const followed_trace& what) {
  auto actor = actors.find(what.spec->uid);
  if (actor == actors.end())
    return;
  auto found = providers.find(provider_of(*what.spec));
  if (found == providers.end())
    self->send(actor->second, unbind_atom_v, std::string{"ProviderNotFound"},
               "Provider '" + provider_of(*what.spec) +
                   "' does not exist; what settles meanwhile waits for it");
  else if (!found->second.exporter)
    self->send(actor->second, unbind_atom_v, found->second.reason, found->second.problem);
  else
    self->send(actor->second, bind_atom_v, found->second.exporter);
}

void watcher_state::tick(timestamp at) {
  memory->now = at;
  for (auto& [uid, what] : memory->traces)
    if (what.waiting_for_restart && what.subscriber != 0 && what.restarts.due(at))
      start(what, memory->routes.retained_for(what.subscriber));
  // Those at rest in turns, so that no tick has them all.
  auto turn = ++ticks;
  for (auto& [uid, what] : memory->traces)
    if (++turn % ticks_at_rest == 0 || (what.memory && !what.memory->asleep))
      if (auto found = actors.find(uid); found != actors.end())
        self->send(found->second, tick_atom_v, at);
  if (auto to = caf::actor_cast<controller_actor>(owner))
    self->send(to, books_atom_v, memory->observations, memory->unrouted, memory->restarts);
}

void watcher_state::publish_problem(const trace_resource& spec, std::string reason, std::string message) {
  auto status = std::make_shared<trace_status>();
  status->namespace_name = spec.namespace_name;
  status->name = spec.name;
  status->uid = spec.uid;
  status->generation = spec.generation;
  status->stalled = true;
  status->reason = std::move(reason);
  status->message = std::move(message);
  send_status(std::move(status));
}

void watcher_state::send_status(trace_status_ptr status) {
  if (auto to = caf::actor_cast<controller_actor>(owner))
    self->send(to, status_atom_v, std::move(status));
}

watcher_actor::behavior_type watcher(watcher_actor::stateful_pointer<watcher_state> self,
                                     std::shared_ptr<watcher_memory> memory,
                                     std::shared_ptr<const trace_events> events, caf::actor_addr owner) {
  auto& state = self->state;
  state.memory = std::move(memory);
  state.events = std::move(events);
  state.owner = std::move(owner);
  auto behavior = state.make_behavior();
  // A successor finds the Traces that its predecessor followed, without their actors.
  for (auto& [uid, what] : state.memory->traces)
    if (std::exchange(what.ending, false))
      state.begin(what);
    else if (what.subscriber != 0)
      state.start(what, state.memory->routes.retained_for(what.subscriber));
  return behavior;
}

} // namespace tc::actors
