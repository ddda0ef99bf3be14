#include "kube/shard_elector.hpp"

#include "kube/elector_driver.hpp"

#include <utility>

namespace tc::kube {

struct shard_elector::impl : elector_driver<shard_elector::impl, shard_election> {
  using elector_driver::elector_driver;

  void take(const shard_step& step) {
    if (step.wait)
      set_timer(*step.wait);
    for (const auto& request : step.send)
      send(request);
    tell_changed();
    tell_if_over();
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
};

shard_elector::shard_elector(elector_context context, std::string namespace_name, sharding_settings with,
                             std::function<void(const shard_election&)> changed)
    : impl_(std::make_shared<impl>(std::move(context), std::move(namespace_name), std::move(with),
                                   std::move(changed))) {
  // nop
}

shard_elector::~shard_elector() {
  impl_->stop_telling();
}

void shard_elector::start() {
  impl_->post([](impl& self) { self.timer(); });
}

void shard_elector::give_back(std::size_t shard) {
  impl_->post([shard](impl& self) { self.take(self.election.give_back(self.context.clock(), shard)); });
}

void shard_elector::retire(std::function<void()> done) {
  impl_->post([done = std::move(done)](impl& self) mutable {
    self.over = std::move(done);
    self.take(self.election.retire(self.context.clock()));
  });
}

} // namespace tc::kube
