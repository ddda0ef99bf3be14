#include "actors/virtual_system.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/exit_reason.hpp>
#include <caf/make_message.hpp>
#include <caf/message_id.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/system_messages.hpp>
#include <caf/typed_event_based_actor.hpp>

namespace tc::actors {

namespace {

struct testing_config : caf::actor_system_config {
  testing_config() {
    add_message_types<caf::id_block::trace_controller>();
    set("scheduler.policy", caf::atom("testing"));
    set("logger.file-verbosity", caf::atom("quiet"));
    set("logger.console-verbosity", caf::atom("quiet"));
  }
};

/// A crash as a supervisor sees it, and not the kill of an operator, which no actor can handle.
const auto crash = caf::make_error(caf::sec::runtime_error, std::string{"sabotage"});

} // namespace

struct virtual_system::impl {
  impl(controller_setup setup, duration between_ticks)
      : tick(between_ticks), system(config), self(system, true),
        scheduler(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())), now(setup.began) {
    // Zero means "unset" to CAF's clock.
    scheduler.clock().current_time += std::chrono::hours{1};
    root = system.spawn(controller, std::move(setup));
    self->send(root, synced_atom_v);
    run();
  }

  ~impl() {
    saboteur = nullptr;
    self->send_exit(root, caf::exit_reason::user_shutdown);
    root = controller_actor{};
    while (scheduler.run() + scheduler.trigger_timeouts() > 0)
      continue;
  }

  void run() {
    while (scheduler.has_job()) {
      if (saboteur)
        if (auto* actor = dynamic_cast<caf::scheduled_actor*>(scheduler.jobs.front()))
          if (saboteur(actor->name()))
            // Goes before everything that is in the mailbox; from a stranger, so that no supervisor takes it
            // for the exit of a child.
            actor->enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                           caf::make_message(caf::exit_msg{self.address(), crash}), nullptr);
      scheduler.run_once();
      ++messages;
    }
  }

  duration tick;
  testing_config config;
  caf::actor_system system;
  caf::scoped_actor self;
  caf::scheduler::test_coordinator& scheduler;
  controller_actor root;
  timestamp now;
  std::function<bool(std::string_view)> saboteur;
  std::size_t messages = 0;
};

virtual_system::virtual_system(controller_setup setup, duration tick)
    : impl_(std::make_unique<impl>(std::move(setup), tick)) {
  // nop
}

virtual_system::~virtual_system() = default;

void virtual_system::apply(trace_resource_ptr spec) {
  impl_->self->send(impl_->root, apply_atom_v, std::move(spec));
  impl_->run();
}

void virtual_system::remove(const std::string& uid) {
  impl_->self->send(impl_->root, remove_atom_v, uid);
  impl_->run();
}

void virtual_system::drain(const std::string& uid) {
  impl_->self->send(impl_->root, drain_atom_v, uid);
  impl_->run();
}

void virtual_system::depart(departure_ptr what) {
  impl_->self->send(impl_->root, remove_atom_v, std::move(what));
  impl_->run();
}

void virtual_system::drain() {
  impl_->self->send(impl_->root, drain_atom_v);
  impl_->run();
}

void virtual_system::apply(provider_binding_ptr binding) {
  impl_->self->send(impl_->root, apply_atom_v, std::move(binding));
  impl_->run();
}

void virtual_system::apply(delivered_spans_ptr told) {
  impl_->self->send(impl_->root, apply_atom_v, std::move(told));
  impl_->run();
}

void virtual_system::lead() {
  impl_->self->send(impl_->root, lead_atom_v);
  impl_->run();
}

void virtual_system::observe(observation_ptr fact, timestamp at) {
  advance(at);
  auto batch = std::make_shared<observation_batch>();
  batch->push_back(std::move(fact));
  impl_->self->send(impl_->root, observe_atom_v, observation_batch_ptr{std::move(batch)}, impl_->now);
  impl_->run();
}

void virtual_system::advance(timestamp at) {
  while (impl_->now + impl_->tick <= at)
    tick(impl_->now + impl_->tick);
}

void virtual_system::tick(timestamp at) {
  impl_->now = at;
  impl_->self->send(impl_->root, tick_atom_v, at);
  impl_->run();
}

bool virtual_system::settle(duration limit) {
  auto end = impl_->now + limit;
  auto open = [](const controller_books& books) {
    for (const auto& [name, trace] : books.traces)
      if (trace.changes_pending + trace.changes_reopened > 0)
        return true;
    for (const auto& [name, exporter] : books.exporters)
      if (exporter.spans_pending > 0)
        return true;
    return false;
  };
  // What is known so far may not have reached the books yet: they are of the latest tick.
  advance(impl_->now + 2 * impl_->tick);
  while (open(*books())) {
    if (impl_->now >= end)
      return false;
    advance(impl_->now + impl_->tick);
  }
  return true;
}

timestamp virtual_system::now() const {
  return impl_->now;
}

controller_books_ptr virtual_system::books() {
  controller_books_ptr out;
  auto request = impl_->self->request(impl_->root, caf::infinite, books_atom_v);
  impl_->run();
  request.receive([&](controller_books_ptr& value) { out = std::move(value); }, [](const caf::error&) {});
  return out;
}

void virtual_system::set_saboteur(std::function<bool(std::string_view)> saboteur) {
  impl_->saboteur = std::move(saboteur);
}

std::size_t virtual_system::messages() const {
  return impl_->messages;
}

} // namespace tc::actors
