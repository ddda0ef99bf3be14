// Leader election against an API server on loopback, with a lease that a slow machine can renew in time.

#include "kube/lease_elector.hpp"

#include "tests/support/scripted_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

using namespace tc;
using namespace tc::kube;
using namespace tc::testing;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const std::string collection = "/apis/coordination.k8s.io/v1/namespaces/flux-system/leases";

class fixed_access : public access_source {
public:
  explicit fixed_access(std::string server) : server_(std::move(server)) {}
  void get(std::function<void(access_result)> done) override {
    done(cluster_access{server_, nullptr, {"Authorization: Bearer t"}, std::string{}});
  }
  void refused() override {}
  std::string default_namespace() const override { return {}; }
  std::string description() const override { return server_; }

private:
  std::string server_;
};

/// Serves the one Lease with optimistic locking.
class lease_server {
public:
  json lease() const {
    std::lock_guard guard{mutex_};
    return lease_;
  }

private:
  scripted_response answer(const scripted_request& request) {
    std::lock_guard guard{mutex_};
    const std::string status = R"({"kind":"Status","message":"no"})";
    if (request.method == "GET")
      return lease_.is_null() ? scripted_response::json(status, 404) : scripted_response::json(lease_.dump());
    auto body = json::parse(request.body);
    if (request.method == "POST" ? !lease_.is_null()
                                 : lease_.is_null() || lease_["metadata"]["resourceVersion"] !=
                                                           body["metadata"]["resourceVersion"])
      return scripted_response::json(status, 409);
    body["metadata"]["resourceVersion"] = std::to_string(++version_);
    lease_ = body;
    return scripted_response::json(lease_.dump(), request.method == "POST" ? 201 : 200);
  }

  mutable std::mutex mutex_;
  json lease_;
  int version_ = 0;

public:
  scripted_server server{[this](const scripted_request& request) { return answer(request); }};
};

struct replica {
  replica(lease_server& to, const std::string& identity)
      : target(loop, std::make_shared<fixed_access>(to.server.url())),
        elector({loop, target,
                 [] {
                   return election_time{std::chrono::steady_clock::now().time_since_epoch(),
                                        std::chrono::system_clock::now()};
                 },
                 [] { return 0.5; }},
                "flux-system", "l", {identity, 6s, 5s, 200ms}, [this](const lease_election& now) {
                  std::lock_guard guard{mutex};
                  role = now.role();
                  changed.notify_all();
                }) {
    elector.start();
  }
  ~replica() { loop.stop(); }

  bool wait_for(election_role wanted) {
    std::unique_lock guard{mutex};
    return changed.wait_for(guard, generous_limit, [&] { return role == wanted; });
  }

  election_role now() {
    std::lock_guard guard{mutex};
    return role;
  }

  std::mutex mutex;
  std::condition_variable changed;
  election_role role = election_role::standby;
  runtime::http_loop loop;
  cluster target;
  lease_elector elector;
};

} // namespace

TEST(lease_elector, leads_hands_over_and_is_replaced) {
  lease_server api;
  auto one = std::make_unique<replica>(api, "one");
  ASSERT_TRUE(one->wait_for(election_role::leader));
  EXPECT_EQ(api.lease()["spec"]["holderIdentity"], "one");
  EXPECT_EQ(api.server.requests().front().path(), collection + "/l");
  replica two(api, "two");
  ASSERT_TRUE(api.server.wait_for_requests(api.server.requests().size() + 5));
  EXPECT_EQ(two.now(), election_role::standby);
  std::promise<void> given_back;
  one->elector.release([&] { given_back.set_value(); });
  ASSERT_EQ(given_back.get_future().wait_for(generous_limit), std::future_status::ready);
  ASSERT_TRUE(two.wait_for(election_role::leader));
  EXPECT_EQ(api.lease()["spec"]["leaseTransitions"], 1);
  one = std::make_unique<replica>(api, "three");
  two.loop.stop(); // like a crash: nothing is given back
  ASSERT_TRUE(one->wait_for(election_role::leader));
  EXPECT_EQ(api.lease()["spec"]["holderIdentity"], "three");
}

TEST(lease_elector, tells_nobody_anything_after_its_end) {
  lease_server api;
  api.server.be_a_black_hole(true);
  runtime::http_loop loop;
  cluster target(loop, std::make_shared<kube::fixed_access>(
                           cluster_access{api.server.url(), nullptr, {}, std::string{}}));
  auto told = std::make_shared<std::atomic<int>>(0);
  auto elector = std::make_unique<lease_elector>(
      elector_context{loop, target,
                      [] {
                        return election_time{std::chrono::steady_clock::now().time_since_epoch(),
                                             std::chrono::system_clock::now()};
                      },
                      [] { return 0.5; }},
      "flux-system", "l", election_settings{"one", 3s, 2s, 100ms},
      [told](const lease_election&) { ++*told; });
  elector->start();
  // What is posted next runs after the first step, whose request then waits for an answer.
  std::promise<void> begun;
  loop.post([&] { begun.set_value(); });
  begun.get_future().wait();
  elector->release([told] { ++*told; });
  elector.reset();
  auto before = told->load();
  api.server.be_a_black_hole(false);
  api.server.drop_connections(); // the request fails now
  loop.stop();
  EXPECT_EQ(told->load(), before);
}
