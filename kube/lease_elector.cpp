#include "kube/lease_elector.hpp"

#include "kube/elector_driver.hpp"

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

struct lease_elector::impl : elector_driver<lease_elector::impl, lease_election> {
  impl(elector_context c, std::string ns, std::string lease, election_settings with,
       std::function<void(const lease_election&)> told)
      : elector_driver(std::move(c), std::move(ns), std::move(with), std::move(told)),
        name(std::move(lease)) {}

  void take(const election_step& step) {
    tell_changed();
    if (step.wait)
      set_timer(*step.wait);
    if (step.send)
      send(*step.send);
    tell_if_over();
  }

  void send(const lease_request& request) {
    auto done = when_answered([ticket = request.ticket](impl& self, const api_result& result) {
      self.take(self.election.on_reply(self.context.clock(), ticket, to_lease_reply(result)));
    });
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

  std::string name;
};

lease_elector::lease_elector(elector_context context, std::string namespace_name, std::string lease_name,
                             election_settings with, std::function<void(const lease_election&)> changed)
    : impl_(std::make_shared<impl>(std::move(context), std::move(namespace_name), std::move(lease_name),
                                   std::move(with), std::move(changed))) {
  // nop
}

lease_elector::~lease_elector() {
  impl_->stop_telling();
}

void lease_elector::start() {
  impl_->post([](impl& self) { self.timer(); });
}

void lease_elector::release(std::function<void()> done) {
  impl_->post([done = std::move(done)](impl& self) mutable {
    ++self.timers;
    self.over = std::move(done);
    self.take(self.election.release(self.context.clock()));
  });
}

} // namespace tc::kube
