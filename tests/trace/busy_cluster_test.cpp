// What only a busy cluster shows (walks by chance on real controllers found each): patches that come late or
// from an old copy of the object, objects made anew while their source stands still.

#include "tests/trace/cluster.hpp"
#include "trace/settle.hpp"

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

std::string at(char digit) {
  return "main@" + sha(digit);
}

assembly_options with_unused() {
  assembly_options options;
  options.include_unused = true;
  return options;
}

class busy_cluster : public ::testing::Test {
protected:
  void SetUp() override {
    world.patch(git);
    world.follow(app, git);
    world.patch(app);
    world.fetch(git, at('a'));
    world.run(app, at('a'));
    world.wait(60s);
  }

  /// A step of a controller whose copy of the object was old: Ready stays as the API server has it.
  void step_from_an_old_copy(const object_id& of, const std::string& message) {
    world.wait(10ms);
    world.patch(of, [&](object_state& state) {
      cluster::set_condition(state, "Reconciling", "True", "Progressing", message, world.second());
    });
  }

  const object_id git = object("GitRepository", "demo");
  const object_id app = object("Kustomization", "app");
  const object_id web = object("Deployment", "web", "default");
  const object_id rel = object("HelmRelease", "rel");
  const object_id chart = object("HelmChart", "flux-system-rel");
  cluster world;
};

} // namespace

TEST_F(busy_cluster, a_controller_that_begins_from_an_old_copy_leaves_Ready_as_it_was) {
  world.wait(2s);
  world.fetch(git, at('b'));
  auto begun = world.now;
  for (const auto* step : {"Fetching manifests", "Building manifests", "Detecting drift"})
    step_from_an_old_copy(app, step + (" for revision " + at('b')) + " with a timeout of 30s");
  world.patch(app, [](object_state& state) { state.last_attempted_revision = at('b'); });
  world.own(web, app);
  world.patch(web, [](object_state& state) { state.workload = workload_state{}; });
  step_from_an_old_copy(app, "Running health checks for revision " + at('b') + " with a timeout of 30s");
  world.wait(5s);
  world.measured = 5102ms;
  world.succeed(app, at('b'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), app), ElementsAre("succeeded"));
  EXPECT_EQ(read.spans_named(sha('b'), "health check"), 1);
  EXPECT_EQ(read.spans_named(sha('b'), "fetch"), 1);
  EXPECT_EQ(read.parent(sha('b'), web), "Kustomization/app");
  for (const auto& each : read.trace(sha('b'))->spans)
    if (each.name == "fetch") {
      EXPECT_LT(each.start - begun, 20ms);
    }
}

TEST_F(busy_cluster, a_release_that_begins_from_an_old_copy_has_its_action) {
  world.own(rel, app);
  world.state(rel).helm_chart = "flux-system/flux-system-rel";
  world.patch(rel);
  world.own(chart, rel);
  world.fetch(chart, "0.1.0");
  world.begin_release(rel, "install", "0.1.0", "sha256:v1");
  world.end_release(rel, "InstallSucceeded", 1);
  world.wait(60s);
  world.fetch(chart, "0.1.1");
  step_from_an_old_copy(rel, "Running 'upgrade' action with timeout of 30s");
  world.patch(rel, [](object_state& state) {
    state.last_attempted_revision = "0.1.1";
    state.last_attempted_generation = state.generation;
  });
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  std::string key = "chart:flux-system/flux-system-rel@0.1.1";
  EXPECT_THAT(read.runs(key, rel), ElementsAre("succeeded"));
  EXPECT_EQ(read.spans_named(key, "helm upgrade"), 1);
}

TEST_F(busy_cluster, an_Event_tells_of_a_wait_whose_patch_came_after_the_next_commit) {
  auto base = object("Kustomization", "base");
  world.follow(base, git);
  world.patch(base);
  world.fetch(git, at('b'));
  world.event(app, "DependencyNotReady", "Dependencies do not meet ready condition, retrying in 5s", at('b'),
              1, true);
  world.wait(100ms);
  world.fetch(git, at('c'));
  world.wait_for_dependency(app);
  world.wait(5s);
  world.run(app, at('c'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), app), ElementsAre("superseded DependencyNotReady"));
  EXPECT_THAT(read.runs(sha('c'), app), ElementsAre("succeeded"));
}

TEST_F(busy_cluster, an_Event_that_comes_again_tells_of_it_by_its_version) {
  world.fetch(git, at('b'));
  world.event(app, "DependencyNotReady", "Dependencies do not meet ready condition, retrying in 5s", at('7'),
              3);
  world.wait(100ms);
  world.fetch(git, at('c'));
  world.wait_for_dependency(app);
  world.wait(5s);
  world.run(app, at('c'));
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), app), ElementsAre("superseded DependencyNotReady"));
}

TEST_F(busy_cluster, who_waited_and_was_suspended_then_has_waited) {
  auto base = object("Kustomization", "base");
  world.follow(base, git);
  world.patch(base);
  world.fetch(git, at('b'));
  world.wait_for_dependency(app);
  world.wait(3s);
  world.patch(app, [](object_state& state) { state.suspended = true; });
  world.fetch(git, at('c'));
  world.patch(app, [](object_state& state) { state.suspended = false; });
  world.run(app, at('c'));
  auto traces = world.traces();
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), app), ElementsAre("superseded DependencyNotReady"));
}

TEST_F(busy_cluster, what_was_deleted_before_it_took_a_commit_is_not_expected_under_its_name) {
  world.fetch(git, at('b'));
  world.remove(app);
  world.wait(30s);
  world.fetch(git, at('c'));
  world.follow(app, git);
  world.patch(app);
  world.run(app, at('c'));
  auto traces = world.traces(with_unused());
  EXPECT_EQ(reading_traces{traces}.outcome(sha('b')), "succeeded");
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), app), IsEmpty());
}

TEST_F(busy_cluster, what_is_applied_at_a_return_to_a_commit_was_passed_over_before) {
  auto other = object("Kustomization", "other");
  world.follow(other, git);
  world.patch(other);
  world.run(other, at('a'));
  world.fetch(git, at('b'));
  world.run(other, at('b'));
  world.wait(1s);
  world.fetch(git, at('c'));
  world.run(app, at('c'));
  world.run(other, at('c'));
  world.wait(1s);
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  world.run(other, at('b'));
  auto traces = world.traces();
  EXPECT_EQ(reading_traces{traces}.outcome(sha('b')), "superseded") << "app went on to c";
}

TEST_F(busy_cluster, a_release_that_waits_for_its_chart_has_ended_its_action_before) {
  world.own(rel, app);
  world.state(rel).helm_chart = "flux-system/flux-system-rel";
  world.patch(rel);
  world.own(chart, rel);
  world.fetch(chart, "0.1.0");
  world.begin_release(rel, "install", "0.1.0", "sha256:v1");
  world.wait_for_source(rel); // killed in the midst; started anew, it finds another spec
  world.wait(10s);
  world.fetch(chart, "0.1.1");
  world.begin_release(rel, "upgrade", "0.1.1", "sha256:v1");
  world.end_release(rel, "UpgradeSucceeded", 1);
  auto traces = world.traces();
  for (const auto& trace : traces)
    for (const auto& each : trace.spans)
      if (each.text("flux.reason") == "Interrupted") {
        EXPECT_LT(each.end - each.start, 1s);
      }
}

TEST_F(busy_cluster, a_source_made_anew_leaves_the_UID_of_the_one_before_on_its_span) {
  auto uid_in = [&](const std::string& key, const object_id& of) {
    for (const auto& each : world.traces(with_unused()))
      if (each.change_key == key)
        for (const auto& made : each.spans)
          if (made.text("k8s.resource.kind") == of.kind)
            return std::string{made.text("k8s.resource.uid")};
    return std::string{"none"};
  };
  auto oci = object("OCIRepository", "images");
  auto digest = "sha256:" + std::string(64, '1');
  world.patch(oci);
  world.fetch(oci, "latest@" + digest);
  auto before = uid_in(digest, oci);
  EXPECT_NE(before, "none");
  world.remove(oci);
  world.patch(oci);
  world.fetch(oci, "latest@sha256:" + std::string(64, '2'));
  EXPECT_EQ(uid_in(digest, oci), before);
}

} // namespace tc::trace
