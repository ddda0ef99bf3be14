// Runs that were over before a process started: what histories and Events still tell of them, and what
// nothing tells any more.

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
const auto fleet = object("Kustomization", "fleet");
const auto team = object("Kustomization", "team");

std::string at(char digit) {
  return "main@" + sha(digit);
}

class recall_runs : public testing::Test {
protected:
  recall_runs() {
    world.patch(git);
    world.follow(fleet, git);
    world.patch(fleet);
  }

  /// The source stores new content and tells so.
  void fetch(char commit) {
    world.fetch(git, at(commit));
    world.event(git, "NewArtifact", "stored artifact for commit", at(commit), 1, true);
  }

  void finish(const object_id& of, char commit, const std::string& manifests) {
    world.succeed(of, at(commit), manifests);
    world.event(of, "ReconciliationSucceeded", "Reconciliation finished in 90ms, next run in 10m0s",
                at(commit), 1, true);
  }

  void run(const object_id& of, char commit, const std::string& manifests) {
    world.begin(of, at(commit));
    finish(of, commit, manifests);
  }

  /// Fleet has applied team for commit a, and goes on to b while team is at work on a.
  void go_on_above(const std::string& manifests_of_b) {
    fetch('a');
    world.run(
        fleet, at('a'),
        [&] {
          world.follow(team, git);
          world.own(team, fleet);
          world.patch(team);
        },
        "those of a");
    world.wait(2s);
    world.begin(team, at('a'));
    world.wait(5s);
    fetch('b');
    run(fleet, 'b', manifests_of_b);
  }

  /// Fleet makes the same manifests of a commit as of the one before.
  void take_two_commits() {
    for (char commit : {'0', 'a'}) {
      world.fetch(git, at(commit));
      world.run(fleet, at(commit), {}, "the same");
      world.wait(5s);
    }
  }

  /// Fleet reconciles commit a once more, because somebody had asked for it.
  void run_asked_for(const std::string& token, timestamp noted) {
    world.patch(fleet, [&](object_state& state) {
      state.requested_at = token;
      state.requested_by = noted;
    });
    world.wait(1500ms);
    world.begin(fleet, at('a'));
    world.state(fleet).last_handled_at = token;
    world.succeed(fleet, at('a'), "the same");
  }

  std::vector<completed_trace> from_there(std::size_t point) const {
    return test::at_end(test::seen_after_restart(world.facts, point));
  }

  /// A restart from that point of the story on, and at each later one.
  void expect_parts_of_the_whole(std::size_t first = 1) const {
    auto whole = test::spans_of(world.traces());
    for (auto point = first; point <= world.facts.size(); ++point) {
      auto seen = test::seen_after_restart(world.facts, point);
      for (const auto& traces : {test::at_end(seen), test::live(seen)})
        for (const auto& [key, each] : test::spans_of(traces)) {
          auto known = whole.find(key);
          if (known == whole.end())
            ADD_FAILURE() << "invented after a restart at " << point << ": " << each.name << " in "
                          << key.first.to_hex();
          else
            EXPECT_EQ(each.parent, known->second.parent) << each.name << " after a restart at " << point;
        }
    }
  }

  cluster world;
};

TEST_F(recall_runs, under_which_others_hang_are_brought_back_by_their_records) {
  go_on_above("those of b");
  auto restarted = world.facts.size();
  finish(team, 'a', "the same");
  auto traces = from_there(restarted);
  reading_traces read{traces};
  EXPECT_EQ(read.parent(sha('a'), team), "Kustomization/fleet");
  EXPECT_THAT(read.runs(sha('a'), fleet), ElementsAre("succeeded"));
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, that_no_record_shows_any_more_are_missing) {
  go_on_above("those of a");
  auto restarted = world.facts.size();
  finish(team, 'a', "the same");
  auto traces = from_there(restarted);
  reading_traces read{traces};
  EXPECT_EQ(read.parent(sha('a'), team), "GitRepository/demo") << "seen live, it stays";
  EXPECT_THAT(read.runs(sha('a'), fleet), IsEmpty()) << "in which second it was recorded nothing tells";
  expect_parts_of_the_whole(restarted + 3);
}

TEST_F(recall_runs, over_themselves_are_left_out_with_what_they_hung_under) {
  go_on_above("those of a");
  finish(team, 'a', "the same");
  auto traces = from_there(world.facts.size());
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), team), IsEmpty());
}

TEST_F(recall_runs, of_a_content_that_its_source_has_left_are_known_by_the_Event_of_it) {
  fetch('0');
  run(fleet, '0', "the same");
  world.wait(5s);
  fetch('a');
  run(fleet, 'a', "the same");
  world.wait(5s);
  fetch('b');
  auto traces = from_there(world.facts.size());
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('a'), fleet), ElementsAre("succeeded"));
  EXPECT_EQ(read.parent(sha('a'), fleet), "GitRepository/demo");
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, that_a_record_counts_first_may_be_of_the_content_before) {
  fetch('a');
  world.begin(fleet, at('a'));
  fetch('b'); // within the second
  finish(fleet, 'a', "the same");
  world.wait(5s);
  run(fleet, 'b', "the same");
  auto traces = from_there(world.facts.size());
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), fleet), ElementsAre("succeeded"));
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, that_a_record_counts_first_are_of_no_content_where_nothing_tells) {
  world.fetch(git, at('a'));
  world.begin(fleet, at('a'));
  world.fetch(git, at('b'));
  world.succeed(fleet, at('a'), "the same");
  world.wait(5s);
  world.run(fleet, at('b'), {}, "the same");
  auto traces = from_there(world.facts.size());
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), fleet), IsEmpty());
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, that_a_record_counts_first_are_not_known_by_the_Event_of_the_last) {
  fetch('a');
  world.begin(fleet, at('a'));
  fetch('b');
  world.succeed(fleet, at('a'), "the same"); // and the Event of it is lost
  world.wait(800ms);
  run(fleet, 'b', "the same"); // in the next second
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, asked_for_are_not_the_first_at_their_revision) {
  take_two_commits();
  world.wait(10s);
  run_asked_for(to_rfc3339(world.now), world.second());
  auto traces = from_there(world.facts.size());
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), fleet), IsEmpty());
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, asked_for_by_a_text_that_is_no_time_are_known_by_when_it_was_written) {
  take_two_commits();
  world.wait(10s);
  run_asked_for("again, please", world.second());
  auto traces = from_there(world.facts.size());
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), fleet), IsEmpty());
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, asked_for_nobody_knows_when_may_be_repetitions) {
  take_two_commits();
  world.wait(10s);
  run_asked_for("again, please", {});
  auto traces = from_there(world.facts.size());
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), fleet), IsEmpty());
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, are_the_first_at_their_revision_though_a_reconciliation_was_asked_for_before_it) {
  world.fetch(git, at('0'));
  world.run(fleet, at('0'), {}, "the same");
  world.wait(5s);
  world.state(fleet).requested_at = world.state(fleet).last_handled_at = "again, please";
  world.state(fleet).requested_by = world.second();
  world.run(fleet, at('0'), {}, "the same");
  world.wait(5s);
  world.fetch(git, at('a'));
  world.run(fleet, at('a'), {}, "the same");
  auto traces = from_there(world.facts.size());
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), fleet), ElementsAre("succeeded"));
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, asked_for_are_the_first_at_their_revision_where_Events_tell_of_all_before) {
  for (char commit : {'0', 'a'}) {
    fetch(commit);
    run(fleet, commit, "the same");
    world.wait(5s);
  }
  fetch('b');
  world.patch(fleet, [&](object_state& state) {
    state.requested_at = "again, please";
    state.requested_by = world.second();
  });
  world.begin(fleet, at('b'));
  world.state(fleet).last_handled_at = "again, please";
  finish(fleet, 'b', "the same");
  auto traces = from_there(world.facts.size());
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), fleet), ElementsAre("succeeded"));
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, that_their_own_Events_tell_of_before_are_not_the_first_at_their_revision) {
  fetch('0');
  run(fleet, '0', "the same");
  world.wait(5s);
  fetch('a');
  run(fleet, 'a', "the same");
  world.wait(10s);
  world.begin(fleet, at('a'));
  world.succeed(fleet, at('a'), "the same");
  auto traces = from_there(world.facts.size());
  EXPECT_THAT(reading_traces{traces}.runs(sha('a'), fleet), IsEmpty());
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, of_an_image_that_its_source_has_left_are_in_no_change) {
  auto images = object("OCIRepository", "images");
  auto app = object("Kustomization", "app");
  auto digest = [](char digit) { return "latest@sha256:" + std::string(64, digit); };
  fetch('a');
  world.state(images).interval = 1min;
  world.run(fleet, at('a'), [&] {
    world.follow(app, images);
    for (const auto& each : {images, app}) {
      world.own(each, fleet);
      world.patch(each);
    }
  });
  world.fetch(images, digest('1'));
  world.run(app, digest('1'));
  world.wait(5s);
  world.fetch(images, digest('2'));
  auto traces = from_there(world.facts.size());
  EXPECT_EQ(reading_traces{traces}.trace("sha256:" + std::string(64, '1')), nullptr)
      << "a commit may have asked for it";
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, at_a_return_are_told_from_the_first_by_who_took_the_content_before) {
  world.fetch(git, at('a'));
  run(fleet, 'a', "the same"); // only its Event tells of a later
  world.wait(5s);
  world.fetch(git, at('b'));
  run(fleet, 'b', "the same");
  world.wait(5s);
  auto restarted = world.facts.size();
  world.fetch(git, at('a'));
  run(fleet, 'a', "the same");
  auto traces = from_there(restarted);
  EXPECT_EQ(reading_traces{traces}.trace(sha('a')), nullptr);
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, under_way_at_a_return_are_told_from_the_first_by_what_the_source_told) {
  for (char commit : {'a', 'b'}) {
    fetch(commit);
    run(fleet, commit, "the same");
    world.wait(5500ms);
  }
  fetch('a');
  world.begin(fleet, at('a'));
  world.wait(2s);
  fetch('c'); // while it is at work on the return
  auto restarted = world.facts.size();
  finish(fleet, 'a', "the same");
  auto traces = from_there(restarted);
  EXPECT_EQ(reading_traces{traces}.trace(sha('a')), nullptr) << "that is the first";
  EXPECT_TRUE(std::any_of(traces.begin(), traces.end(), [](const completed_trace& each) {
    return each.change_key.starts_with(sha('a') + '@');
  }));
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, that_began_before_a_return_are_of_the_stay_before_it) {
  fetch('0');
  run(fleet, '0', "those of 0");
  world.wait(5s);
  fetch('a');
  world.begin(fleet, at('a'));
  for (char commit : {'b', 'a'}) { // while it is at work
    world.wait(2s);
    fetch(commit);
  }
  world.wait(2s);
  auto under_way = world.facts.size();
  world.measured = 6s;
  finish(fleet, 'a', "those of a");
  for (auto restarted : {under_way, world.facts.size()}) {
    auto traces = from_there(restarted);
    EXPECT_THAT(reading_traces{traces}.runs(sha('a'), fleet), ElementsAre("succeeded"));
    for (const auto& each : traces)
      EXPECT_FALSE(each.change_key.starts_with(sha('a') + '@'));
  }
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, that_began_before_a_return_are_of_no_stay_where_nothing_tells_of_it) {
  world.fetch(git, at('0'));
  run(fleet, '0', "those of 0");
  world.wait(5s);
  world.fetch(git, at('a'));
  world.begin(fleet, at('a'));
  for (char commit : {'b', 'a'}) {
    world.wait(2s);
    world.fetch(git, at(commit));
  }
  world.wait(2s);
  world.measured = 6s;
  finish(fleet, 'a', "those of a");
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, that_a_record_counts_first_may_have_begun_before_a_return) {
  fetch('0');
  run(fleet, '0', "those of 0");
  world.wait(5s);
  fetch('a');
  world.begin(fleet, at('a'));
  for (char commit : {'b', 'a'}) {
    world.wait(2s);
    fetch(commit);
  }
  world.wait(2s);
  world.measured = 6s;
  finish(fleet, 'a', "those of a");
  world.measured = 90ms;
  run(fleet, 'a', "those of a"); // what it would have taken is what it has
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, at_a_return_are_of_that_one_though_their_source_left_and_came_back_once_more) {
  for (char commit : {'a', 'b', 'a', 'c'}) {
    fetch(commit);
    run(fleet, commit, std::string{"those of "} + commit);
    world.wait(5500ms);
  }
  auto restarted = world.facts.size();
  fetch('a');
  run(fleet, 'a', "those of a");
  auto traces = from_there(restarted);
  EXPECT_EQ(reading_traces{traces}.trace(sha('a')), nullptr) << "that is the first";
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, of_what_took_nothing_at_a_return_are_none) {
  world.follow(team, git);
  world.patch(team);
  fetch('a');
  run(fleet, 'a', "those of a");
  run(team, 'a', "the same");
  world.wait(5s);
  fetch('b');
  run(fleet, 'b', "those of b");
  world.wait(5s);
  fetch('a');
  run(fleet, 'a', "those of a");
  run(team, 'a', "the same"); // it had not been at b
  world.wait(5s);
  fetch('c');
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, that_a_list_shows_beside_the_outcome_before_have_their_phases) {
  fetch('a');
  run(fleet, 'a', "those of a");
  world.wait(2s);
  fetch('b');
  // From an older copy of its object: Ready stays as it was.
  auto step = [&](const std::string& what) {
    world.wait(10ms);
    world.patch(fleet, [&](object_state& state) {
      cluster::set_condition(state, "Reconciling", "True", "Progressing",
                             what + " for revision " + at('b') + " with a timeout of 30s", world.second());
    });
  };
  step("Fetching manifests");
  step("Building manifests");
  step("Detecting drift");
  world.patch(fleet, [](object_state& state) { state.last_attempted_revision = at('b'); });
  auto restarted = world.facts.size();
  world.wait(3s);
  step("Running health checks");
  auto checked = world.now;
  world.wait(5s);
  world.measured = 8060ms;
  world.succeed(fleet, at('b'), "those of b");
  auto traces = from_there(restarted);
  reading_traces read{traces};
  EXPECT_THAT(read.runs(sha('b'), fleet), ElementsAre("succeeded"));
  for (const auto& each : read.trace(sha('b'))->spans)
    if (each.name == "health check") {
      EXPECT_LT(checked - each.start, 20ms);
    }
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, a_listed_Event_that_came_again_tells_of_no_wait_for_what_was_listed) {
  fetch('a');
  run(fleet, 'a', "those of a");
  world.event(fleet, "DependencyNotReady", "Dependencies do not meet ready condition", at('0'), 2);
  world.wait(5s);
  fetch('b');
  auto restarted = world.facts.size();
  world.wait(1s);
  fetch('c');
  world.wait_for_dependency(fleet);
  world.wait(5s);
  run(fleet, 'c', "those of c");
  auto traces = from_there(restarted);
  EXPECT_THAT(reading_traces{traces}.runs(sha('b'), fleet), IsEmpty());
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, and_sources_made_anew_at_what_they_had_belong_to_the_commit_that_made_them) {
  auto images = object("OCIRepository", "images");
  auto digest = "latest@sha256:" + std::string(64, '1');
  auto make = [&] {
    world.state(images).interval = 1min;
    world.own(images, fleet);
    world.patch(images);
  };
  fetch('a');
  world.run(fleet, at('a'), make);
  world.fetch(images, digest);
  world.wait(30s);
  fetch('b');
  world.run(fleet, at('b'), [&] { world.remove(images); });
  world.wait(30s);
  fetch('c');
  world.run(fleet, at('c'), make);
  world.fetch(images, digest);
  auto whole = world.traces();
  EXPECT_EQ(reading_traces{whole}.parent(sha('c'), images), "Kustomization/fleet");
  EXPECT_EQ(reading_traces{whole}.parent(sha('a'), images), "Kustomization/fleet");
  auto traces = from_there(world.facts.size());
  EXPECT_EQ(reading_traces{traces}.parent(sha('c'), images), "Kustomization/fleet");
  expect_parts_of_the_whole();
}

TEST_F(recall_runs, and_sources_made_anew_by_hand_go_on_where_they_were) {
  auto app = object("Kustomization", "app");
  auto images = object("OCIRepository", "images");
  auto digest = "latest@sha256:" + std::string(64, '1');
  world.patch(images);
  world.follow(app, images);
  world.patch(app);
  world.fetch(images, digest);
  world.run(app, digest);
  world.wait(30s);
  world.remove(images);
  world.patch(images);
  world.fetch(images, digest);
  auto whole = world.traces();
  ASSERT_EQ(whole.size(), 1U) << "no incarnation";
  EXPECT_EQ(reading_traces{whole}.outcome("sha256:" + std::string(64, '1')), "succeeded");
}

} // namespace
} // namespace tc::trace
