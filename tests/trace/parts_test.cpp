// The smaller parts of the heart: ledger, selection, sampling, estate.

#include "tests/support/live_replay.hpp"
#include "tests/support/recording.hpp"
#include "tests/trace/cluster.hpp"
#include "trace/estate.hpp"
#include "trace/sampling.hpp"
#include "trace/selection.hpp"
#include "trace/span_ids.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tc::trace {
namespace {

using namespace std::chrono_literals;
using test::cluster;
using test::object;
using test::sha;
using testing::Contains;
using testing::IsEmpty;

TEST(ledger, keeps_the_live_arrival_of_a_fact_and_of_two_the_earlier) {
  cluster world;
  world.patch(object("GitRepository", "demo"));
  auto live = world.facts[0];
  auto late = std::make_shared<observation>(*live);
  late->received_at += 1s;
  auto listed = std::make_shared<observation>(*live);
  listed->initial = true;
  listed->received_at -= 1s;
  for (auto order :
       {std::vector<observation_ptr>{live, late, listed}, {listed, late, live}, {late, live, listed}}) {
    ledger all;
    EXPECT_TRUE(all.add(order[0]));
    EXPECT_FALSE(all.add(order[1]));
    EXPECT_FALSE(all.add(order[2]));
    EXPECT_EQ(all.size(), 1U);
    EXPECT_EQ(all.all().front()->received_at, live->received_at);
    EXPECT_FALSE(all.all().front()->initial);
  }
}

TEST(ledger, tells_occurrences_of_an_Event_apart_and_folds_equal_posts) {
  cluster world;
  auto app = object("Kustomization", "app");
  world.event(app, "Progressing", "x", "r");
  ledger all;
  all.add(world.facts[0]);
  auto again = std::make_shared<observation>(*world.facts[0]);
  again->message->count = 2;
  EXPECT_TRUE(all.add(again));
  auto post = std::make_shared<observation>(*world.facts[0]);
  post->kind = observation_kind::post;
  EXPECT_TRUE(all.add(post));
  auto redelivered = std::make_shared<observation>(*post);
  redelivered->received_at += 3s;
  EXPECT_FALSE(all.add(redelivered));
}

TEST(selection, reads_entries_as_an_Alert_does) {
  auto app = object("Kustomization", "app", "apps");
  std::map<std::string, std::string> labels{{"team", "a"}};
  auto entry = [](std::string kind, std::string name, std::string space = {}) {
    return event_source{"", std::move(kind), std::move(name), std::move(space), {}};
  };
  EXPECT_TRUE(selects(entry("Kustomization", "*"), app, labels, "apps"));
  EXPECT_FALSE(selects(entry("Kustomization", "*"), app, labels, "other")) << "the Trace's own namespace";
  EXPECT_TRUE(selects(entry("Kustomization", "app", "apps"), app, labels, "other"));
  EXPECT_FALSE(selects(entry("Kustomization", "other", "apps"), app, labels, "apps"));
  EXPECT_FALSE(selects(entry("HelmRelease", "*"), app, labels, "apps"));
  auto labelled = entry("Kustomization", "*");
  labelled.match_labels = {{"team", "a"}};
  EXPECT_TRUE(selects(labelled, app, labels, "apps"));
  labelled.match_labels = {{"team", "b"}};
  EXPECT_FALSE(selects(labelled, app, labels, "apps"));
  auto grouped = entry("Kustomization", "*");
  grouped.group = "kustomize.config.k8s.io";
  EXPECT_FALSE(selects(grouped, app, labels, "apps"));
  EXPECT_TRUE(selects(std::vector<event_source>{}, app, labels, "x")) << "no entries: everything";
}

completed_trace trace_named(const std::string& key) {
  completed_trace made;
  made.id = derive_trace_id(key);
  made.outcome = "succeeded";
  span root;
  root.start = timestamp{1s};
  root.end = timestamp{3s};
  made.spans.push_back(root);
  return made;
}

TEST(sampling, keeps_about_the_ratio_and_always_the_same_traces) {
  sampling_spec spec;
  spec.ratio = 0.25;
  int kept = 0;
  for (int i = 0; i < 2000; ++i) {
    auto trace = trace_named(std::to_string(i));
    auto decision = sample(trace, spec);
    kept += decision.keep;
    EXPECT_EQ(decision.keep, sample(trace, spec).keep);
    if (decision.keep) {
      EXPECT_EQ(decision.trace_state, "ot=th:c") << "rejects three quarters: c000...";
    }
    auto half = spec;
    half.ratio = 0.5;
    EXPECT_TRUE(!decision.keep || sample(trace, half).keep)
        << "what a lower ratio keeps a higher one does too";
  }
  EXPECT_NEAR(kept, 500, 70);
  spec.ratio = 0;
  EXPECT_FALSE(sample(trace_named("x"), spec).keep);
  spec.ratio = 1;
  EXPECT_TRUE(sample(trace_named("x"), spec).keep);
  EXPECT_EQ(sample(trace_named("x"), spec).trace_state, "");
}

TEST(sampling, keeps_errors_slow_ones_and_changes_when_asked_to) {
  sampling_spec spec;
  spec.ratio = 0;
  auto trace = trace_named("x");
  spec.keep_errors = true;
  EXPECT_FALSE(sample(trace, spec).keep);
  trace.outcome = "failed";
  EXPECT_EQ(sample(trace, spec).rule, "keepErrors");
  trace.outcome = "succeeded";
  spec.keep_slower_than = 1s;
  EXPECT_EQ(sample(trace, spec).rule, "keepSlowerThan");
  spec.keep_slower_than = 3s;
  EXPECT_FALSE(sample(trace, spec).keep);
  spec.keep_changed = true;
  trace.spans[0].attributes.push_back({"flux.changed", true});
  EXPECT_EQ(sample(trace, spec).rule, "keepChanged");
}

const auto git = object("GitRepository", "demo");
const auto app = object("Kustomization", "app");

cluster story() {
  cluster world;
  world.patch(git);
  world.follow(app, git);
  world.patch(app);
  for (char commit : {'a', 'b', 'c'}) {
    world.fetch(git, "main@" + sha(commit));
    world.run(app, "main@" + sha(commit));
    world.wait(60s);
  }
  return world;
}

TEST(estate, tells_the_changes_a_fact_concerns) {
  auto world = story();
  estate memory{{}};
  std::set<std::string> keys;
  for (const auto& fact : world.facts)
    for (auto& key : memory.observe(fact))
      keys.insert(key);
  EXPECT_EQ(keys, (std::set<std::string>{sha('a'), sha('b'), sha('c')}));
  EXPECT_THAT(memory.observe(world.facts.back()), IsEmpty()) << "known already";
  memory.forget(sha('a'));
  EXPECT_THAT(memory.evidence(sha('a')), IsEmpty());
  EXPECT_EQ(memory.evidence(sha('b')).size(), world.facts.size());
}

TEST(estate, hands_older_facts_on_when_a_later_one_shows_the_connection) {
  auto world = story();
  // One watch after the other: all of app, then all of its source.
  std::stable_sort(world.facts.begin(), world.facts.end(), [](const auto& left, const auto& right) {
    return left->object.kind > right->object.kind;
  });
  test::live_replay replay;
  auto arrival = world.now;
  for (auto& fact : world.facts) {
    auto copy = std::make_shared<observation>(*fact);
    copy->received_at = arrival += 1ms;
    replay.observe(copy);
  }
  replay.finish();
  std::set<std::string> runs;
  for (const auto& trace : replay.exported())
    for (const auto& each : trace.spans)
      if (each.text("flux.span.kind") == "run")
        runs.insert(trace.change_key);
  EXPECT_EQ(runs, (std::set<std::string>{sha('a'), sha('b'), sha('c')}));
}

TEST(estate, is_bounded_and_keeps_the_latest_state_of_each_object) {
  cluster world;
  world.patch(git);
  std::vector<object_id> apps;
  for (int i = 0; i < 20; ++i) {
    apps.push_back(object("Kustomization", "app" + std::to_string(i)));
    world.follow(apps.back(), git);
    world.patch(apps.back());
  }
  estate memory{{}, {200, 64 << 20}};
  std::size_t fed = 0;
  auto feed = [&] {
    for (; fed < world.facts.size(); ++fed)
      for (const auto& key : memory.observe(world.facts[fed]))
        if (key != sha('9'))
          memory.forget(key);
  };
  for (char commit : {'a', 'b', 'c', 'd', 'e', '9'}) {
    world.fetch(git, "main@" + sha(commit));
    for (const auto& each : apps)
      world.run(each, "main@" + sha(commit));
    world.wait(60s);
    feed();
    EXPECT_LE(memory.size(), 200U + apps.size() + 40U);
  }
  ledger part;
  for (const auto& fact : memory.evidence(sha('9')))
    part.add(fact);
  auto trace = assemble(part, sha('9'), {});
  EXPECT_EQ(std::count_if(trace.spans.begin(), trace.spans.end(),
                          [](const span& each) { return each.text("flux.span.kind") == "run"; }),
            20);
  EXPECT_EQ(trace.outcome, "succeeded");
  for (const auto& change : changes_in(part, {}))
    EXPECT_EQ(change.key.find('@'), std::string::npos) << "no incarnation is invented: " << change.key;
}

} // namespace
} // namespace tc::trace
