// What is left out under overload costs a trace phases, never a run.

#include "tests/trace/recorded.hpp"
#include "trace/shedding.hpp"

namespace tc::trace {
namespace {

using test::at_end;
using test::live;
using test::name_of;
using test::stream_of;

constexpr std::array levels{shed_level::repeated, shed_level::phases, shed_level::idle_runs};

condition told(std::string type, std::string status, std::string reason, std::string message,
               int second = 0) {
  return {std::move(type),
          std::move(status),
          std::move(reason),
          std::move(message),
          timestamp{std::chrono::seconds{second}},
          1};
}

observation state_of(std::vector<condition> conditions, std::string attempted = "main@sha1:a") {
  observation result;
  result.object = {"kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps"};
  result.uid = "one";
  result.state.emplace();
  result.state->generation = result.state->observed_generation = 1;
  result.state->last_attempted_revision = std::move(attempted);
  result.state->last_applied_revision = "main@sha1:a";
  result.state->conditions = std::move(conditions);
  return result;
}

const auto ready = state_of({told("Ready", "True", "ReconciliationSucceeded", "Applied revision: a")});
const auto fetching = state_of({told("Reconciling", "True", "Progressing", "Fetching manifests", 1),
                                told("Ready", "Unknown", "Progressing", "in progress", 1)});
const auto building = state_of({told("Reconciling", "True", "Progressing", "Building manifests", 1),
                                told("Ready", "Unknown", "Progressing", "in progress", 1)});
const auto failed = state_of({told("Ready", "False", "BuildFailed", "no such file", 2)});

TEST(shedding, leaves_nothing_out_when_there_is_time) {
  shedding subject;
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(subject.leaves_out(ready, shed_level::nothing), std::nullopt);
  EXPECT_EQ(subject.size(), 0U);
}

TEST(shedding, leaves_out_what_says_the_same_again) {
  shedding subject;
  EXPECT_EQ(subject.leaves_out(ready, shed_level::repeated), std::nullopt);
  EXPECT_EQ(subject.leaves_out(ready, shed_level::repeated), shed_level::repeated);
  auto counted = ready;
  counted.state->labels["team"] = "a";
  EXPECT_EQ(subject.leaves_out(counted, shed_level::repeated), shed_level::repeated);
  EXPECT_EQ(subject.leaves_out(fetching, shed_level::repeated), std::nullopt);
  EXPECT_EQ(subject.leaves_out(building, shed_level::repeated), std::nullopt);
}

TEST(shedding, leaves_out_steps_of_a_run_and_not_its_ends) {
  shedding subject;
  EXPECT_EQ(subject.leaves_out(ready, shed_level::phases), std::nullopt);
  EXPECT_EQ(subject.leaves_out(fetching, shed_level::phases), std::nullopt);
  EXPECT_EQ(subject.leaves_out(building, shed_level::phases), shed_level::phases);
  EXPECT_EQ(subject.leaves_out(ready, shed_level::phases), std::nullopt);
}

TEST(shedding, leaves_out_runs_that_apply_nothing_new) {
  shedding subject;
  EXPECT_EQ(subject.leaves_out(ready, shed_level::idle_runs), std::nullopt);
  EXPECT_EQ(subject.leaves_out(fetching, shed_level::idle_runs), shed_level::idle_runs);
  EXPECT_EQ(subject.leaves_out(ready, shed_level::idle_runs), shed_level::repeated);
  auto next = state_of(fetching.state->conditions, "main@sha1:b");
  EXPECT_EQ(subject.leaves_out(next, shed_level::idle_runs), std::nullopt);
}

TEST(shedding, keeps_every_failure_and_deletion) {
  shedding subject;
  auto deleting = ready;
  deleting.state->deleted = timestamp{std::chrono::seconds{3}};
  auto gone = deleting;
  gone.kind = observation_kind::deleted;
  for (const auto& each : {failed, failed, deleting, deleting, gone})
    EXPECT_EQ(subject.leaves_out(each, shed_level::idle_runs), std::nullopt);
  EXPECT_EQ(subject.size(), 0U);
}

TEST(shedding, keeps_messages_lists_and_what_is_made_anew) {
  shedding subject;
  observation message;
  message.kind = observation_kind::event;
  message.object = ready.object;
  message.message.emplace();
  auto listed = ready;
  listed.relisted = true;
  auto anew = ready;
  anew.uid = "two";
  for (const auto& each : {ready, message, message, listed, anew})
    EXPECT_EQ(subject.leaves_out(each, shed_level::idle_runs), std::nullopt);
  subject.forget();
  EXPECT_EQ(subject.leaves_out(ready, shed_level::idle_runs), std::nullopt);
}

TEST(shedding, keeps_a_rollout_from_its_beginning_to_its_end) {
  shedding subject;
  observation pods;
  pods.object = {"apps", "Deployment", "apps", "web"};
  pods.state.emplace();
  pods.state->generation = pods.state->observed_generation = 2;
  pods.state->workload = workload_state{3, 4, 1, 3, 3, {"web:2"}};
  EXPECT_EQ(subject.leaves_out(pods, shed_level::repeated), std::nullopt);
  pods.state->workload->updated = 2;
  EXPECT_EQ(subject.leaves_out(pods, shed_level::repeated), shed_level::repeated);
  pods.state->workload = workload_state{3, 3, 3, 3, 3, {"web:2"}};
  EXPECT_EQ(subject.leaves_out(pods, shed_level::repeated), std::nullopt);
}

/// Each run, source and workload with its parent and outcome, by trace.
std::multiset<std::string> runs_of(const std::vector<completed_trace>& traces) {
  std::multiset<std::string> result;
  for (const auto& trace : traces) {
    std::map<span_id, const span*> by_id;
    for (const auto& each : trace.spans)
      by_id[each.id] = &each;
    for (const auto& each : trace.spans) {
      auto kind = each.text("flux.span.kind");
      if (kind == "phase" || kind == "wait")
        continue;
      auto parent = by_id.find(each.parent);
      result.insert(trace.id.to_hex() + ' ' + std::string{kind} + ' ' + name_of(each) + " under " +
                    (parent == by_id.end() ? "none" : name_of(*parent->second)) + ' ' +
                    std::string{each.text("flux.revision")} + ' ' + std::string{each.text("flux.outcome")} +
                    ' ' + std::string{each.text("flux.reason")});
    }
  }
  return result;
}

void expect_same(const std::multiset<std::string>& got, const std::multiset<std::string>& wanted) {
  std::vector<std::string> differ;
  std::set_symmetric_difference(got.begin(), got.end(), wanted.begin(), wanted.end(),
                                std::back_inserter(differ));
  for (const auto& each : differ)
    ADD_FAILURE() << (wanted.contains(each) ? "missing: " : "too much: ") << each;
}

class shed : public testing::TestWithParam<const char*> {};

TEST_P(shed, leaves_every_run_where_it_was) {
  auto facts = stream_of(GetParam());
  auto whole = runs_of(at_end(facts));
  auto as_it_came = runs_of(live(facts));
  for (auto level : levels) {
    SCOPED_TRACE(text_of(level));
    shedding subject;
    std::vector<observation_ptr> kept;
    for (const auto& each : facts)
      if (!subject.leaves_out(*each, level))
        kept.push_back(each);
    expect_same(runs_of(at_end(kept)), whole);
    expect_same(runs_of(live(kept)), as_it_came);
  }
}

INSTANTIATE_TEST_SUITE_P(recordings, shed, testing::ValuesIn(test::all_recordings()), test::recording_name);
INSTANTIATE_TEST_SUITE_P(walks, shed, testing::ValuesIn(test::walks()), test::recording_name);

} // namespace
} // namespace tc::trace
