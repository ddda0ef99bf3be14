// One story for each hard case of attribution (docs/attribution.md), told to the heart in a cluster in
// miniature.

#include "kube/decode/decode.hpp"
#include "tests/support/restart.hpp"
#include "tests/trace/cluster.hpp"
#include "trace/explain.hpp"
#include "trace/revision.hpp"
#include "trace/settle.hpp"
#include "trace/span_ids.hpp"

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
using testing::IsEmpty;

const auto git = object("GitRepository", "demo");
const auto app = object("Kustomization", "app");
const auto base = object("Kustomization", "base");
const auto rel = object("HelmRelease", "rel");
const auto chart = object("HelmChart", "flux-system-rel");

std::string at(char digit) {
  return "main@" + sha(digit);
}

/// A Git source at commit a, which app has applied long ago.
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

/// As above, with a release that app applied and that is installed.
cluster cluster_with_release() {
  cluster world;
  world.patch(git);
  world.follow(app, git);
  world.patch(app);
  world.fetch(git, at('a'));
  world.run(app, at('a'), [&] {
    world.own(rel, app);
    world.state(rel).generation = 1;
    world.state(rel).helm_chart = "flux-system/flux-system-rel";
    world.patch(rel);
  });
  world.state(chart).source_ref = object("HelmRepository", "charts");
  world.own(chart, rel);
  world.fetch(chart, "0.1.0");
  world.begin_release(rel, "install", "0.1.0", "sha256:v1");
  world.end_release(rel, "InstallSucceeded", 1);
  world.wait(60s);
  return world;
}

TEST(kustomization, runs_for_a_commit_under_its_source) {
  auto world = settled_cluster();
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('a'), app), ElementsAre("succeeded"));
  EXPECT_EQ(read.parent(sha('a'), app), "GitRepository/demo");
  EXPECT_EQ(read.outcome(sha('a')), "succeeded");
}

TEST(kustomization, has_no_run_for_an_interval_or_a_request_at_the_same_revision) {
  auto world = settled_cluster();
  world.run(app, at('a'));
  world.patch(app, [](object_state& state) { state.requested_at = "now"; });
  world.run(app, at('a'));
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), app), ElementsAre("succeeded"));
}

TEST(kustomization, that_a_commit_changes_nothing_for_has_a_run_that_says_so) {
  cluster world;
  world.patch(git);
  world.follow(app, git);
  world.patch(app);
  for (char commit : {'a', 'b'}) {
    world.fetch(git, at(commit));
    world.run(app, at(commit), {}, "the same manifests");
    world.wait(60s);
  }
  for (const auto& trace : world.traces())
    for (const auto& each : trace.spans)
      if (each.text("flux.span.kind") == "run") {
        const auto* changed = each.find("flux.changed");
        ASSERT_TRUE(changed);
        EXPECT_EQ(std::get<bool>(*changed), trace.change_key == sha('a'));
      }
}

TEST(kustomization, fails_at_an_interval_after_it_succeeded_without_a_run) {
  auto world = settled_cluster();
  world.begin(app, at('a'));
  world.fail(app, at('a'), "HealthCheckFailed");
  world.wait(10s);
  world.run(app, at('a'));
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), app), ElementsAre("succeeded"));
}

TEST(kustomization, has_a_run_for_each_failure_and_one_for_the_success) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  for (int i = 0; i < 3; ++i) {
    world.begin(app, at('b'));
    world.fail(app, at('b'), "BuildFailed");
    world.wait(10s);
  }
  world.run(app, at('b'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), app),
              ElementsAre("failed BuildFailed", "failed BuildFailed", "failed BuildFailed", "succeeded"));
  EXPECT_EQ(read.outcome(sha('b')), "succeeded");
}

TEST(kustomization, whose_path_a_commit_took_away_has_failed) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.begin(app, at('b'));
  world.wait(20ms);
  world.patch(app, [&](object_state& state) {
    cluster::set_condition(state, "Reconciling", "True", "ProgressingWithRetry",
                           "Fetching manifests for revision " + at('b') + " with a timeout of 30s",
                           world.second());
    cluster::set_condition(
        state, "Ready", "False", "ArtifactFailed",
        "kustomization path not found: stat /tmp/kustomization-123/app: no such file or directory",
        world.second());
  });
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), app), ElementsAre("failed ArtifactFailed"));
}

TEST(kustomization, that_waits_for_an_artifact_has_not_begun) {
  auto world = settled_cluster();
  auto late = object("Kustomization", "late");
  auto other = object("GitRepository", "other");
  world.patch(other);
  world.follow(late, other);
  world.patch(late, [&](object_state& state) {
    state.generation = 1;
    cluster::set_condition(state, "Ready", "False", "ArtifactFailed",
                           "Source artifact not found, retrying in 30s", world.second());
  });
  world.wait(5s);
  world.fetch(other, at('7'));
  world.run(late, at('7'));
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('7'), late), ElementsAre("succeeded"));
}

TEST(kustomization, cut_short_by_a_crash_is_incomplete) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.begin(app, at('b'));
  world.check_health(app, at('b'));
  world.wait(14s); // its controller is gone; Ready keeps its second when the next one starts
  world.run(app, at('b'));
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), app), ElementsAre("incomplete Interrupted", "succeeded"));
}

TEST(kustomization, whose_health_check_a_newer_revision_cancels_is_superseded) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.begin(app, at('b'));
  world.check_health(app, at('b'));
  world.fetch(git, at('c'));
  world.fail(app, at('b'), "HealthCheckCanceled");
  world.wait(1s);
  world.run(app, at('c'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), app), ElementsAre("superseded HealthCheckCanceled"));
  const auto& spans = read.trace(sha('b'))->spans;
  auto check =
      std::find_if(spans.begin(), spans.end(), [](const span& each) { return each.name == "health check"; });
  ASSERT_NE(check, spans.end());
  EXPECT_EQ(check->text("flux.outcome"), "superseded");
  EXPECT_NE(check->status, span_status::error);
  EXPECT_EQ(read.outcome(sha('b')), "superseded");
  EXPECT_EQ(read.outcome(sha('c')), "succeeded");
}

TEST(kustomization, that_skips_a_commit_has_no_run_but_the_change_is_superseded) {
  auto world = settled_cluster();
  world.follow(base, git);
  world.patch(base);
  world.run(base, at('a'));
  world.fetch(git, at('b'));
  world.begin(base, at('b')); // busy
  world.run(app, at('b'));
  world.fetch(git, at('c'));
  world.fetch(git, at('d'));
  world.succeed(base, at('b'));
  world.run(app, at('d'));
  world.run(base, at('d'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('c'), app), IsEmpty());
  EXPECT_EQ(read.outcome(sha('b')), "succeeded");
  EXPECT_EQ(read.outcome(sha('d')), "succeeded");
  EXPECT_EQ(read.outcome(sha('c')), "no trace") << "nothing took it";
}

TEST(kustomization, that_only_waited_has_one_superseded_run_for_each_commit_it_waited_for) {
  auto world = settled_cluster();
  world.follow(base, git);
  world.patch(base);
  world.run(base, at('a'));
  world.state(app).depends_on = {base};
  for (char commit : {'b', 'c'}) {
    world.fetch(git, at(commit));
    world.begin(base, at(commit));
    world.fail(base, at(commit), "BuildFailed");
    world.wait_for_dependency(app); // nothing changes at the second commit
    world.wait(30s);
  }
  world.fetch(git, at('d'));
  world.run(base, at('d'));
  world.run(app, at('d'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), app), ElementsAre("superseded DependencyNotReady"));
  EXPECT_THAT(read.runs(sha('c'), app), ElementsAre("superseded DependencyNotReady"));
  EXPECT_THAT(read.runs(sha('d'), app), ElementsAre("succeeded"));
  EXPECT_EQ(read.spans_named(sha('d'), "wait for dependencies"), 1);
  EXPECT_EQ(read.outcome(sha('c')), "failed");
  const auto& spans = read.trace(sha('d'))->spans;
  auto run = std::find_if(spans.begin(), spans.end(),
                          [](const span& each) { return each.name == "reconcile Kustomization app"; });
  ASSERT_NE(run, spans.end());
  ASSERT_EQ(run->links.size(), 1U) << "dependsOn is a link";
}

TEST(kustomization, that_was_suspended_takes_the_change_late_and_is_left_out_until_then) {
  auto world = settled_cluster();
  world.patch(app, [](object_state& state) { state.suspended = true; });
  world.fetch(git, at('b'));
  world.wait(20min);
  world.fetch(git, at('c'));
  world.wait(20min);
  auto before = judge(world.ledger(), sha('c'), {}, world.now);
  EXPECT_TRUE(before.settled);
  EXPECT_FALSE(before.wanted) << "nothing took it";
  world.patch(app, [](object_state& state) { state.suspended = false; });
  world.run(app, at('c'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_EQ(read.outcome(sha('b')), "no trace");
  EXPECT_THAT(read.runs(sha('c'), app), ElementsAre("succeeded"));
}

TEST(kustomization, suspended_in_the_midst_of_its_run_ends_it_and_takes_no_other) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.begin(app, at('b'));
  world.patch(app, [](object_state& state) {
    ++state.generation;
    state.suspended = true;
  });
  EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled) << "it is under way";
  world.wait(3s);
  world.succeed(app, at('b')); // its controller does not stop for that
  world.wait(60s);
  world.fetch(git, at('c'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), app), ElementsAre("succeeded"));
  EXPECT_THAT(read.runs(sha('c'), app), IsEmpty());
  EXPECT_EQ(judge(world.ledger(), sha('b'), {}, world.now + 60s).reason, settle_reason::complete);
}

TEST(kustomization, that_a_busy_controller_left_waiting_was_in_its_queue) {
  for (bool suspended : {false, true}) {
    auto world = settled_cluster();
    if (suspended)
      world.patch(app, [](object_state& state) { state.suspended = true; });
    world.fetch(git, at('b'));
    world.wait(5s);
    if (suspended)
      world.patch(app, [](object_state& state) { state.suspended = false; });
    world.run(app, at('b'));
    auto traces = world.traces();
    reading_traces read{traces};
    EXPECT_EQ(read.spans_named(sha('b'), "wait in queue"), suspended ? 0 : 1);
    EXPECT_EQ(read.spans_named(sha('a'), "wait in queue"), 0) << "it began at once";
    for (const auto& each : read.trace(sha('b'))->spans)
      if (each.name == "wait in queue") {
        EXPECT_LE(std::chrono::abs(each.end - each.start - 5s), 100ms);
      }
  }
}

TEST(kustomization, made_by_hand_after_the_change_had_settled_does_not_join_it) {
  auto world = settled_cluster();
  auto late = object("Kustomization", "late");
  world.follow(late, git);
  world.state(late).generation = 1;
  world.state(late).created = world.second();
  world.patch(late);
  world.run(late, at('a'));
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), late), IsEmpty());
  world.fetch(git, at('b'));
  world.run(late, at('b'));
  auto more = world.traces();
  EXPECT_THAT(reading_traces{more}.runs(sha('b'), late), ElementsAre("succeeded"));
}

TEST(kustomization, made_anew_under_its_name_does_not_take_the_change_again) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  world.wait(2s);
  world.remove(app);
  world.follow(app, git);
  world.patch(app, [&](object_state& state) {
    state.generation = 1;
    state.created = world.second();
  });
  world.run(app, at('b'));
  world.wait(60s);
  world.fetch(git, at('c'));
  world.run(app, at('c'));
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), app), ElementsAre("succeeded"));
  EXPECT_THAT(reading_traces{traces}.runs(sha('c'), app), ElementsAre("succeeded"));
  EXPECT_EQ(reading_traces{traces}.outcome(sha('b')), "succeeded");
}

TEST(kustomization, of_a_Kustomization_hangs_under_it_even_if_it_ran_first) {
  auto world = settled_cluster();
  auto child = object("Kustomization", "child");
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.own(child, app);
    world.follow(child, git);
    world.state(child).generation = 1;
    world.state(child).created = world.second();
    world.patch(child);
  });
  world.run(child, at('b'));
  world.wait(60s);
  world.fetch(git, at('c'));
  world.run(child, at('c'));
  world.run(app, at('c'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_EQ(read.parent(sha('b'), child), "Kustomization/app");
  EXPECT_EQ(read.parent(sha('c'), child), "Kustomization/app");
}

TEST(kustomization, that_a_commit_applies_with_other_content_than_its_own_joins_by_its_spec) {
  auto world = settled_cluster();
  auto other = object("GitRepository", "other");
  auto tenant = object("Kustomization", "tenant");
  world.fetch(other, at('7'));
  world.follow(tenant, other);
  world.own(tenant, app);
  world.state(tenant).generation = 1;
  world.state(tenant).created = world.second();
  world.patch(tenant);
  world.run(tenant, at('7'));
  world.wait(60s);
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(tenant); });
  world.run(tenant, at('7'), {}, "other manifests");
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), tenant), ElementsAre("succeeded"));
  EXPECT_EQ(read.parent(sha('b'), tenant), "Kustomization/app");
}

TEST(kustomization, pruned_by_an_apply_has_a_delete_run_under_it) {
  auto world = settled_cluster();
  auto child = object("Kustomization", "child");
  world.own(child, app);
  world.follow(child, git);
  world.state(child).generation = 1;
  world.patch(app, [&](object_state& state) { state.inventory = {child}; });
  world.patch(child);
  world.run(child, at('a'));
  world.wait(60s);
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.patch(child, [&](object_state& state) { state.deleted = world.second(); });
    world.patch(app, [&](object_state& state) { state.inventory.clear(); });
    world.remove(child);
  });
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_EQ(read.spans_named(sha('b'), "delete Kustomization child"), 1);
  EXPECT_EQ(read.parent(sha('b'), child), "Kustomization/app");
}

TEST(release, pruned_in_the_middle_of_an_upgrade_ends_that_first) {
  auto world = cluster_with_release();
  world.patch(app, [&](object_state& state) { state.inventory = {rel}; });
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel); });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.fetch(git, at('c'));
  world.run(app, at('c'), [&] {
    world.patch(rel, [&](object_state& state) {
      state.deleted = world.second();
      state.generation = 3;
    });
    world.patch(app, [&](object_state& state) { state.inventory.clear(); });
  });
  world.end_release(rel, "UpgradeSucceeded", 2);
  world.end_release(rel, "UninstallSucceeded", 0);
  world.remove(rel);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), rel), ElementsAre("succeeded"));
  EXPECT_EQ(read.spans_named(sha('c'), "delete HelmRelease rel"), 1);
}

TEST(kustomization, deleted_by_hand_is_in_no_trace) {
  auto world = settled_cluster();
  world.patch(app, [&](object_state& state) { state.deleted = world.second(); });
  world.remove(app);
  auto traces = world.traces();
  EXPECT_EQ(reading_traces{traces}.spans_named(sha('a'), "delete Kustomization app"), 0);
}

TEST(source, returned_to_an_earlier_commit_makes_a_new_incarnation_linked_to_the_first) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  world.wait(60s);
  world.fetch(git, at('a'));
  auto key = incarnation_key(sha('a'), world.state(git).artifact->last_update);
  world.run(app, at('a'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('a'), app), ElementsAre("succeeded"));
  EXPECT_THAT(read.runs(key, app), ElementsAre("succeeded"));
  ASSERT_EQ(read.trace(key)->spans.front().links.size(), 1U);
  EXPECT_EQ(read.trace(key)->spans.front().links[0].trace, read.trace(sha('a'))->id);
}

// `git revert` makes a new commit with old manifests: the Kustomization's record of them, begun with the
// commit they came with first, takes the name of the new one.
TEST(source, whose_new_commit_reverts_another_is_at_it_for_the_first_time) {
  cluster world;
  world.fetch(git, at('a'));
  world.follow(app, git);
  world.run(app, at('a'), {}, "sha256:good");
  world.wait(60s);
  world.fetch(git, at('b'));
  world.run(app, at('b'), {}, "sha256:bad");
  world.wait(60s);
  world.fetch(git, at('c'));
  world.run(app, at('c'), {}, "sha256:good");
  ASSERT_EQ(world.state(app).applies.front().total, 2);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('c'), app), ElementsAre("succeeded"));
  EXPECT_TRUE(read.trace(sha('c'))->spans.front().links.empty());
}

TEST(source, returned_within_a_second_has_a_run_with_a_finish_of_its_own) {
  // The history says 90 ms: whichever finish is nearer to that, and also where posts say the same.
  for (auto measured : {std::vector{95, 96, 97}, std::vector{97, 96, 95}})
    for (bool posted : {false, true}) {
      SCOPED_TRACE(std::to_string(measured.front()) + (posted ? " with posts" : ""));
      auto world = settled_cluster();
      std::vector<timestamp> finished;
      std::vector<std::string> said;
      for (char commit : {'b', 'c', 'b'}) {
        world.fetch(git, at(commit));
        world.run(app, at(commit));
        said.push_back("Reconciliation finished in " + std::to_string(measured[finished.size()]) +
                       "ms, next run in 1h0m0s");
        world.event(app, "ReconciliationSucceeded", said.back(), at(commit), 1, true);
        finished.push_back(world.now);
        if (posted) {
          auto post = std::make_shared<observation>(*world.facts.back());
          post->kind = observation_kind::post;
          post->resource_version = 0;
          post->message->name.clear();
          post->message->exact_first = {};
          world.facts.push_back(std::move(post));
        }
      }
      ASSERT_EQ(finished.back() - finished.front() < 1s, true) << "all in a second, more or less";
      std::map<timestamp, std::vector<std::string>> runs; // by their ends
      for (const auto& trace : world.traces())
        for (const auto& each : trace.spans)
          if (each.text("flux.span.kind") == "run" && trace.change_key.starts_with(sha('b')))
            for (const auto& event : each.events)
              runs[each.end].push_back(std::get<std::string>(event.attributes.front().value));
      ASSERT_EQ(runs.size(), 2U);
      EXPECT_EQ(runs.begin()->first, finished.front());
      EXPECT_EQ(runs.rbegin()->first, finished.back());
      EXPECT_THAT(runs.begin()->second, ElementsAre(said.front()));
      EXPECT_THAT(runs.rbegin()->second, ElementsAre(said.back()));
    }
}

// Clients combine Events, and beyond a rate write none: the one of a run that took long is not of the next.
TEST(kustomization, without_a_finish_message_does_not_take_that_of_the_run_before) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  world.event(app, "ReconciliationSucceeded", "Reconciliation finished in 10.14s, next run in 1h0m0s", "", 3,
              true);
  world.fetch(git, at('c'));
  world.run(app, at('c'));
  auto traces = world.traces();
  reading_traces read{traces};
  auto lasted = [&](const std::string& change) {
    for (const auto& each : read.trace(change)->spans)
      if (each.text("flux.span.kind") == "run" && each.name.ends_with(app.name))
        return each.end - each.start;
    return duration{};
  };
  EXPECT_EQ(lasted(sha('b')), 10140ms);
  EXPECT_LT(lasted(sha('c')), 200ms);
}

TEST(source, that_follows_another_back_to_a_commit_shares_its_new_incarnation) {
  auto world = settled_cluster();
  auto mirror = object("GitRepository", "mirror");
  auto other = object("Kustomization", "other");
  world.fetch(mirror, at('a'));
  world.follow(other, mirror);
  world.state(other).generation = 1;
  world.state(other).created = *parse_rfc3339("2026-11-21T07:00:00Z");
  world.patch(other);
  world.run(other, at('a'));
  world.wait(60s);
  for (char commit : {'b', 'a'}) {
    world.fetch(git, at(commit));
    world.run(app, at(commit));
    world.wait(2s);
    world.fetch(mirror, at(commit));
    world.run(other, at(commit));
    world.wait(60s);
  }
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_EQ(traces.size(), 3U);
  for (const auto& each : traces)
    EXPECT_THAT(read.runs(each.change_key, other), ElementsAre("succeeded")) << each.change_key;
  EXPECT_EQ(read.parent(sha('b'), other), "GitRepository/mirror");
  EXPECT_EQ(read.parent(sha('b'), mirror), "GitRepository/demo");
}

TEST(source, with_a_new_commit_of_the_same_bytes_is_a_change) {
  auto world = settled_cluster();
  world.patch(git, [&](object_state& state) { // no Reconciling, no event: the archive is the same
    state.artifact = artifact{at('b'), state.artifact->digest, world.second(), {}, {}, {}};
  });
  world.run(app, at('b'), {}, at('a'));
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), app), ElementsAre("succeeded"));
  EXPECT_EQ(reading_traces{traces}.parent(sha('b'), app), "GitRepository/demo");
}

TEST(source, that_nothing_takes_is_a_trace_of_one_span_for_who_asks_for_it) {
  auto world = settled_cluster();
  world.patch(app, [](object_state& state) { state.suspended = true; });
  world.fetch(git, at('b'));
  world.wait(60s);
  world.fetch(git, at('c'));
  auto usual = world.traces();
  EXPECT_EQ(reading_traces{usual}.outcome(sha('b')), "no trace");
  assembly_options options;
  options.include_unused = true;
  auto traces = world.traces(options);
  ASSERT_TRUE(reading_traces{traces}.trace(sha('b')));
  EXPECT_EQ(reading_traces{traces}.trace(sha('b'))->spans.size(), 1U);
  EXPECT_TRUE(judge(world.ledger(), sha('b'), options, world.now + 60s).wanted);
  EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 60s).wanted);
}

TEST(source, with_the_same_origin_under_a_new_digest_is_the_same_change) {
  cluster world;
  auto oci = object("OCIRepository", "demo");
  world.follow(app, oci);
  world.state(app).generation = 1;
  world.patch(app);
  for (char digest : {'1', '2'}) {
    auto revision = "latest@sha256:" + std::string(64, digest);
    world.fetch(oci, revision, at('a'));
    world.run(app, revision, {}, "the same manifests");
    world.wait(5s);
  }
  auto traces = world.traces();
  ASSERT_EQ(traces.size(), 1U);
  EXPECT_EQ(traces[0].change_key, sha('a'));
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), app), ElementsAre("succeeded", "succeeded"));
}

TEST(source, made_by_a_generator_hangs_under_what_it_was_made_of) {
  auto world = settled_cluster();
  auto generator = object("ArtifactGenerator", "split");
  auto made = object("ExternalArtifact", "artifact");
  auto taker = object("Kustomization", "taker");
  world.state(generator).sources = {git};
  world.patch(generator);
  world.state(made).source_ref = generator;
  world.follow(taker, made);
  world.state(taker).generation = 1;
  world.patch(taker);
  world.fetch(git, at('b'));
  auto revision = "latest@sha256:" + std::string(64, '5');
  world.fetch(made, revision, at('b'));
  world.run(taker, revision);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), taker), ElementsAre("succeeded"));
  EXPECT_EQ(read.parent(sha('b'), taker), "ExternalArtifact/artifact");
  EXPECT_EQ(read.parent(sha('b'), made), "GitRepository/demo");
}

TEST(source, made_by_a_generator_belongs_to_the_one_of_its_sources_that_moved) {
  auto world = settled_cluster();
  auto config = object("GitRepository", "config");
  auto generator = object("ArtifactGenerator", "split");
  auto made = object("ExternalArtifact", "artifact");
  auto taker = object("Kustomization", "taker");
  world.fetch(config, at('1'));
  world.wait(60s);
  world.state(generator).sources = {git, config};
  world.patch(generator);
  world.state(made).source_ref = generator;
  world.follow(taker, made);
  world.state(taker).generation = 1;
  world.patch(taker);
  auto artifact_of = [](char digest) { return "latest@sha256:" + std::string(64, digest); };
  auto make = [&](char digest, char origin) {
    world.wait(2s);
    world.patch(made, [&](object_state& state) {
      state.artifact =
          artifact{artifact_of(digest), std::string("sha256:") + digest, world.second(), at(origin), {}, {}};
    });
    world.run(taker, artifact_of(digest));
    world.wait(60s);
  };
  world.fetch(git, at('b'));
  make('5', 'b');
  world.fetch(config, at('2')); // its origin stands still
  make('6', 'b');
  world.fetch(config, at('1')); // back again: the old content, another time
  auto again = incarnation_key(sha('1'), world.state(config).artifact->last_update);
  make('5', 'b');
  auto traces = world.traces();
  reading_traces read{traces};
  for (const auto& key : {sha('b'), sha('2'), again}) {
    EXPECT_THAT(read.runs(key, taker), ElementsAre("succeeded")) << key;
    EXPECT_EQ(read.parent(key, taker), "ExternalArtifact/artifact") << key;
    EXPECT_EQ(read.parent(key, made), key == sha('b') ? "GitRepository/demo" : "GitRepository/config") << key;
  }
}

TEST(source, made_by_a_generator_that_a_commit_changed_belongs_to_that_commit) {
  auto world = settled_cluster();
  auto generator = object("ArtifactGenerator", "split");
  auto made = object("ExternalArtifact", "artifact");
  auto taker = object("Kustomization", "taker");
  auto other = object("GitRepository", "other");
  world.fetch(other, at('1'));
  world.wait(60s);
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.own(generator, app);
    world.state(generator).sources = {other};
    world.patch(generator);
    world.own(taker, app);
    world.follow(taker, made);
    world.patch(taker);
  });
  world.wait(2s);
  world.state(made).source_ref = generator;
  auto revision = "latest@sha256:" + std::string(64, '5');
  world.patch(made, [&](object_state& state) {
    state.artifact = artifact{revision, "sha256:5", world.second(), {}, {}, {}};
  });
  world.run(taker, revision);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), taker), ElementsAre("succeeded"));
  EXPECT_EQ(read.parent(sha('b'), made), "Kustomization/app");
}

TEST(source, that_nobody_observed_is_a_synthetic_root_with_the_ID_of_the_real_one) {
  auto world = settled_cluster();
  auto seen = world.traces();
  std::erase_if(world.facts, [](const observation_ptr& each) { return each->object == git; });
  auto unseen = world.traces();
  ASSERT_EQ(unseen.size(), 1U);
  EXPECT_EQ(unseen[0].spans.front().id, seen[0].spans.front().id);
  EXPECT_TRUE(unseen[0].spans.front().find("flux.synthetic"));
  EXPECT_EQ(reading_traces{unseen}.parent(sha('a'), app), "GitRepository/demo");
}

TEST(release, joins_the_commit_whose_apply_moved_its_generation) {
  auto world = cluster_with_release();
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel); });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('a'), rel), ElementsAre("succeeded"));
  EXPECT_THAT(read.runs(sha('b'), rel), ElementsAre("succeeded"));
  EXPECT_EQ(read.parent(sha('b'), rel), "Kustomization/app");
  EXPECT_EQ(traces.size(), 2U) << "the first chart belongs to the commit that made the release";
}

TEST(release, edited_by_hand_is_in_no_trace_even_while_its_owner_applies) {
  auto world = cluster_with_release();
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel, false); });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), rel), IsEmpty());
}

TEST(release, joins_the_commit_that_changed_its_values) {
  auto world = cluster_with_release();
  auto values = object_id{"", "ConfigMap", "flux-system", "values"};
  world.patch(rel, [&](object_state& state) { state.values_from = {values}; });
  world.patch(app, [&](object_state& state) { state.inventory = {rel, values}; });
  world.fetch(git, at('b'));
  world.run(app, at('b'),
            [&] { world.event(app, "Progressing", "ConfigMap/flux-system/values configured", at('b')); });
  world.wait(100ms);
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), rel), ElementsAre("succeeded"));
  std::erase_if(world.facts, [](const observation_ptr& each) { return each->message.has_value(); });
  auto without = world.traces();
  EXPECT_THAT(reading_traces{without}.runs(sha('b'), rel), ElementsAre("succeeded"))
      << "the message was lost";
}

TEST(release, that_had_read_what_an_apply_made_is_not_upgraded_by_that_apply_again) {
  auto world = settled_cluster();
  auto values = object_id{"", "ConfigMap", "flux-system", "values"};
  world.fetch(git, at('b'));
  world.begin(app, at('b'));
  world.own(rel, app);
  world.state(rel).generation = 1;
  world.state(rel).values_from = {values};
  world.patch(rel);
  world.event(app, "Progressing", "ConfigMap/flux-system/values created\nHelmRelease/flux-system/rel created",
              at('b'));
  world.patch(app, [&](object_state& state) { state.inventory = {rel, values}; });
  world.check_health(app, at('b')); // waits for the release
  world.begin_release(rel, "install", "0.1.0", "sha256:v1");
  world.end_release(rel, "InstallSucceeded", 1);
  world.succeed(app, at('b'));
  world.wait(20s);
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2"); // somebody edited the ConfigMap
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), rel), ElementsAre("succeeded"));
}

TEST(release, whose_values_somebody_edited_is_in_no_trace) {
  auto world = cluster_with_release();
  world.patch(rel, [&](object_state& state) {
    state.values_from = {object_id{"", "ConfigMap", "flux-system", "values"}};
  });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  EXPECT_EQ(traces.size(), 1U);
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), rel), ElementsAre("succeeded"));
}

TEST(release, upgraded_for_a_new_chart_version_is_a_change_of_its_own) {
  auto world = cluster_with_release();
  world.fetch(chart, "0.1.1");
  world.begin_release(rel, "upgrade", "0.1.1", "sha256:v1");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  std::string key = "chart:flux-system/flux-system-rel@0.1.1";
  EXPECT_THAT(read.runs(key, rel), ElementsAre("succeeded"));
  EXPECT_EQ(read.parent(key, rel), "HelmChart/flux-system-rel");
  EXPECT_EQ(read.parent(key, chart), "root");
}

TEST(release, of_a_chart_in_Git_hangs_under_the_chart_packaged_from_the_commit) {
  auto world = settled_cluster();
  world.state(rel).generation = 1;
  world.state(rel).helm_chart = "flux-system/flux-system-rel";
  world.patch(rel);
  world.state(chart).source_ref = git;
  world.state(chart).observed_source_revision = at('a');
  world.own(chart, rel);
  world.fetch(chart, "0.1.0");
  world.begin_release(rel, "install", "0.1.0", "sha256:v1");
  world.end_release(rel, "InstallSucceeded", 1);
  world.wait(60s);
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  world.state(chart).observed_source_revision = at('b');
  world.fetch(chart, "0.1.1");
  world.begin_release(rel, "upgrade", "0.1.1", "sha256:v1");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), rel), ElementsAre("succeeded"));
  EXPECT_EQ(read.parent(sha('b'), rel), "HelmChart/flux-system-rel");
  EXPECT_EQ(read.parent(sha('b'), chart), "GitRepository/demo");
}

TEST(release, whose_OCI_source_a_commit_pointed_elsewhere_belongs_to_that_commit) {
  auto world = cluster_with_release();
  auto oci = object("OCIRepository", "charts");
  world.patch(rel, [&](object_state& state) { state.chart_ref = oci; });
  world.own(oci, app);
  world.state(oci).generation = 1;
  world.patch(oci);
  auto old_digest = "sha256:" + std::string(64, '1');
  auto new_digest = "sha256:" + std::string(64, '2');
  world.fetch(oci, "0.1.0@" + old_digest);
  world.wait(60s);
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(oci); });
  world.fetch(oci, "0.2.0@" + new_digest);
  world.begin_release(rel, "upgrade", "0.2.0+222222222222", "sha256:v1", new_digest);
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), rel), ElementsAre("succeeded"));
  EXPECT_EQ(read.parent(sha('b'), rel), "OCIRepository/charts");
  EXPECT_EQ(read.parent(sha('b'), oci), "Kustomization/app");
}

TEST(release, that_fails_to_install_and_is_uninstalled_has_a_failed_run_for_each_attempt) {
  cluster world;
  world.patch(git);
  world.follow(app, git);
  world.state(app).generation = 1;
  world.patch(app);
  world.fetch(git, at('a'));
  world.run(app, at('a'), [&] {
    world.own(rel, app);
    world.state(rel).generation = 1;
    world.patch(rel);
  });
  for (int i = 0; i < 2; ++i) { // Helm counts from 1 again after an uninstall
    world.begin_release(rel, "install", "0.1.0", "sha256:v1");
    world.end_release(rel, "InstallFailed", 1, true);
    world.remediate(rel, "uninstall", "UninstallSucceeded");
    world.wait(5s);
  }
  world.begin_release(rel, "install", "0.1.0", "sha256:v1");
  world.end_release(rel, "InstallSucceeded", 1);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('a'), rel),
              ElementsAre("failed InstallFailed", "failed InstallFailed", "succeeded"));
  EXPECT_EQ(read.spans_named(sha('a'), "helm uninstall"), 2);
  for (const auto& each : read.trace(sha('a'))->spans)
    if (each.name == "helm uninstall") {
      EXPECT_EQ(each.text("flux.outcome"), "succeeded");
      EXPECT_GE(each.end - each.start, 200ms);
    }
  EXPECT_EQ(read.outcome(sha('a')), "succeeded");
}

TEST(release, whose_controller_crashed_has_an_incomplete_attempt_before_the_one_that_succeeds) {
  auto world = cluster_with_release();
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel); });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.wait(20s);
  world.patch(rel, [&](object_state& state) {
    cluster::set_condition(state, "Ready", "False", "PendingRelease", "unlocked", world.second());
  });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.end_release(rel, "UpgradeSucceeded", 3);
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), rel), ElementsAre("incomplete Interrupted", "succeeded"));
  EXPECT_EQ(reading_traces{traces}.outcome(sha('b')), "succeeded");
}

TEST(release, whose_test_fails_has_one_failed_run_with_the_test_in_it) {
  auto world = cluster_with_release();
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel); });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.end_release(rel, "UpgradeSucceeded", 2, true);
  world.patch(rel, [&](object_state& state) {
    cluster::set_condition(state, "Reconciling", "True", "Progressing",
                           "Running 'test' action with timeout of 30s", world.second());
  });
  world.wait(2s);
  world.patch(rel, [&](object_state& state) {
    cluster::set_condition(state, "Ready", "False", "TestFailed", "test failed", world.second());
  });
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), rel), ElementsAre("failed TestFailed"));
  EXPECT_EQ(read.spans_named(sha('b'), "helm test"), 1);
}

TEST(release, that_awaits_its_tests_is_still_in_its_first_attempt) {
  for (bool good : {true, false}) {
    auto world = cluster_with_release();
    world.fetch(git, at('b'));
    world.run(app, at('b'), [&] { world.change_spec(rel); });
    world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
    world.wait(5200ms);
    // As helm-controller writes it: Ready stays Unknown, with the second of the end of the upgrade.
    world.patch(rel, [&](object_state& state) {
      cluster::set_condition(state, "Ready", "Unknown", "AwaitingTests", "upgrade succeeded", world.second());
    });
    world.patch(rel, [&](object_state& state) { state.last_action_duration = 5200ms; });
    world.patch(rel, [&](object_state& state) {
      cluster::set_condition(state, "Reconciling", "True", "Progressing",
                             "Running 'test' action with timeout of 30s", world.second());
    });
    world.wait(4s);
    auto* reason = good ? "TestSucceeded" : "TestFailed";
    world.patch(rel, [&](object_state& state) {
      cluster::set_condition(state, "Ready", good ? "True" : "False", reason, "tests", world.second());
    });
    auto traces = world.traces();
    reading_traces read{traces};
    EXPECT_THAT(read.runs(sha('b'), rel), ElementsAre(good ? "succeeded" : "failed TestFailed"));
    EXPECT_EQ(read.spans_named(sha('b'), "helm upgrade"), 1);
    EXPECT_EQ(read.spans_named(sha('b'), "helm test"), 1);
    for (const auto& trace : traces)
      for (const auto& each : trace.spans)
        if (each.name == "helm upgrade" && trace.change_key == sha('b')) {
          EXPECT_LE(std::chrono::abs(each.end - each.start - 5200ms), 1s) << good;
        }
  }
}

TEST(release, with_a_corrected_drift_or_a_forced_upgrade_has_no_further_run) {
  auto world = cluster_with_release();
  world.patch(rel, [&](object_state& state) {
    cluster::set_condition(state, "Reconciling", "True", "Progressing",
                           "Running 'drift correction' action with timeout of 30s", world.second());
  });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v1");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('a'), rel), ElementsAre("succeeded"));
  EXPECT_EQ(traces.size(), 1U);
}

TEST(release, whose_values_cannot_be_read_has_failed) {
  auto world = cluster_with_release();
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel); });
  world.patch(rel, [&](object_state& state) {
    cluster::set_condition(state, "Ready", "False", "ValuesError", "could not find Secret", world.second());
  });
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), rel), ElementsAre("failed ValuesError"));
}

TEST(workload, that_had_rolled_out_before_a_restart_lasts_as_long_as_its_status_says) {
  auto world = settled_cluster();
  auto web = object("Deployment", "web", "apps");
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.own(web, app);
    world.state(web).generation = 1;
    world.state(web).workload = workload_state{1, 0, 0, 0, 0, {"ghcr.io/acme/web:1.2"}};
    world.patch(web);
  });
  world.wait(15s);
  world.patch(web, [&](object_state& state) {
    state.observed_generation = 1;
    state.workload = workload_state{1, 1, 1, 1, 1, {"ghcr.io/acme/web:1.2"}};
    cluster::set_condition(state, "Progressing", "True", "NewReplicaSetAvailable", "has progressed",
                           world.second());
  });
  ledger listed;
  for (const auto& fact : test::seen_after_restart(world.facts, world.facts.size()))
    listed.add(fact);
  auto traces = assemble_all(listed, {});
  reading_traces read{traces};
  ASSERT_EQ(read.spans_named(sha('b'), "roll out Deployment web"), 1);
  for (const auto& each : read.trace(sha('b'))->spans)
    if (each.text("flux.span.kind") == "workload") {
      EXPECT_GE(each.end - each.start, 14s);
      EXPECT_LE(each.end - each.start, 16s);
    }
}

TEST(workload, rolls_out_under_the_apply_that_changed_it) {
  auto world = settled_cluster();
  auto web = object("Deployment", "web", "apps");
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.own(web, app);
    world.state(web).generation = 1;
    world.state(web).workload = workload_state{1, 0, 0, 0, 0, {"ghcr.io/acme/web:1.2@sha256:abc"}};
    world.patch(web);
  });
  world.wait(3s);
  world.patch(web, [](object_state& state) {
    state.observed_generation = 1;
    state.workload = workload_state{1, 1, 1, 1, 1, {"ghcr.io/acme/web:1.2@sha256:abc"}};
  });
  world.change_spec(web, false); // somebody scales it
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_EQ(read.spans_named(sha('b'), "roll out Deployment web"), 1);
  EXPECT_EQ(read.parent(sha('b'), web), "Kustomization/app");
  for (const auto& each : read.trace(sha('b'))->spans)
    if (each.text("flux.span.kind") == "workload") {
      EXPECT_EQ(each.text("flux.outcome"), "succeeded");
      EXPECT_EQ(std::get<std::vector<std::string>>(*each.find("container.image.tags")),
                std::vector<std::string>{"1.2"});
    }
}

/// What its controller writes into the status of a StatefulSet or DaemonSet.
object_state status_of(const char* kind, const std::string& json) {
  kube::decoder decode;
  auto read = decode.decode_object(
      "MODIFIED",
      R"({"apiVersion":"apps/v1","kind":")" + std::string{kind} +
          R"(","metadata":{"name":"db","namespace":"apps","uid":"u","resourceVersion":"1","generation":2},)" +
          json + "}",
      {}, arrival::live);
  return read && *read ? *(**read)->state : object_state{};
}

TEST(workload, of_every_kind_lasts_until_its_strategy_has_nothing_left_to_do) {
  struct story {
    const char* kind;
    const char* strategy;
    std::vector<std::string> states; ///< the last of which is the end
  };
  auto set = [](int observed, int updated, int ready) {
    return R"("replicas":3,"observedGeneration":)" + std::to_string(observed) + R"(,"updatedReplicas":)" +
           std::to_string(updated) + R"(,"readyReplicas":)" + std::to_string(ready) +
           R"(,"availableReplicas":)" + std::to_string(ready);
  };
  auto daemons = [](int observed, int updated, int ready) {
    return R"("desiredNumberScheduled":3,"currentNumberScheduled":3,"observedGeneration":)" +
           std::to_string(observed) + R"(,"updatedNumberScheduled":)" + std::to_string(updated) +
           R"(,"numberReady":)" + std::to_string(ready) + R"(,"numberAvailable":)" + std::to_string(ready);
  };
  const std::vector<story> stories = {
      {"StatefulSet",
       R"({"type":"RollingUpdate","rollingUpdate":{"partition":0}})",
       {set(1, 3, 3), set(2, 0, 3), set(2, 1, 2), set(2, 2, 3), set(2, 3, 2), set(2, 3, 3)}},
      {"StatefulSet",
       R"({"type":"RollingUpdate","rollingUpdate":{"partition":2}})",
       {set(1, 3, 3), set(2, 0, 3), set(2, 1, 2), set(2, 1, 3)}},
      {"StatefulSet", R"({"type":"OnDelete"})", {set(1, 3, 3), set(2, 0, 3)}},
      {"DaemonSet",
       R"({"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1}})",
       {daemons(1, 3, 3), daemons(2, 0, 3), daemons(2, 1, 2), daemons(2, 2, 3), daemons(2, 3, 3)}},
      {"DaemonSet", R"({"type":"OnDelete"})", {daemons(1, 3, 3), daemons(2, 0, 3)}},
  };
  for (const auto& each : stories) {
    SCOPED_TRACE(std::string{each.kind} + ' ' + each.strategy);
    auto read = [&](const std::string& status) {
      return status_of(
          each.kind, R"("spec":{"replicas":3,"updateStrategy":)" + std::string{each.strategy} +
                         R"(,"template":{"spec":{"containers":[{"image":"db:2@sha256:abc"}]}}},"status":{)" +
                         status + '}');
    };
    auto world = settled_cluster();
    auto database = object(each.kind, "db", "apps");
    world.own(database, app);
    world.patch(database, [](object_state& state) { state.generation = 1; });
    world.wait(60s);
    world.fetch(git, at('b'));
    auto show = [&](const std::string& status) {
      auto shown = read(status);
      ASSERT_TRUE(shown.workload);
      world.patch(database, [&](object_state& state) {
        state.observed_generation = shown.observed_generation;
        state.workload = shown.workload;
      });
    };
    world.run(app, at('b'), [&] {
      world.state(database).workload = read(each.states.front()).workload;
      world.state(database).observed_generation = 1;
      world.change_spec(database);
    });
    auto began = world.now;
    for (const auto& status : each.states) {
      EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled) << "before " << status;
      world.wait(5s);
      show(status);
    }
    EXPECT_TRUE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled);
    auto traces = world.traces();
    reading_traces all{traces};
    EXPECT_EQ(all.parent(sha('b'), database), "Kustomization/app");
    ASSERT_EQ(all.spans_named(sha('b'), "roll out " + std::string{each.kind} + " db"), 1);
    for (const auto& span : all.trace(sha('b'))->spans)
      if (span.text("flux.span.kind") == "workload") {
        EXPECT_EQ(span.text("flux.outcome"), "succeeded");
        EXPECT_GE(span.end, began + 5s * (each.states.size()));
        EXPECT_EQ(std::get<std::vector<std::string>>(*span.find("oci.manifest.digest")),
                  std::vector<std::string>{"sha256:abc"});
      }
  }
}

TEST(workload, that_is_scaled_while_it_rolls_out_goes_on_until_it_is_available) {
  auto world = settled_cluster();
  auto web = object("Deployment", "web", "apps");
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.own(web, app);
    world.state(web).generation = 1;
    world.state(web).workload = workload_state{1, 0, 0, 0, 0, {"ghcr.io/acme/web:1.2"}};
    world.patch(web);
  });
  world.wait(3s);
  world.patch(web, [&](object_state& state) { // an autoscaler
    state.generation = 2;
    state.edited_at = world.second();
    state.workload->desired = 2;
  });
  world.wait(1s);
  world.patch(web, [](object_state& state) { // of the generation before
    state.observed_generation = 1;
    state.workload = workload_state{2, 1, 1, 1, 1, {"ghcr.io/acme/web:1.2"}};
  });
  EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled);
  world.wait(1s);
  world.patch(web, [](object_state& state) {
    state.observed_generation = 2;
    state.workload = workload_state{2, 2, 2, 2, 2, {"ghcr.io/acme/web:1.2"}};
  });
  auto traces = world.traces();
  reading_traces read{traces};
  ASSERT_EQ(read.spans_named(sha('b'), "roll out Deployment web"), 1);
  for (const auto& each : read.trace(sha('b'))->spans)
    if (each.text("flux.span.kind") == "workload") {
      EXPECT_EQ(each.text("flux.outcome"), "succeeded");
      EXPECT_GE(each.end - each.start, 5s);
    }
}

TEST(workload, that_never_got_available_has_failed_with_its_apply_whatever_replaces_it) {
  auto world = settled_cluster();
  auto web = object("Deployment", "web", "apps");
  world.fetch(git, at('b'));
  world.begin(app, at('b'));
  world.own(web, app);
  world.state(web).generation = 1;
  world.state(web).workload = workload_state{1, 0, 0, 0, 0, {"ghcr.io/acme/web:1.2"}};
  world.patch(web);
  world.check_health(app, at('b'));
  world.wait(30s);
  world.fail(app, at('b'), "HealthCheckFailed");
  auto failed = world.now;
  world.wait(60s);
  world.fetch(git, at('c'));
  world.run(app, at('c'), [&] { world.change_spec(web); });
  auto traces = world.traces();
  for (const auto& each : reading_traces{traces}.trace(sha('b'))->spans)
    if (each.text("flux.span.kind") == "workload") {
      EXPECT_EQ(each.text("flux.outcome"), "failed");
      EXPECT_LE(each.end, failed);
    }
}

TEST(selection, draws_ancestors_that_no_entry_names) {
  auto world = cluster_with_release();
  assembly_options options;
  options.event_sources = {{"", "HelmRelease", "*", "flux-system", {}}};
  auto traces = world.traces(options);
  reading_traces read{traces};
  EXPECT_EQ(read.parent(sha('a'), rel), "Kustomization/app");
  EXPECT_EQ(read.parent(sha('a'), app), "GitRepository/demo");
  options.event_sources = {{"", "HelmRelease", "*", "elsewhere", {}}};
  EXPECT_THAT(world.traces(options), IsEmpty());
}

TEST(scope, of_a_Trace_gives_IDs_of_its_own) {
  auto world = settled_cluster();
  assembly_options options;
  options.scope = trace_scope::trace;
  options.trace_uid = "uid";
  EXPECT_NE(world.traces(options)[0].id, world.traces()[0].id);
}

TEST(commit, pushed_by_image_automation_is_a_span_under_the_root) {
  auto world = settled_cluster();
  world.patch(object("ImageUpdateAutomation", "auto"), [&](object_state& state) {
    state.source_ref = git; // it writes there, and takes nothing from it
    state.last_push_commit = std::string(40, 'b');
    state.last_push_time = world.second();
  });
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  auto traces = world.traces();
  EXPECT_EQ(reading_traces{traces}.spans_named(sha('b'), "push commit"), 1);
  EXPECT_EQ(reading_traces{traces}.spans_named(sha('a'), "push commit"), 0);
  EXPECT_EQ(judge(world.ledger(), sha('b'), {}, world.now + 60s).reason, settle_reason::complete);
  for (const auto& each : reading_traces{traces}.trace(sha('b'))->spans)
    if (each.name == "push commit") {
      ASSERT_EQ(each.links.size(), 1U);
      EXPECT_EQ(each.links[0].span, each.parent);
    }
}

TEST(explanation, names_evidence_and_decision) {
  auto world = cluster_with_release();
  world.run(app, at('a'));
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel); });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto text = explain(world.ledger(), rel, {});
  EXPECT_THAT(text, testing::HasSubstr("in change " + sha('b') + " (trace " +
                                       derive_trace_id(sha('b')).to_hex() + ") as span "));
  EXPECT_THAT(text, testing::HasSubstr(", by its spec or values, changed while its owner was applying"));
  EXPECT_THAT(text, testing::HasSubstr("applied by Kustomization/flux-system/app at " + at('b')));
  EXPECT_THAT(explain(world.ledger(), app, {}),
              testing::HasSubstr("in no trace: it was at this revision already"));
  EXPECT_THAT(explain(world.ledger(), base, {}), testing::HasSubstr("nothing is known"));
}

TEST(explanation, names_what_an_apply_changed_and_who_says_so) {
  auto world = cluster_with_release();
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.change_spec(rel);
    world.event(app, "Progressing", "ConfigMap/apps/x created\nHelmRelease/flux-system/rel configured",
                at('b'));
  });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto text = explain(world.ledger(), rel, {});
  EXPECT_THAT(text, testing::HasSubstr("[change-log]"));
  EXPECT_THAT(text, testing::HasSubstr("\n  spec: generation 2 since resource version "));
  EXPECT_THAT(text,
              testing::ContainsRegex(
                  "\n  said by Event app\\.[0-9]+ of 2026-[^ ]+: HelmRelease/flux-system/rel configured\n"));
}

TEST(explanation, names_the_values_that_an_apply_changed) {
  auto world = cluster_with_release();
  auto values = object_id{"", "ConfigMap", "flux-system", "values"};
  world.patch(rel, [&](object_state& state) { state.values_from = {values}; });
  world.patch(app, [&](object_state& state) { state.inventory = {values}; });
  world.fetch(git, at('b'));
  world.run(app, at('b'),
            [&] { world.event(app, "Progressing", "ConfigMap/flux-system/values configured", at('b')); });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto text = explain(world.ledger(), rel, {});
  EXPECT_THAT(
      text, testing::HasSubstr(
                "\n  values: digest sha256:v2\n  reads ConfigMap/flux-system/values\n  said by Event app."));
}

TEST(explanation, says_why_what_was_made_anew_is_in_no_trace) {
  auto world = settled_cluster();
  world.remove(app);
  world.wait(60s);
  world.follow(app, git);
  world.patch(app);
  world.run(app, at('a'));
  EXPECT_THAT(explain(world.ledger(), app, {}),
              testing::HasSubstr(
                  "in no trace: it was made anew under the name of one that had applied this revision"));
}

TEST(explanation, names_what_an_automation_pushed) {
  auto world = settled_cluster();
  auto automation = object("ImageUpdateAutomation", "auto");
  world.patch(automation, [&](object_state& state) { state.last_push_commit = std::string(40, 'b'); });
  EXPECT_THAT(explain(world.ledger(), automation, {}),
              testing::HasSubstr("in no trace: no source is known to have fetched it"));
  world.fetch(git, at('b'));
  EXPECT_THAT(explain(world.ledger(), automation, {}),
              testing::HasSubstr("in change " + sha('b') + " (trace " + derive_trace_id(sha('b')).to_hex() +
                                 ") as span "));
}

TEST(settling, waits_for_a_retry_that_is_due_and_for_quiet) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.begin(app, at('b'));
  world.fail(app, at('b'), "BuildFailed");
  auto verdict = judge(world.ledger(), sha('b'), {}, world.now + 60s);
  EXPECT_FALSE(verdict.settled);
  EXPECT_EQ(verdict.ask_again, verdict.first_activity + 30min);
  EXPECT_EQ(judge(world.ledger(), sha('b'), {}, world.now + 31min).reason, settle_reason::timeout);
  world.run(app, at('b'));
  verdict = judge(world.ledger(), sha('b'), {}, world.now + 1s);
  EXPECT_FALSE(verdict.settled);
  EXPECT_TRUE(judge(world.ledger(), sha('b'), {}, verdict.ask_again).settled);
}

TEST(settling, gives_an_object_that_takes_a_change_hours_later_its_time) {
  auto world = settled_cluster();
  world.patch(app, [](object_state& state) { state.suspended = true; });
  world.fetch(git, at('b'));
  world.wait(2h);
  world.patch(app, [](object_state& state) { state.suspended = false; });
  world.begin(app, at('b'));
  world.check_health(app, at('b'));
  EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 20s).settled);
  EXPECT_EQ(judge(world.ledger(), sha('b'), {}, world.now + 31min).reason, settle_reason::timeout);
}

TEST(settling, takes_a_stalled_object_as_finished) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.begin(app, at('b'));
  world.fail(app, at('b'), "BuildFailed");
  world.patch(app, [&](object_state& state) {
    std::erase_if(state.conditions, [](const condition& each) { return each.type == "Reconciling"; });
    cluster::set_condition(state, "Stalled", "True", "InvalidSpec", "never", world.second());
  });
  EXPECT_EQ(judge(world.ledger(), sha('b'), {}, world.now + 11s).reason, settle_reason::complete);
}

TEST(settling, takes_a_release_that_gave_up_after_its_retries_as_finished) {
  auto world = cluster_with_release();
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel); });
  for (std::int64_t version : {2, 3}) {
    world.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
    world.end_release(rel, "UpgradeFailed", version, true);
    world.remediate(rel, "rollback", "RollbackSucceeded");
    EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled) << "a retry is due";
    world.wait(10s);
  }
  world.patch(rel, [&](object_state& state) {
    std::erase_if(state.conditions, [](const condition& each) { return each.type == "Reconciling"; });
    cluster::set_condition(state, "Stalled", "True", "RetriesExceeded",
                           "Failed to upgrade after 2 attempt(s)", world.second());
  });
  EXPECT_EQ(judge(world.ledger(), sha('b'), {}, world.now + 60s).reason, settle_reason::complete);
}

TEST(settling, ends_when_a_later_change_took_over_what_was_open) {
  auto world = settled_cluster();
  world.follow(base, git);
  world.patch(base);
  world.run(base, at('a'));
  world.fetch(git, at('b'));
  world.run(base, at('b'));
  EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 20s).settled) << "app is expected";
  world.fetch(git, at('c'));
  world.run(app, at('c'));
  auto verdict = judge(world.ledger(), sha('b'), {}, world.now + 20s);
  EXPECT_EQ(verdict.reason, settle_reason::superseded);
  EXPECT_EQ(assemble(world.ledger(), sha('b'), {}).outcome, "superseded");
}

TEST(settling, waits_for_a_release_that_has_not_taken_its_new_spec) {
  auto world = cluster_with_release();
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel); });
  EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled);
  world.patch(rel,
              [](object_state& state) { state.observed_generation = state.generation; }); // nothing to do
  EXPECT_TRUE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled);
}

TEST(settling, knows_nothing_of_a_change_that_is_not_there) {
  EXPECT_EQ(judge(settled_cluster().ledger(), sha('9'), {}, timestamp{}).reason, settle_reason::unknown);
}

/// An event about `object` of that time, and how its delivery went.
observation_ptr delivered(const object_id& object, const std::string& revision, timestamp occurred,
                          const std::string& error) {
  auto fact = std::make_shared<observation>();
  fact->kind = observation_kind::notification;
  fact->object = object;
  fact->received_at = occurred + 3s;
  fact->notification.emplace();
  fact->notification->receiver = "events.example";
  fact->notification->sender = "trace-controller";
  fact->notification->event = "an event";
  fact->notification->reason = "ReconciliationSucceeded";
  fact->notification->revision = revision;
  fact->notification->occurred = std::chrono::floor<std::chrono::seconds>(occurred);
  fact->notification->began = occurred + 1s;
  fact->notification->ended = occurred + 3s;
  fact->notification->attempts = 2;
  fact->notification->error = error;
  return fact;
}

std::vector<const span*> notifications_in(const completed_trace& trace) {
  std::vector<const span*> result;
  for (const auto& each : trace.spans)
    if (each.text("flux.span.kind") == "notification")
      result.push_back(&each);
  return result;
}

TEST(notifications, hang_under_the_run_or_the_source_that_their_event_tells_of) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  auto fetched = world.now;
  world.run(app, at('b'));
  auto applied = world.now;
  world.wait(60s);
  world.facts.push_back(delivered(git, at('b'), fetched, ""));
  world.facts.push_back(delivered(app, at('b'), applied, "HTTP status 500"));
  for (const auto& trace : world.traces()) {
    auto found = notifications_in(trace);
    if (trace.change_key != sha('b')) {
      EXPECT_THAT(found, IsEmpty());
      continue;
    }
    ASSERT_EQ(found.size(), 2U);
    for (const auto* each : found) {
      auto above = std::find_if(trace.spans.begin(), trace.spans.end(),
                                [&](const span& other) { return other.id == each->parent; });
      ASSERT_NE(above, trace.spans.end());
      EXPECT_EQ(above->text("k8s.resource.name"), each->text("k8s.resource.name"));
      EXPECT_EQ(each->end - each->start, 2s);
      EXPECT_EQ(each->text("flux.notification.receiver"), "events.example");
      bool failed = each->text("k8s.resource.name") == "app";
      EXPECT_EQ(each->text("flux.outcome"), failed ? "failed" : "succeeded");
      EXPECT_EQ(each->status, failed ? span_status::error : span_status::ok);
      EXPECT_EQ(each->status_message, failed ? "HTTP status 500" : "");
    }
    EXPECT_EQ(trace.outcome, "succeeded"); // the change itself went well
  }
}

TEST(notifications, about_a_source_without_a_revision_go_by_time) {
  auto world = settled_cluster();
  world.fetch(git, at('b'));
  world.facts.push_back(delivered(git, "", world.now, "no route"));
  world.run(app, at('b'));
  for (const auto& trace : world.traces())
    EXPECT_EQ(notifications_in(trace).size(), trace.change_key == sha('b') ? 1U : 0U);
}

TEST(notifications, of_no_run_are_in_no_trace) {
  auto world = settled_cluster();
  world.facts.push_back(delivered(object("Kustomization", "stranger"), at('a'), world.now, ""));
  for (const auto& trace : world.traces())
    EXPECT_THAT(notifications_in(trace), IsEmpty());
}

} // namespace
} // namespace tc::trace
