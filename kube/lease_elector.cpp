#include "kube/lease_elector.hpp"

#include <mutex>
#include <utility>

namespace tc::kube {

lease_reply to_lease_reply(const api_result& result) {
  lease_reply out;
  if (!result) {
    out.not_found = result.error().kind == api_failure::not_found;
    out.conflict = result.error().kind == api_failure::conflict;
    out.problem = result.error().message;
  } else if (auto lease = parse_lease(*result)) {
    out.lease = std::move(*lease);
  } else {
    out.problem = lease.error();
  }
  return out;
}

struct lease_elector::impl : std::enable_shared_from_this<lease_elector::impl> {
  impl(elector_context c, std::string ns, std::string lease, election_settings with,
       std::function<void(const lease_election&)> told)
      : context(std::move(c)), api(context.target, [clock = context.clock] { return clock().wall; }),
        namespace_name(std::move(ns)), name(std::move(lease)), election(std::move(with), context.random),
        changed(std::move(told)) {}

  void timer() { take(election.on_timer(context.clock())); }

  void take(const election_step& step) {
    tell([&] {
      if (changed)
        changed(election);
    });
    if (step.wait) {
      auto mine = ++timers;
      context.loop.after(*step.wait, [weak = weak_from_this(), mine] {
        if (auto self = weak.lock(); self && self->timers == mine)
          self->timer();
      });
    }
    if (step.send)
      send(*step.send);
    if (election.is_over())
      tell([&] {
        if (auto then = std::exchange(released, nullptr))
          then();
      });
  }

  /// Nobody is told anything once the elector is being destroyed, which waits for what is being told.
  template <class Function>
  void tell(Function&& function) {
    std::lock_guard guard{telling};
    if (!closed)
      function();
  }

  void send(const lease_request& request) {
    auto done = [weak = weak_from_this(), ticket = request.ticket](const api_result& result) {
      auto self = weak.lock();
      if (!self)
        return;
      self->take(self->election.on_reply(self->context.clock(), ticket, to_lease_reply(result)));
    };
    switch (request.verb) {
    case lease_verb::get:
      return api.get(lease_resource(), namespace_name, name, std::move(done));
    case lease_verb::create:
      return api.create(lease_resource(), namespace_name, to_json(request.lease, namespace_name, name),
                        std::move(done));
    case lease_verb::update:
      break;
    }
    api.replace(lease_resource(), namespace_name, name, to_json(request.lease, namespace_name, name),
                std::move(done));
  }

  elector_context context;
  api_client api;
  std::string namespace_name;
  std::string name;
  lease_election election;
  std::function<void(const lease_election&)> changed;
  std::function<void()> released;
  std::uint64_t timers = 0; ///< only the latest counts
  std::mutex telling;
  bool closed = false; ///< guarded by `telling`
};

lease_elector::lease_elector(elector_context context, std::string namespace_name, std::string lease_name,
                             election_settings with, std::function<void(const lease_election&)> changed)
    : impl_(std::make_shared<impl>(std::move(context), std::move(namespace_name), std::move(lease_name),
                                   std::move(with), std::move(changed))) {
  // nop
}

lease_elector::~lease_elector() {
  std::lock_guard guard{impl_->telling};
  impl_->closed = true;
}

void lease_elector::start() {
  impl_->context.loop.post([weak = std::weak_ptr{impl_}] {
    if (auto self = weak.lock())
      self->timer();
  });
}

void lease_elector::release(std::function<void()> done) {
  impl_->context.loop.post([weak = std::weak_ptr{impl_}, done = std::move(done)]() mutable {
    auto self = weak.lock();
    if (!self)
      return;
    ++self->timers;
    self->released = std::move(done);
    self->take(self->election.release(self->context.clock()));
  });
}

} // namespace tc::kube
