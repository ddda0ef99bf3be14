// What may be said when a part of the story was not seen: a process that started in its midst, or a watch
// that was interrupted. The cluster in miniature tells the whole; the tests look at what is left of it.

#include "tests/support/outage.hpp"
#include "tests/support/restart.hpp"
#include "tests/trace/cluster.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tc::trace {
namespace {

using namespace std::chrono_literals;
using test::cluster;
using test::object;
using test::reading_traces;
using test::sha;
using testing::ElementsAre;

const auto git = object("GitRepository", "demo");
const auto mirror = object("GitRepository", "mirror");
const auto app = object("Kustomization", "app");
const auto other = object("Kustomization", "other");
const auto web = object_id{"apps", "Deployment", "default", "web"};

std::string at(char digit) {
  return "main@" + sha(digit);
}

cluster settled_cluster() {
  cluster world;
  world.patch(git);
  world.follow(app, git);
  world.patch(app, [](object_state& state) { state.generation = 1; });
  world.fetch(git, at('a'));
  world.run(app, at('a'));
  world.wait(60s);
  return world;
}

std::vector<completed_trace> traces_of(const std::vector<observation_ptr>& facts) {
  ledger all;
  for (const auto& fact : facts)
    all.add(fact);
  return assemble_all(all, {});
}

/// What a process sees that starts now, and what the cluster has done since.
std::vector<completed_trace> after_restart(const cluster& world, std::size_t from) {
  return traces_of(test::seen_after_restart(world.facts, from));
}

/// Another source at the commit that `git` has just had, and then `git` goes on.
cluster two_sources_of_which_the_first_goes_on() {
  auto world = settled_cluster();
  world.fetch(mirror, at('a'));
  world.follow(other, mirror);
  world.patch(other);
  world.run(other, at('a'));
  world.wait(60s);
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  world.wait(5s);
  world.fetch(mirror, at('b'));
  world.run(other, at('b'));
  world.wait(60s);
  world.fetch(git, at('c'));
  world.run(app, at('c'));
  return world;
}

TEST(restart_of_ours, knows_the_source_that_had_a_commit_first_from_who_applied_it) {
  auto world = two_sources_of_which_the_first_goes_on();
  auto traces = after_restart(world, world.facts.size());
  reading_traces read{traces};
  EXPECT_EQ(read.parent(sha('b'), git), "root");
  EXPECT_EQ(read.parent(sha('b'), mirror), "GitRepository/demo");
  EXPECT_EQ(read.parent(sha('b'), other), "GitRepository/mirror");
  EXPECT_EQ(read.outcome(sha('b')), "succeeded");
}

TEST(restart_of_ours, does_not_say_that_a_source_had_what_its_follower_may_have_taken_from_another) {
  auto world = two_sources_of_which_the_first_goes_on();
  world.patch(app, [](object_state& state) { ++state.generation; }); // perhaps its sourceRef, by hand
  auto traces = after_restart(world, world.facts.size());
  EXPECT_EQ(reading_traces{traces}.parent(sha('b'), git), "no span");
  EXPECT_EQ(reading_traces{traces}.parent(sha('b'), mirror), "root");
}

TEST(restart_of_ours, does_not_give_a_rollout_to_the_attempt_after_the_crashed_one_that_began_it) {
  auto world = settled_cluster();
  world.own(web, app);
  world.state(web).workload = workload_state{1, 1, 1, 1, 1, {"ghcr.io/acme/web:1.2"}};
  world.patch(web);
  world.wait(60s);
  world.fetch(git, at('b'));
  world.begin(app, at('b'));
  world.change_spec(web);
  world.check_health(app, at('b'));
  world.wait(14s); // its controller has crashed; Ready keeps the second of the attempt that was cut short
  world.begin(app, at('b'));
  world.check_health(app, at('b'));
  auto restarted = world.facts.size();
  world.succeed(app, at('b'));
  auto whole = world.traces();
  auto part = after_restart(world, restarted);
  EXPECT_THAT(reading_traces{whole}.runs(sha('b'), app), ElementsAre("incomplete Interrupted", "succeeded"));
  EXPECT_THAT(reading_traces{part}.runs(sha('b'), app), ElementsAre("succeeded"));
  EXPECT_EQ(reading_traces{whole}.spans_named(sha('b'), "roll out Deployment web"), 1);
  EXPECT_EQ(reading_traces{part}.spans_named(sha('b'), "roll out Deployment web"), 0);
}

TEST(outage_of_the_watch, does_not_hide_that_a_source_went_away_from_a_commit_and_came_back) {
  auto world = settled_cluster();
  auto from = world.facts.size();
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  world.wait(60s);
  world.fetch(git, at('a'));
  auto key = sha('a') + '@' + to_rfc3339(world.state(git).artifact->last_update);
  world.run(app, at('a'));
  auto traces = traces_of(test::seen_with_outage(world.facts, from, world.facts.size()));
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), app), ElementsAre("succeeded"));
  EXPECT_EQ(reading_traces{traces}.trace(sha('b')), nullptr); // nothing shows it any more
  for (const auto& each : traces)
    EXPECT_TRUE(each.change_key == sha('a') || each.change_key == key) << each.change_key;
}

TEST(outage_of_the_watch, leaves_open_how_a_rollout_ended_that_the_next_one_followed_meanwhile) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.own(web, app);
    world.state(web).workload = workload_state{1, 0, 0, 0, 0, {"ghcr.io/acme/web:1.2"}};
    world.patch(web);
  });
  auto from = world.facts.size();
  world.patch(web, [](object_state& state) {
    state.observed_generation = 1;
    state.workload = workload_state{1, 1, 1, 1, 1, {"ghcr.io/acme/web:1.2"}};
  });
  world.wait(60s);
  world.fetch(git, at('c'));
  world.run(app, at('c'), [&] { world.change_spec(web); });
  auto traces = traces_of(test::seen_with_outage(world.facts, from, world.facts.size()));
  int rollouts = 0;
  for (const auto& each : reading_traces{traces}.trace(sha('b'))->spans)
    if (each.text("flux.span.kind") == "workload") {
      ++rollouts;
      EXPECT_EQ(each.text("flux.outcome"), "incomplete");
      EXPECT_EQ(each.text("flux.reason"), "NotSeen");
    }
  EXPECT_EQ(rollouts, 1);
}

TEST(outage_of_the_watch, does_not_give_a_prune_that_it_hid_to_the_apply_before_it) {
  auto world = settled_cluster();
  auto pruned = object("Kustomization", "pruned");
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.own(pruned, app);
    world.patch(pruned);
    world.state(app).inventory.push_back(pruned);
  });
  auto from = world.facts.size();
  world.wait(60s);
  world.fetch(git, at('c'));
  world.run(app, at('c'), [&] {
    world.state(app).inventory.clear();
    world.remove(pruned);
  });
  auto traces = traces_of(test::seen_with_outage(world.facts, from, world.facts.size()));
  for (const auto& each : traces)
    EXPECT_EQ(reading_traces{traces}.spans_named(each.change_key, "delete Kustomization pruned"), 0);
  EXPECT_NE(reading_traces{traces}.outcome(sha('c')), "incomplete"); // it is known to be gone
}

// The spam filter dropped the first finish; the second, of the same second, counts up and names no revision.
TEST(lost_finish, is_not_replaced_by_that_of_a_shorter_run_in_the_same_second) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.fetch(git, at('c'));
  world.begin(app, at('b'));
  world.check_health(app, at('b'));
  world.wait(5s);
  world.measured = 5100ms;
  world.succeed(app, at('b'));
  world.measured = 90ms;
  world.run(app, at('c'));
  world.event(app, "ReconciliationSucceeded", "Reconciliation finished in 92ms, next run in 1m0s", "", 7);
  auto traces = traces_of(world.facts);
  const auto* trace = reading_traces{traces}.trace(sha('b'));
  ASSERT_NE(trace, nullptr);
  for (const auto& each : trace->spans)
    if (each.text("flux.span.kind") == "run") {
      EXPECT_EQ(each.end - each.start, 5100ms);
    }
}

} // namespace
} // namespace tc::trace
