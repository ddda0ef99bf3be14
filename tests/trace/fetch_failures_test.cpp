// Sources that cannot fetch or package what they should: in the trace of the commit that made them try, or in
// none.

#include "tests/support/restart.hpp"
#include "tests/trace/cluster.hpp"
#include "trace/explain.hpp"
#include "trace/settle.hpp"
#include "trace/span_ids.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace tc::trace {
namespace {

using namespace std::chrono_literals;
using test::cluster;
using test::object;
using test::reading_traces;
using test::sha;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string at(char digit) {
  return "main@" + sha(digit);
}

class fetch_failures : public ::testing::Test {
protected:
  /// A release that a Kustomization applied at commit a, and that is installed.
  void SetUp() override {
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
  }

  /// A commit asks for another version of the chart.
  void ask_for_another(char commit) {
    world.fetch(git, at(commit));
    world.run(app, at(commit), [&] { world.change_spec(rel); });
    world.change_spec(chart);
    world.wait_for_source(rel);
  }

  void upgrade(const std::string& version, int number) {
    world.fetch(chart, version);
    world.begin_release(rel, "upgrade", version, "sha256:v1");
    world.end_release(rel, "UpgradeSucceeded", number);
    world.wait(60s);
  }

  /// "reason" of each failed fetch of the source in that change.
  std::vector<std::string> failures(char commit, const object_id& source) {
    std::vector<std::string> result;
    for (const auto& each : world.traces())
      if (each.change_key == sha(commit))
        for (const auto& made : each.spans)
          if (made.name == "fetch" && made.status == span_status::error)
            for (const auto& above : each.spans)
              if (above.id == made.parent && above.text("k8s.resource.name") == source.name)
                result.emplace_back(made.text("flux.reason"));
    return result;
  }

  const span* source_span(const std::vector<completed_trace>& traces, char commit, const object_id& source) {
    for (const auto& each : traces)
      if (each.change_key == sha(commit))
        for (const auto& made : each.spans)
          if (made.text("flux.span.kind") == "source" && made.text("k8s.resource.kind") == source.kind)
            return &made;
    return nullptr;
  }

  const object_id git = object("GitRepository", "demo");
  const object_id app = object("Kustomization", "app");
  const object_id rel = object("HelmRelease", "rel");
  const object_id chart = object("HelmChart", "flux-system-rel");
  cluster world;
};

} // namespace

TEST_F(fetch_failures, of_a_chart_that_is_not_there_are_in_the_trace_of_the_commit_that_asked_for_it) {
  ask_for_another('b');
  world.fail_fetch(chart, "InvalidChartReference", true);
  EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled) << "the release waits";
  world.wait(60s);
  ask_for_another('c');
  upgrade("0.1.1", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(failures('b', chart), ElementsAre("InvalidChartReference"));
  EXPECT_EQ(read.outcome(sha('b')), "failed");
  EXPECT_EQ(read.parent(sha('b'), chart), "Kustomization/app");
  const auto* drawn = source_span(traces, 'b', chart);
  ASSERT_TRUE(drawn);
  EXPECT_EQ(drawn->status, span_status::error);
  EXPECT_EQ(drawn->status_message, "it failed");
  EXPECT_EQ(drawn->end - drawn->start, 206ms) << "since its spec was changed";
  EXPECT_THAT(read.runs(sha('b'), rel), IsEmpty()) << "it never began";
  EXPECT_THAT(failures('c', chart), IsEmpty());
  EXPECT_EQ(read.outcome(sha('c')), "succeeded");
  EXPECT_TRUE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled);
}

TEST_F(fetch_failures, before_a_success_are_under_the_source_that_succeeded) {
  ask_for_another('b');
  world.fail_fetch(chart, "ChartPullError");
  world.wait(5s);
  world.fail_fetch(chart, "ChartPullError");
  world.wait(5s);
  upgrade("0.1.1", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_THAT(failures('b', chart), ElementsAre("ChartPullError", "ChartPullError"));
  EXPECT_EQ(read.outcome(sha('b')), "succeeded");
  EXPECT_THAT(read.runs(sha('b'), rel), ElementsAre("succeeded"));
  const auto* drawn = source_span(traces, 'b', chart);
  ASSERT_TRUE(drawn);
  EXPECT_NE(drawn->status, span_status::error);
  EXPECT_GT(drawn->end - drawn->start, 10s);
}

TEST_F(fetch_failures, of_a_source_that_a_commit_made_keep_the_change_open_while_a_retry_is_due) {
  auto other = object("OCIRepository", "other");
  auto taker = object("Kustomization", "taker");
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.own(other, app);
    world.patch(other);
    world.own(taker, app);
    world.follow(taker, other);
    world.patch(taker);
  });
  world.fail_fetch(other, "OCIArtifactPullFailed");
  EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled);
  EXPECT_THAT(failures('b', other), ElementsAre("OCIArtifactPullFailed"));
  auto traces = world.traces();
  EXPECT_EQ(reading_traces{traces}.parent(sha('b'), other), "Kustomization/app");
  world.fail_fetch(other, "OCIArtifactPullFailed", true);
  EXPECT_TRUE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled) << "given up";
}

TEST_F(fetch_failures, of_a_repository_that_a_commit_made_are_over_once_it_is_fetched) {
  auto other = object("GitRepository", "other");
  auto taker = object("Kustomization", "taker");
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] {
    world.own(other, app);
    world.patch(other);
    world.own(taker, app);
    world.follow(taker, other);
    world.patch(taker);
  });
  EXPECT_FALSE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled) << "it may be slow";
  world.fail_fetch(other, "GitOperationFailed");
  world.wait(750ms);
  world.fail_fetch(other, "GitOperationFailed");
  world.wait(10s);
  EXPECT_THAT(failures('b', other), ElementsAre("GitOperationFailed", "GitOperationFailed"));
  {
    auto traces = world.traces();
    EXPECT_EQ(reading_traces{traces}.outcome(sha('b')), "failed");
  }
  world.fetch(other, at('9'));
  world.run(taker, at('9'));
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_EQ(read.outcome(sha('b')), "succeeded") << "its content is another change, but it was fetched";
  EXPECT_TRUE(judge(world.ledger(), sha('b'), {}, world.now + 60s).settled);
  std::set<span_id> ids;
  for (const auto& each : read.trace(sha('b'))->spans)
    EXPECT_TRUE(ids.insert(each.id).second) << each.name;
}

TEST_F(fetch_failures, that_a_list_shows_first_are_in_the_same_trace) {
  ask_for_another('b');
  world.fail_fetch(chart, "InvalidChartReference", true);
  auto whole = world.traces();
  auto seen = test::seen_after_restart(world.facts, world.facts.size() - 1);
  ledger restarted;
  for (const auto& fact : seen)
    restarted.add(fact);
  auto traces = assemble_all(restarted, {});
  EXPECT_EQ(reading_traces{traces}.outcome(sha('b')), "failed");
  EXPECT_EQ(source_span(traces, 'b', chart)->id, source_span(whole, 'b', chart)->id);
}

TEST_F(fetch_failures, of_a_chart_whose_repository_has_no_index_yet_are_a_wait) {
  ask_for_another('b');
  world.fail_fetch(chart, "NoSourceArtifact");
  EXPECT_THAT(failures('b', chart), IsEmpty());
}

TEST_F(fetch_failures, make_a_trace_where_only_the_release_is_selected) {
  ask_for_another('b');
  world.fail_fetch(chart, "InvalidChartReference", true);
  assembly_options options;
  options.event_sources = {{"", "HelmRelease", "*", "flux-system", {}}};
  auto verdict = judge(world.ledger(), sha('b'), options, world.now + 60s);
  EXPECT_TRUE(verdict.wanted);
  auto traces = world.traces(options);
  EXPECT_EQ(reading_traces{traces}.outcome(sha('b')), "failed");
}

TEST_F(fetch_failures, keep_credentials_of_an_address_to_themselves) {
  ask_for_another('b');
  world.fail_fetch(chart, "ChartPullError");
  world.patch(chart, [](object_state& state) {
    for (auto& each : state.conditions)
      each.message = "GET \"https://ci:s3cret@charts.example/index.yaml\": 401, see https://docs.example/a@b";
  });
  for (const auto& trace : world.traces())
    for (const auto& each : trace.spans)
      EXPECT_EQ(each.status_message.find("s3cret"), std::string::npos);
}

TEST_F(fetch_failures, of_a_chart_in_a_repository_are_in_the_trace_of_what_it_was_to_be_packaged_from) {
  world.state(chart).source_ref = git;
  world.state(chart).observed_source_revision = at('a');
  world.fetch(chart, "0.1.0+1");
  world.wait(60s);
  world.fetch(git, at('b'));
  world.run(app, at('b'));
  world.fail_fetch(chart, "ChartPackageError", true, "BuildFailed");
  EXPECT_THAT(failures('b', chart), ElementsAre("ChartPackageError"));
  auto traces = world.traces();
  EXPECT_EQ(reading_traces{traces}.parent(sha('b'), chart), "GitRepository/demo");
  EXPECT_EQ(reading_traces{traces}.outcome(sha('b')), "failed");
}

TEST_F(fetch_failures, of_a_repository_that_is_away_are_in_no_change) {
  auto before = world.traces();
  world.fail_fetch(git, "GitOperationFailed");
  world.wait(60s);
  world.fail_fetch(chart, "ChartPullError");
  auto after = world.traces();
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t at = 0; at < before.size(); ++at)
    EXPECT_EQ(before[at].spans, after[at].spans);
}

TEST_F(fetch_failures, are_left_out_where_nothing_that_a_Trace_selects_takes_the_source) {
  ask_for_another('b');
  world.fail_fetch(chart, "InvalidChartReference", true);
  assembly_options options;
  options.event_sources = {{"", "Kustomization", "*", "flux-system", {}}};
  auto traces = world.traces(options);
  EXPECT_EQ(reading_traces{traces}.outcome(sha('b')), "succeeded");
}

TEST_F(fetch_failures, a_release_that_went_on_without_a_spec_makes_its_change_superseded) {
  world.fetch(git, at('b'));
  world.run(app, at('b'), [&] { world.change_spec(rel); });
  world.wait(1s);
  world.fetch(git, at('c'));
  world.run(app, at('c'), [&] { world.change_spec(rel); });
  world.begin_release(rel, "upgrade", "0.1.0", "sha256:v3");
  world.end_release(rel, "UpgradeSucceeded", 2);
  auto traces = world.traces();
  reading_traces read{traces};
  EXPECT_EQ(read.outcome(sha('b')), "superseded");
  EXPECT_THAT(read.runs(sha('c'), rel), ElementsAre("succeeded"));
}

TEST_F(fetch_failures, are_explained) {
  ask_for_another('b');
  world.fail_fetch(chart, "InvalidChartReference", false, "FetchFailed",
                   "no chart at https://user:secret@charts.example.com");
  auto told = explain(world.ledger(), chart, {});
  EXPECT_THAT(told,
              HasSubstr("could not fetch: InvalidChartReference: no chart at https://charts.example.com\n"));
  EXPECT_THAT(told, HasSubstr("in change " + sha('b') + " (trace " + derive_trace_id(sha('b')).to_hex() +
                              ") as span "));
  EXPECT_THAT(
      told,
      HasSubstr(
          "because an apply asked for it [owner-attempt]\n  applied by Kustomization/flux-system/app at " +
          at('b')));
  EXPECT_THAT(told, HasSubstr("not fetched yet: change " + sha('b')));
  auto traces = world.traces();
  EXPECT_EQ(source_span(traces, 'b', chart)->text("flux.attribution"), "owner-attempt");
}

TEST_F(fetch_failures, what_the_source_had_before_is_explained_too) {
  EXPECT_THAT(explain(world.ledger(), chart, {}), HasSubstr("had 0.1.0\n  seen: since resource version "));
  EXPECT_THAT(explain(world.ledger(), git, {}), HasSubstr("which is named by its content [source-revision]"));
}

} // namespace tc::trace
