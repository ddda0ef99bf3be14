// What follows from an election for the process, in virtual time and without an API server.

#include "runtime/program/leadership.hpp"

#include "export/otlp_json.hpp"
#include "runtime/program/fenced_sink.hpp"
#include "runtime/program/lease_identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

using namespace tc;
using namespace tc::runtime;
using namespace std::chrono_literals;
using kube::election_role;

namespace {

/// One candidate, and a server that keeps its Lease.
class leadership_test : public ::testing::Test {
protected:
  kube::election_time time() const { return {now, timestamp{1h} + now}; }

  void take(const kube::election_step& step) {
    leader.changed(election);
    if (!step.send)
      return;
    kube::lease_reply reply;
    if (cut_off)
      return;
    if (step.send->verb == kube::lease_verb::get) {
      reply.lease = lease;
      reply.not_found = !lease;
    } else {
      lease = step.send->lease;
      lease->resource_version = std::to_string(++version);
      reply.lease = lease;
    }
    take(election.on_reply(time(), step.send->ticket, reply));
  }

  void run(duration length) {
    for (auto end = now + length; now < end;) {
      now += 100ms;
      take(election.on_timer(time()));
      if (!waiting.empty() && waiting.front().first <= now) {
        auto due = std::move(waiting.front().second);
        waiting.erase(waiting.begin());
        due();
      }
    }
  }

  duration now{1000s};
  std::optional<kube::lease_record> lease;
  int version = 0;
  bool cut_off = false;
  std::vector<std::pair<duration, std::function<void()>>> waiting;
  std::vector<std::string> told;
  std::string obstacle; ///< why what was delivered cannot be read
  leadership leader{{[this] { return now; },
                     [this](duration wait, std::function<void()> then) {
                       waiting.emplace_back(now + wait, std::move(then));
                     },
                     [this](const std::function<void(const std::string&)>& done) {
                       told.emplace_back("catches up");
                       done(obstacle);
                     },
                     [this] { told.emplace_back("begins"); }, [this] { told.emplace_back("lost"); },
                     [this](bool leads) { told.emplace_back(leads ? "shows 1" : "shows 0"); }},
                    logger{}};
  kube::lease_election election{{"one", 35s, 30s, 5s}, [] { return 0.5; }};
};

} // namespace

TEST_F(leadership_test, begins_once_it_knows_what_was_delivered) {
  EXPECT_FALSE(leader.leads());
  run(100ms);
  EXPECT_THAT(told, ::testing::ElementsAre("shows 1", "catches up", "begins"));
  EXPECT_TRUE(leader.leads());
  EXPECT_TRUE(leader.has_begun());
  run(10min);
  EXPECT_EQ(told.size(), 3u) << "once";
  EXPECT_TRUE(leader.leads());
}

TEST_F(leadership_test, does_not_begin_before_and_asks_again) {
  obstacle = "the API server is away";
  run(3s);
  EXPECT_FALSE(leader.has_begun());
  EXPECT_GE(told.size(), 3u);
  obstacle.clear();
  run(2s);
  EXPECT_TRUE(leader.has_begun());
  EXPECT_EQ(told.back(), "begins");
}

TEST_F(leadership_test, who_cannot_renew_stops_and_says_so_once) {
  run(1min);
  told.clear();
  cut_off = true;
  run(1min);
  EXPECT_THAT(told, ::testing::ElementsAre("shows 0", "lost"));
  EXPECT_TRUE(leader.is_lost());
  EXPECT_FALSE(leader.leads());
  EXPECT_FALSE(leader.has_begun());
}

TEST_F(leadership_test, who_was_stopped_for_a_while_is_no_leader_when_it_wakes) {
  run(1min);
  EXPECT_TRUE(leader.leads());
  now += 30s; // and no timer has run yet
  EXPECT_FALSE(leader.leads());
}

TEST_F(leadership_test, who_gave_the_lease_back_does_not_lead) {
  run(1min);
  take(election.release(time()));
  EXPECT_FALSE(leader.leads());
  EXPECT_FALSE(leader.is_lost());
  EXPECT_EQ(told.back(), "shows 0");
  EXPECT_EQ(lease->holder, "");
}

TEST_F(leadership_test, a_standby_sends_nothing_through_its_fence) {
  auto inner = std::make_shared<exporting::null_sink>(std::make_shared<exporting::otlp_json_encoder>());
  fenced_sink sink(inner, [this] { return leader.leads(); });
  std::vector<exporting::attempt_result> results;
  auto send = [&] {
    sink.send(std::make_shared<exporting::encoded_batch>(),
              [&](exporting::attempt_result result) { results.push_back(std::move(result)); });
  };
  send();
  EXPECT_EQ(inner->batches(), 0u);
  EXPECT_EQ(results.back().outcome, exporting::attempt_outcome::retry);
  EXPECT_EQ(results.back().reason, "not_leading");
  run(100ms);
  send();
  EXPECT_EQ(inner->batches(), 1u);
  EXPECT_EQ(results.back().outcome, exporting::attempt_outcome::delivered);
}

TEST(lease_identity, replicas_of_one_task_have_one_lease_and_names_of_their_own) {
  run_options options;
  EXPECT_EQ(lease_name(options), "trace-controller-leader-election");
  auto shard = options;
  shard.watch_label_selector = "sharding.fluxcd.io/key=a";
  EXPECT_NE(lease_name(shard), lease_name(options));
  EXPECT_EQ(lease_name(shard), lease_name(shard));
  auto space = options;
  space.watch_namespace = "sharding.fluxcd.io/key=a";
  EXPECT_NE(lease_name(space), lease_name(shard));
  auto part = options;
  part.shard = {1, 4};
  EXPECT_EQ(lease_name(part), "trace-controller-leader-election-shard-1-of-4");
  EXPECT_NE(lease_identity(), lease_identity());
}
