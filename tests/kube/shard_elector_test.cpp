// Shards shared by Leases against an API server on loopback: what is sent, and that the answers get there.
// The rules are shard_election_test.cpp's.

#include "kube/shard_elector.hpp"

#include "tests/support/scripted_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <condition_variable>
#include <future>
#include <map>
#include <mutex>

using namespace tc;
using namespace tc::kube;
using namespace tc::testing;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const std::string collection = "/apis/coordination.k8s.io/v1/namespaces/flux-system/leases";

/// Serves Leases with optimistic locking, and one of somebody else.
class lease_server {
public:
  std::string holder_of(const std::string& name) const {
    std::lock_guard guard{mutex_};
    auto found = leases_.find(name);
    return found == leases_.end() ? "" : found->second["spec"]["holderIdentity"].get<std::string>();
  }

private:
  scripted_response answer(const scripted_request& request) {
    std::lock_guard guard{mutex_};
    if (request.method == "GET") {
      auto items =
          json::array({{{"metadata", {{"name", "source-controller-leader-election"}}}}, "no object"});
      for (const auto& [name, lease] : leases_)
        items.push_back(lease);
      return scripted_response::json(json{{"kind", "LeaseList"}, {"items", std::move(items)}}.dump());
    }
    auto body = json::parse(request.body);
    auto name = body["metadata"]["name"].get<std::string>();
    auto found = leases_.find(name);
    if (request.method == "POST" ? found != leases_.end()
                                 : found == leases_.end() || found->second["metadata"]["resourceVersion"] !=
                                                                 body["metadata"]["resourceVersion"])
      return scripted_response::json(R"({"kind":"Status","message":"no"})", 409);
    body["metadata"]["resourceVersion"] = std::to_string(++version_);
    leases_[name] = body;
    return scripted_response::json(body.dump(), request.method == "POST" ? 201 : 200);
  }

  mutable std::mutex mutex_;
  std::map<std::string, json> leases_;
  int version_ = 0;

public:
  scripted_server server{[this](const scripted_request& request) { return answer(request); }};
};

/// Hands a shard over as soon as it is asked to.
struct replica {
  replica(lease_server& to, const std::string& identity)
      : target(loop, std::make_shared<fixed_access>(cluster_access{to.server.url(), nullptr, {}, {}})),
        elector({loop, target,
                 [] {
                   return election_time{std::chrono::steady_clock::now().time_since_epoch(),
                                        std::chrono::system_clock::now()};
                 },
                 [] { return 0.5; }},
                "flux-system", {identity, "tc", "", 2, 6s, 5s, 200ms, 0s}, [this](const shard_election& now) {
                  for (std::size_t shard = 0; shard < now.count(); ++shard)
                    if (now.holding(shard).leaving)
                      elector.give_back(shard);
                  std::lock_guard guard{mutex};
                  held = now.held();
                  problem = now.problem();
                  changed.notify_all();
                }) {
    elector.start();
  }
  ~replica() { loop.stop(); }

  template <class Condition>
  bool wait_until(Condition condition) {
    std::unique_lock guard{mutex};
    return changed.wait_for(guard, generous_limit, condition);
  }
  bool wait_until_held(std::size_t count) {
    return wait_until([&] { return held == count; });
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::size_t held = 0;
  std::string problem;
  runtime::http_loop loop;
  cluster target;
  shard_elector elector;
};

} // namespace

TEST(shard_elector, shares_hands_over_and_takes_over) {
  lease_server api;
  replica one(api, "one");
  ASSERT_TRUE(one.wait_until_held(2));
  EXPECT_EQ(api.server.requests().front().path(), collection);
  EXPECT_EQ(api.holder_of("tc-shard-1-of-2"), "one");
  EXPECT_EQ(api.holder_of("tc-replica-0-of-2"), "one");
  auto two = std::make_unique<replica>(api, "two");
  ASSERT_TRUE(two->wait_until_held(1));
  ASSERT_TRUE(one.wait_until_held(1));
  std::promise<void> retired;
  two->elector.retire([&] { retired.set_value(); });
  ASSERT_EQ(retired.get_future().wait_for(generous_limit), std::future_status::ready);
  EXPECT_EQ(api.holder_of("tc-replica-1-of-2"), "");
  ASSERT_TRUE(one.wait_until_held(2));
  two = std::make_unique<replica>(api, "three");
  ASSERT_TRUE(two->wait_until_held(1));
  two->loop.stop(); // like a crash: nothing is given back
  ASSERT_TRUE(one.wait_until_held(2));
}

TEST(shard_elector, says_why_leases_cannot_be_had) {
  scripted_server api{[](const scripted_request&) {
    return scripted_response::json(
        R"({"kind":"Status","message":"leases is forbidden: User cannot list resource","reason":"Forbidden"})",
        403);
  }};
  runtime::http_loop loop;
  cluster target(loop, std::make_shared<fixed_access>(cluster_access{api.url(), nullptr, {}, {}}));
  std::promise<std::string> told;
  bool once = false; // on the loop's thread
  shard_elector elector({loop, target,
                         [] {
                           return election_time{std::chrono::steady_clock::now().time_since_epoch(),
                                                std::chrono::system_clock::now()};
                         },
                         [] { return 0.5; }},
                        "flux-system", {"one", "tc", "", 2, 6s, 5s, 200ms, 0s},
                        [&](const shard_election& now) {
                          if (!now.problem().empty() && !std::exchange(once, true))
                            told.set_value(now.problem());
                        });
  elector.start();
  auto problem = told.get_future();
  ASSERT_EQ(problem.wait_for(generous_limit), std::future_status::ready);
  EXPECT_THAT(problem.get(), ::testing::HasSubstr("cannot list resource"));
  loop.stop();
}
