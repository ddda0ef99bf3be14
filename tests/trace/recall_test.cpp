// What is left of a story for a process that starts in its midst: from any point on, nothing but what all of
// it tells, in the same traces and under the same parents.

#include "tests/support/restart.hpp"
#include "tests/trace/cluster.hpp"
#include "tests/trace/recorded.hpp"

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
const auto rel = object("HelmRelease", "rel");
const auto web = object("Deployment", "web");

std::string at(char digit) {
  return "main@" + sha(digit);
}

cluster followed_source() {
  cluster world;
  world.patch(git);
  world.follow(app, git);
  world.patch(app);
  return world;
}

/// An Event that tells that the source has new content.
void tell(cluster& world, const object_id& source, const std::string& revision) {
  world.event(source, "NewArtifact", "stored artifact for " + revision, revision, 1, true);
}

void roll_out(cluster& world) {
  world.patch(web, [&](object_state& state) {
    state.workload = workload_state{1, 1, 1, 1, 1, {"web:1"}};
    state.observed_generation = state.generation;
  });
}

std::vector<completed_trace> from_there(const cluster& world, std::size_t point) {
  return test::at_end(test::seen_after_restart(world.facts, point));
}

/// A restart at each point of the story.
void expect_parts_of_the_whole(const cluster& world) {
  auto whole = test::spans_of(world.traces());
  for (std::size_t point = 1; point <= world.facts.size(); ++point) {
    auto seen = test::seen_after_restart(world.facts, point);
    for (const auto& traces : {test::at_end(seen), test::live(seen)})
      for (const auto& [key, each] : test::spans_of(traces)) {
        auto known = whole.find(key);
        if (known == whole.end()) {
          ADD_FAILURE() << "invented after a restart at " << point << ": " << each.name << " in "
                        << key.first.to_hex();
          continue;
        }
        EXPECT_EQ(each.parent, known->second.parent) << each.name << " after a restart at " << point;
        EXPECT_EQ(each.text("flux.outcome"), known->second.text("flux.outcome"))
            << each.name << " after a restart at " << point;
      }
  }
}

TEST(recall, a_rollout_is_not_of_the_apply_that_followed_in_its_second) {
  auto world = followed_source();
  world.fetch(git, at('a'));
  world.own(web, app);
  world.run(app, at('a'), [&] { roll_out(world); });
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  reading_traces read{from_there(world, world.facts.size())};
  EXPECT_THAT(read.runs(sha('b'), app), ElementsAre("succeeded"));
  EXPECT_EQ(read.spans_named(sha('b'), "roll out Deployment web"), 0) << "it may be of the one before";
  expect_parts_of_the_whole(world);
}

TEST(recall, a_change_log_tells_whose_a_rollout_in_that_second_was) {
  auto world = followed_source();
  world.fetch(git, at('a'));
  world.run(app, at('a'));
  world.fetch(git, at('b'));
  world.own(web, app);
  world.run(app, at('b'), [&] {
    roll_out(world);
    world.event(app, "Progressing", "Deployment/flux-system/web created", at('b'), 1, true);
  });
  reading_traces read{from_there(world, world.facts.size())};
  EXPECT_EQ(read.spans_named(sha('b'), "roll out Deployment web"), 1);
  expect_parts_of_the_whole(world);
}

TEST(recall, what_somebody_edited_after_the_apply_is_no_rollout_of_it) {
  auto world = followed_source();
  world.fetch(git, at('a'));
  world.own(web, app);
  world.run(app, at('a'), [&] { roll_out(world); });
  world.wait(100ms);
  world.patch(web, [&](object_state& state) {
    ++state.generation;
    state.edited_at = world.second();
  });
  reading_traces read{from_there(world, world.facts.size())};
  EXPECT_EQ(read.spans_named(sha('a'), "roll out Deployment web"), 0) << "the generation is not of the apply";
  expect_parts_of_the_whole(world);
}

TEST(recall, a_source_that_came_back_within_a_second_is_known_by_the_order_of_a_history) {
  auto world = followed_source();
  for (char commit : {'a', 'b'}) {
    world.fetch(git, at(commit));
    world.run(app, at(commit));
  }
  world.fetch(git, at('a'));
  auto returned = world.facts.size();
  world.begin(app, at('a'));
  world.succeed(app, at('a'));
  auto traces = from_there(world, returned);
  ASSERT_EQ(traces.empty(), false);
  EXPECT_TRUE(traces.front().change_key.starts_with(sha('a') + '@')) << traces.front().change_key;
}

TEST(recall, a_source_that_came_back_within_a_second_is_known_by_its_Events) {
  auto world = followed_source();
  for (char commit : {'a', 'b', 'a', 'c'}) {
    world.fetch(git, at(commit));
    tell(world, git, at(commit));
    world.run(app, at(commit));
  }
  expect_parts_of_the_whole(world);
}

TEST(recall, which_of_two_sources_had_a_commit_first_is_known_by_its_Events) {
  auto world = followed_source();
  auto mirror = object("GitRepository", "mirror");
  world.patch(mirror);
  world.fetch(git, at('a'));
  tell(world, git, at('a'));
  world.wait(3s);
  world.fetch(mirror, at('a'));
  tell(world, mirror, at('a'));
  auto other = object("Kustomization", "other");
  world.follow(other, mirror);
  world.patch(other);
  world.run(app, at('a')); // begun after the mirror had it
  world.fetch(git, at('b'));
  tell(world, git, at('b'));
  auto moved_on = world.facts.size();
  world.run(other, at('a'));
  reading_traces read{from_there(world, moved_on)};
  EXPECT_EQ(read.parent(sha('a'), mirror), "GitRepository/demo");
  expect_parts_of_the_whole(world);
}

TEST(recall, a_source_made_by_a_commit_belongs_to_it_though_a_list_shows_it_first) {
  auto world = followed_source();
  auto oci = object("OCIRepository", "images");
  auto image = object("Kustomization", "image");
  world.fetch(git, at('a'));
  world.follow(image, oci);
  world.state(oci).interval = 1min;
  world.run(app, at('a'), [&] {
    for (const auto& each : {oci, image}) {
      world.own(each, app);
      world.patch(each);
    }
  });
  auto made = world.facts.size();
  auto first = "latest@sha256:" + std::string(64, '1');
  auto second = "latest@sha256:" + std::string(64, '2');
  world.fetch(oci, first);
  tell(world, oci, first);
  auto fetched = world.facts.size();
  world.run(image, first);
  auto taken = world.facts.size();
  world.wait(5s);
  world.fetch(oci, second);
  tell(world, oci, second);
  world.run(image, second);
  for (auto point : {made, fetched, taken}) {
    reading_traces read{from_there(world, point)};
    EXPECT_EQ(read.parent(sha('a'), oci), "Kustomization/app") << point;
    EXPECT_THAT(read.runs(sha('a'), image), ElementsAre("succeeded")) << point;
  }
  reading_traces read{from_there(world, world.facts.size())};
  EXPECT_THAT(read.runs(sha('a'), image), IsEmpty()) << "the second image is nobody's but its own";
  expect_parts_of_the_whole(world);
}

/// A release that app has made for commit a.
cluster released(const std::function<void(cluster&)>& then) {
  auto world = followed_source();
  world.fetch(git, at('a'));
  world.run(app, at('a'), [&] {
    world.own(rel, app);
    world.patch(rel);
  });
  world.wait(2s);
  then(world);
  return world;
}

TEST(recall, a_release_whose_drift_was_corrected_ended_when_it_was_released) {
  auto world = released([](cluster& in) {
    in.begin_release(rel, "install", "0.1.0", "sha256:v1");
    in.end_release(rel, "InstallSucceeded", 1);
    in.wait(5s);
    in.patch(rel, [&](object_state& state) {
      cluster::set_condition(state, "Reconciling", "True", "Progressing",
                             "Running 'correct cluster drift' action with timeout of 30s", in.second());
      cluster::set_condition(state, "Ready", "Unknown", "Progressing", "correcting cluster drift",
                             in.second());
    });
    in.wait(1s);
    in.patch(rel, [&](object_state& state) {
      std::erase_if(state.conditions, [](const condition& each) { return each.type == "Reconciling"; });
      cluster::set_condition(state, "Ready", "True", "InstallSucceeded", "InstallSucceeded v1", in.second());
    });
  });
  reading_traces read{from_there(world, world.facts.size() - 1)};
  EXPECT_THAT(read.runs(sha('a'), rel), ElementsAre("succeeded"));
  expect_parts_of_the_whole(world);
}

TEST(recall, a_release_that_a_remediation_took_away_keeps_its_number) {
  auto world = released([](cluster& in) {
    for (int i = 0; i < 2; ++i) {
      in.begin_release(rel, "install", "0.1.0", "sha256:v1");
      in.end_release(rel, "InstallFailed", 1, true);
      in.remediate(rel, "uninstall", "UninstallSucceeded");
      in.patch(rel, [](object_state& state) {
        state.releases.resize(1); // as helm-controller does: it starts anew
        state.releases.front().status = "uninstalling";
      });
      in.wait(5s);
    }
  });
  reading_traces read{from_there(world, world.facts.size())};
  EXPECT_EQ(read.runs(sha('a'), rel).size(), 1U);
  expect_parts_of_the_whole(world);
}

TEST(recall, a_release_listed_before_its_record_is_known_by_the_record_that_comes) {
  auto world = released([](cluster& in) {
    in.begin_release(rel, "install", "0.1.0", "sha256:v1");
    in.end_release(rel, "InstallSucceeded", 1);
    // To other values, and back to those of the first record.
    for (auto [commit, values, version] :
         {std::tuple{'b', "sha256:v2", 2}, std::tuple{'c', "sha256:v1", 3}}) {
      in.wait(30s);
      in.fetch(git, at(commit));
      in.run(app, at(commit), [&] { in.change_spec(rel); });
      in.begin_release(rel, "upgrade", "0.1.0", values);
      in.end_release(rel, "UpgradeSucceeded", version);
    }
  });
  reading_traces read{from_there(world, world.facts.size() - 1)};
  EXPECT_THAT(read.runs(sha('c'), rel), ElementsAre("succeeded"));
  expect_parts_of_the_whole(world);
}

TEST(recall, a_release_that_fails_as_before_is_not_known_by_the_record_of_before) {
  auto world = released([](cluster& in) {
    in.begin_release(rel, "install", "0.1.0", "sha256:v1");
    in.end_release(rel, "InstallSucceeded", 1);
    in.wait(30s);
    in.fetch(git, at('b'));
    in.run(app, at('b'), [&] { in.change_spec(rel); });
    for (int version : {2, 3}) {
      in.begin_release(rel, "upgrade", "0.1.0", "sha256:v2");
      in.end_release(rel, "UpgradeFailed", version, true);
      in.wait(10s);
    }
  });
  expect_parts_of_the_whole(world);
  // The list before the record comes, and with it.
  auto before = test::spans_of(from_there(world, world.facts.size() - 1));
  auto after = test::spans_of(from_there(world, world.facts.size()));
  for (const auto& [key, each] : after)
    EXPECT_TRUE(before.contains(key)) << each.name;
}

TEST(recall, a_release_that_a_crash_cut_short_is_known_while_Ready_speaks_of_it) {
  auto world = released([](cluster& in) {
    in.begin_release(rel, "upgrade", "0.1.0", "sha256:v1");
    in.wait(3s);
    in.patch(rel, [&](object_state& state) {
      cluster::set_condition(state, "Reconciling", "True", "Progressing",
                             "Running 'unlock' action with timeout of 30s", in.second());
    });
  });
  auto whole = world.traces();
  reading_traces all{whole};
  ASSERT_EQ(all.runs(sha('a'), rel).size(), 1U);
  reading_traces read{from_there(world, world.facts.size())};
  EXPECT_EQ(read.runs(sha('a'), rel).size(), 1U);
  expect_parts_of_the_whole(world);
}

TEST(recall, what_is_made_anew_has_IDs_that_do_not_ask_what_was_before) {
  auto world = followed_source();
  for (char commit : {'a', 'b'}) {
    world.fetch(git, at(commit));
    world.run(app, at(commit), [&] {
      world.own(web, app);
      roll_out(world);
    });
    world.wait(60s);
    if (commit == 'a')
      world.remove(web);
  }
  reading_traces read{from_there(world, world.facts.size())};
  EXPECT_EQ(read.spans_named(sha('b'), "roll out Deployment web"), 1);
  expect_parts_of_the_whole(world);
}

} // namespace
} // namespace tc::trace
