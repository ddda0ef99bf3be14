#include "kube/shard_elector.hpp"

#include <mutex>
#include <utility>

namespace tc::kube {

struct shard_elector::impl : std::enable_shared_from_this<shard_elector::impl> {
  impl(elector_context c, std::string ns, sharding_settings with,
       std::function<void(const shard_election&)> told)
      : context(std::move(c)), api(context.target, [clock = context.clock] { return clock().wall; }),
        namespace_name(std::move(ns)), election(std::move(with), context.random), changed(std::move(told)) {}

  void timer() { take(election.on_timer(context.clock())); }

  void take(const shard_step& step) {
    if (step.wait) {
      auto mine = ++timers;
      context.loop.after(*step.wait, [weak = weak_from_this(), mine] {
        if (auto self = weak.lock(); self && self->timers == mine)
          self->timer();
      });
    }
    for (const auto& request : step.send)
      send(request);
    tell([&] {
      if (changed)
        changed(election);
    });
    if (election.is_over())
      tell([&] {
        if (auto then = std::exchange(retired, nullptr))
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

  /// Calls `then` with an answer while this is there.
  template <class Function>
  api_callback when_answered(Function then) {
    return [weak = weak_from_this(), then = std::move(then)](const api_result& result) {
      if (auto self = weak.lock())
        then(*self, result);
    };
  }

  void send(const shard_request& request) {
    auto ticket = request.ticket;
    if (request.verb == shard_verb::list) {
      api.send("GET", collection_path(lease_resource(), namespace_name), {}, {},
               when_answered([ticket](impl& self, const api_result& result) {
                 lease_list reply;
                 if (!result)
                   reply.problem = result.error().message;
                 else if (auto leases = parse_lease_list(*result))
                   reply.leases = std::move(*leases);
                 else
                   reply.problem = leases.error();
                 self.take(self.election.on_list(self.context.clock(), ticket, reply));
               }));
      return;
    }
    auto done = when_answered([ticket](impl& self, const api_result& result) {
      self.take(self.election.on_reply(self.context.clock(), ticket, to_lease_reply(result)));
    });
    auto body = to_json(request.lease, namespace_name, request.name);
    if (request.verb == shard_verb::create)
      api.create(lease_resource(), namespace_name, std::move(body), std::move(done));
    else
      api.replace(lease_resource(), namespace_name, request.name, std::move(body), std::move(done));
  }

  elector_context context;
  api_client api;
  std::string namespace_name;
  shard_election election;
  std::function<void(const shard_election&)> changed;
  std::function<void()> retired;
  std::uint64_t timers = 0; ///< only the latest counts
  std::mutex telling;
  bool closed = false; ///< guarded by `telling`
};

shard_elector::shard_elector(elector_context context, std::string namespace_name, sharding_settings with,
                             std::function<void(const shard_election&)> changed)
    : impl_(std::make_shared<impl>(std::move(context), std::move(namespace_name), std::move(with),
                                   std::move(changed))) {
  // nop
}

shard_elector::~shard_elector() {
  std::lock_guard guard{impl_->telling};
  impl_->closed = true;
}

void shard_elector::start() {
  impl_->context.loop.post([weak = std::weak_ptr{impl_}] {
    if (auto self = weak.lock())
      self->timer();
  });
}

void shard_elector::give_back(std::size_t shard) {
  impl_->context.loop.post([weak = std::weak_ptr{impl_}, shard] {
    if (auto self = weak.lock())
      self->take(self->election.give_back(self->context.clock(), shard));
  });
}

void shard_elector::retire(std::function<void()> done) {
  impl_->context.loop.post([weak = std::weak_ptr{impl_}, done = std::move(done)]() mutable {
    auto self = weak.lock();
    if (!self)
      return;
    self->retired = std::move(done);
    self->take(self->election.retire(self->context.clock()));
  });
}

} // namespace tc::kube
