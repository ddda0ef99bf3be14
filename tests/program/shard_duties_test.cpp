// What follows from the shards that a process holds, in virtual time and without an API server.

#include "runtime/program/shard_duties.hpp"

#include "runtime/program/followed_shards.hpp"
#include "runtime/program/lease_identity.hpp"
#include "runtime/shard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

using namespace tc;
using namespace tc::runtime;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace {

/// A process before a server that keeps the Leases, and beside it a second one that is the election alone.
class shard_duties_test : public ::testing::Test {
protected:
  using elections = std::vector<std::unique_ptr<kube::shard_election>>;

  kube::election_time time() const { return {now, timestamp{1h} + now}; }

  kube::lease_reply answer(const kube::shard_request& asked) {
    kube::lease_reply out;
    auto found = leases.find(asked.name);
    if (asked.verb == kube::shard_verb::create
            ? found != leases.end()
            : found == leases.end() || found->second.resource_version != asked.lease.resource_version) {
      out.conflict = true;
      return out;
    }
    leases[asked.name] = asked.lease;
    leases[asked.name].resource_version = std::to_string(++version);
    out.lease = leases[asked.name];
    return out;
  }

  void take(kube::shard_election& who, kube::shard_step step) {
    if (&who == &election)
      duties.changed(election);
    for (const auto& each : step.send)
      if (&who != &election || !cut_off)
        take(who, each.verb == kube::shard_verb::list ? who.on_list(time(), each.ticket, {leases, {}})
                                                      : who.on_reply(time(), each.ticket, answer(each)));
  }

  void run(duration length) {
    for (auto end = now + length; now < end;) {
      now += 100ms;
      take(election, election.on_timer(time()));
      if (other) {
        take(*other, other->on_timer(time()));
        for (std::size_t shard = 0; shard < 2; ++shard)
          if (other->holding(shard).leaving)
            take(*other, other->give_back(time(), shard));
      }
      for (std::size_t i = 0; i < waiting.size();)
        if (waiting[i].first <= now) {
          auto due = std::move(waiting[i].second);
          waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(i));
          due();
        } else {
          ++i;
        }
    }
  }

  void join() {
    kube::sharding_settings with;
    with.identity = "other";
    with.prefix = "tc";
    with.count = 2;
    other = std::make_unique<kube::shard_election>(with, [] { return 0.5; });
  }

  static kube::sharding_settings settings() {
    kube::sharding_settings out;
    out.identity = "one";
    out.prefix = "tc";
    out.count = 2;
    return out;
  }

  duration now{1000s};
  std::map<std::string, kube::lease_record> leases;
  int version = 0;
  bool cut_off = false;
  std::vector<std::pair<duration, std::function<void()>>> waiting;
  std::vector<std::string> told;
  std::map<shard_event, int> events;
  std::size_t held = 0;
  std::string obstacle; ///< why the Traces cannot be read
  bool delivers = true;
  std::function<void()> dropped;
  kube::shard_election election{settings(), [] { return 0.5; }};
  std::unique_ptr<kube::shard_election> other;
  shard_duties duties{2,
                      8s,
                      {[this] { return now; },
                       [this](duration wait, std::function<void()> then) {
                         waiting.emplace_back(now + wait, std::move(then));
                       },
                       [this](const std::function<void(const std::string&)>& done) {
                         told.emplace_back("reads");
                         done(obstacle);
                       },
                       [this](const std::vector<std::size_t>& shards) {
                         for (auto shard : shards)
                           told.emplace_back("begins " + std::to_string(shard));
                       },
                       [this](std::size_t) { return delivers; },
                       [this](std::size_t shard) { told.emplace_back("drains " + std::to_string(shard)); },
                       [this](std::size_t shard, bool recall, std::function<void()> done) {
                         told.emplace_back((recall ? "recalls " : "drops ") + std::to_string(shard));
                         dropped = std::move(done);
                       },
                       [this](std::size_t shard) {
                         told.emplace_back("gives back " + std::to_string(shard));
                         waiting.emplace_back(
                             now, [this, shard] { take(election, election.give_back(time(), shard)); });
                       },
                       [this](shard_event event) { ++events[event]; },
                       [this](std::size_t now_held, std::size_t) { held = now_held; }},
                      logger{}};
};

} // namespace

TEST_F(shard_duties_test, begins_what_it_acquired_once_it_knows_what_was_delivered) {
  EXPECT_TRUE(duties.may_send()) << "it has nothing that it could send";
  EXPECT_FALSE(duties.may_write(0));
  obstacle = "no route to host";
  run(500ms);
  EXPECT_FALSE(duties.follows(0));
  EXPECT_FALSE(duties.may_write(0));
  obstacle.clear();
  told.clear();
  run(2s);
  EXPECT_THAT(told, ElementsAre("reads", "begins 0", "begins 1"));
  EXPECT_TRUE(duties.follows(1));
  EXPECT_TRUE(duties.may_send());
  EXPECT_TRUE(duties.may_write(0));
  EXPECT_EQ(held, 2u);
  EXPECT_EQ(events[shard_event::acquired], 2);
}

TEST_F(shard_duties_test, hands_over_in_order) {
  run(2s);
  told.clear();
  join();
  run(6s);
  ASSERT_THAT(told, ElementsAre("drains 1"));
  EXPECT_FALSE(duties.follows(1));
  EXPECT_TRUE(duties.may_send()) << "what has settled is delivered first";
  EXPECT_TRUE(duties.may_write(1));
  duties.handed_over(1);
  EXPECT_EQ(told.back(), "drops 1");
  EXPECT_FALSE(duties.may_write(1));
  dropped();
  EXPECT_EQ(told.back(), "gives back 1");
  duties.handed_over(1); // too late
  run(10s);
  EXPECT_EQ(leases.at("tc-shard-1-of-2").holder, "other");
  EXPECT_TRUE(duties.follows(0));
  EXPECT_EQ(held, 1u);
  EXPECT_EQ(events[shard_event::handed_over], 1);
  EXPECT_EQ(events[shard_event::lost], 0);
}

TEST_F(shard_duties_test, keeps_what_waits_for_its_backend_until_the_process_ends) {
  run(2s);
  told.clear();
  delivers = false;
  join();
  run(1min);
  EXPECT_THAT(told, IsEmpty());
  EXPECT_EQ(held, 2u);
  take(election, election.retire(time()));
  EXPECT_THAT(told, ElementsAre("drains 0", "drains 1"));
}

TEST_F(shard_duties_test, hands_over_once_the_backend_is_back) {
  run(2s);
  told.clear();
  delivers = false;
  join();
  run(1min);
  delivers = true;
  run(6s);
  EXPECT_THAT(told, ElementsAre("drains 1"));
}

TEST_F(shard_duties_test, recalls_what_could_not_be_delivered_in_time) {
  run(2s);
  join();
  run(6s);
  told.clear();
  run(5s);
  ASSERT_THAT(told, ElementsAre("recalls 1"));
  run(20s);
  EXPECT_EQ(leases.at("tc-shard-1-of-2").holder, "one") << "not before nothing of it is left";
  dropped();
  run(10s);
  EXPECT_EQ(leases.at("tc-shard-1-of-2").holder, "other");
}

TEST_F(shard_duties_test, sends_nothing_once_a_lease_may_have_run_out_and_goes_on_when_nobody_took_it) {
  run(2s);
  told.clear();
  cut_off = true;
  run(40s);
  EXPECT_FALSE(duties.may_send());
  EXPECT_FALSE(duties.may_write(0));
  EXPECT_THAT(told, IsEmpty()) << "it may still be its own";
  cut_off = false;
  run(30s);
  EXPECT_TRUE(duties.may_send());
  EXPECT_TRUE(duties.may_write(0));
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(shard_duties_test, drops_what_others_have_taken_before_it_sends_anything) {
  run(2s);
  cut_off = true;
  run(10s);
  join();
  run(50s);
  told.clear();
  cut_off = false;
  run(10s);
  ASSERT_THAT(told, ElementsAre("recalls 0", "recalls 1"));
  EXPECT_FALSE(duties.may_send()) << "exporters may still have something of them";
  EXPECT_EQ(events[shard_event::lost], 2);
}

TEST_F(shard_duties_test, a_process_that_stood_still_sends_nothing) {
  run(2s);
  now += 31s;
  EXPECT_FALSE(duties.may_send());
}

TEST(followed_shards, knows_whose_last_status_is_waited_for) {
  followed_shards traces(1);
  trace_resource one;
  one.uid = "one";
  one.generation = 2;
  auto two = one, three = one, four = one;
  two.uid = "two";
  three.uid = "three";
  three.suspend = true;
  four.uid = "four";
  for (const auto& each : {one, two, three, four})
    EXPECT_EQ(traces.seen(each), 0u);
  trace_status stalled;
  stalled.uid = "four";
  stalled.stalled = true;
  EXPECT_FALSE(traces.written(stalled));
  EXPECT_THAT(traces.drain(0), ElementsAre("one", "two"));
  trace_status last;
  last.uid = "one";
  EXPECT_FALSE(traces.written(last)) << "it was not its last";
  last.drained = true;
  EXPECT_FALSE(traces.written(last));
  EXPECT_EQ(traces.gone("two"), 0u) << "and nobody else is waited for";
  EXPECT_FALSE(traces.written(last));
  EXPECT_EQ(traces.of(0).size(), 3u);
}

TEST(followed_shards, a_list_that_is_behind_changes_nothing) {
  followed_shards traces(4);
  trace_resource trace;
  trace.uid = "one";
  trace.generation = 2;
  trace.name = "new";
  auto shard = traces.seen(trace);
  EXPECT_EQ(shard, shard::of("one", 4));
  trace.generation = 1;
  trace.name = "old";
  traces.seen(trace);
  EXPECT_EQ(traces.of(shard).at("one").name, "new");
}

TEST(lease_identity, shards_of_replicas_that_follow_other_traces_have_other_leases) {
  run_options options;
  EXPECT_EQ(shard_leases(options).prefix, "trace-controller");
  EXPECT_EQ(shard_leases(options).suffix, "");
  options.watch_namespace = "apps";
  EXPECT_EQ(shard_leases(options).suffix.size(), 17u);
}
