// Real runs of real controllers against their ground truth, from all of the evidence and from parts of it.

#include "tests/trace/recorded.hpp"
#include "trace/explain.hpp"
#include "trace/span_ids.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <numeric>

namespace tc::trace {
namespace {

using json = nlohmann::json;
using test::at_end;
using test::folder_of;
using test::live;
using test::live_replay;
using test::name_of;
using test::spans_of;
using test::stream_of;

std::string name_of(const json& object) {
  return object["kind"].get<std::string>() + '/' + object["namespace"].get<std::string>() + '/' +
         object["name"].get<std::string>();
}

void collapse(std::vector<std::string>& words) {
  words.erase(std::unique(words.begin(), words.end()), words.end());
}

/// What the truth expects of a run, in the words of flux.outcome; a remediation is no outcome.
std::vector<std::string> expected_outcomes(const json& run) {
  std::vector<std::string> result;
  bool after_failure = false;
  for (const std::string word : run["outcomes"]) {
    if (word.starts_with("Remediated:") || (word == "Uninstalled" && after_failure))
      continue;
    after_failure = word.starts_with("Failed:");
    result.push_back(after_failure                   ? "failed " + word.substr(7)
                     : word.starts_with("Canceled:") ? "superseded " + word.substr(9)
                     : word == "DependencyNotReady"  ? "superseded DependencyNotReady"
                                                     : "succeeded");
  }
  collapse(result);
  return result;
}

/// Checks every change of the truth: its root, its runs with parents and outcomes, and its own outcome.
void expect_truth(const std::string& name, const std::vector<completed_trace>& traces) {
  std::ifstream file{folder_of(name) + "/truth.json"};
  auto truth = json::parse(file);
  std::map<trace_id, std::map<span_id, span>> by_trace;
  for (const auto& trace : traces)
    for (const auto& each : trace.spans)
      by_trace[trace.id].emplace(each.id, each);
  std::map<trace_id, std::map<std::string, std::vector<const span*>>> runs;
  std::map<std::string, std::vector<trace_id>> traces_of_key;
  for (const auto& [id, spans] : by_trace) {
    int roots = 0;
    for (const auto& [own, each] : spans) {
      EXPECT_LE(each.start, each.end) << each.name;
      if (each.parent.is_zero()) {
        ++roots;
        std::string key{each.text("flux.change.key")};
        traces_of_key[key.substr(0, key.find("@2026"))].push_back(id);
      } else {
        EXPECT_TRUE(spans.contains(each.parent)) << each.name << " has no parent";
      }
      if (each.text("flux.span.kind") == "run" && each.text("flux.action") != "delete")
        runs[id][name_of(each)].push_back(&each);
    }
    EXPECT_EQ(roots, 1);
  }
  for (auto& [key, list] : traces_of_key)
    std::sort(list.begin(), list.end(), [&](const trace_id& left, const trace_id& right) {
      auto begin = [&](const trace_id& of) {
        timestamp first = timestamp::max();
        for (const auto& [id, each] : by_trace[of])
          first = std::min(first, each.start);
        return first;
      };
      return begin(left) < begin(right);
    });
  std::map<std::string, std::size_t> occurrence;
  std::map<std::string, std::string> key_before; // of a root
  std::map<trace_id, std::set<std::string>> expected;
  for (const auto& change : truth["changes"]) {
    std::string key = change["key"];
    auto root = name_of(change["root"]);
    bool folded = key_before[root] == key; // the same origin under a new digest
    key_before[root] = key;
    if (!folded)
      ++occurrence[key];
    SCOPED_TRACE(key + " " + std::to_string(occurrence[key]));
    ASSERT_GE(traces_of_key[key].size(), occurrence[key]);
    auto id = traces_of_key[key][occurrence[key] - 1];
    if (occurrence[key] == 1) {
      EXPECT_EQ(id, derive_trace_id(key));
    }
    const auto& spans = by_trace[id];
    auto top = std::find_if(spans.begin(), spans.end(),
                            [](const auto& each) { return each.second.parent.is_zero(); });
    ASSERT_NE(top, spans.end());
    std::set<std::string> possible_roots{root};
    if (change.contains("roots"))
      for (const auto& each : change["roots"])
        possible_roots.insert(name_of(each));
    EXPECT_TRUE(possible_roots.contains(name_of(top->second))) << name_of(top->second);
    EXPECT_EQ(top->second.text("flux.change.outcome"), change["status"].get<std::string>());
    for (const auto& run : change["runs"]) {
      auto object = name_of(run);
      SCOPED_TRACE(object);
      expected[id].insert(object);
      auto got = runs[id][object];
      std::sort(got.begin(), got.end(),
                [](const span* left, const span* right) { return left->start < right->start; });
      std::vector<std::string> outcomes;
      int failures = 0;
      for (const auto* each : got) {
        auto how = std::string{each->text("flux.outcome")};
        failures += how == "failed";
        if (how == "incomplete" && run.contains("interruptedAttempts"))
          continue;
        outcomes.push_back(how == "succeeded" ? how : how + ' ' + std::string{each->text("flux.reason")});
        if (run.contains("parent") && !run["parent"].is_null()) {
          ASSERT_TRUE(spans.contains(each->parent));
          EXPECT_EQ(name_of(spans.at(each->parent)), name_of(run["parent"]));
        }
      }
      collapse(outcomes);
      bool uninstalled = run["outcomes"] == json::array({"Uninstalled"});
      if (!uninstalled) {
        EXPECT_EQ(outcomes, expected_outcomes(run));
      }
      if (run.contains("attempts") && !run["attempts"].is_null()) {
        auto counts = run["attempts"].get<std::vector<int>>();
        EXPECT_EQ(failures, std::accumulate(counts.begin(), counts.end(), 0));
      }
    }
    for (const auto& workload : change.value("workloads", json::array()))
      EXPECT_TRUE(std::any_of(spans.begin(), spans.end(),
                              [&](const auto& each) {
                                return each.second.text("flux.span.kind") == "workload" &&
                                       name_of(each.second) == name_of(workload);
                              }))
          << "no " << name_of(workload);
  }
  for (const auto& [id, objects] : runs)
    for (const auto& [object, list] : objects)
      EXPECT_TRUE(list.empty() || expected[id].contains(object))
          << "a run too many: " << object << " in " << id.to_hex();
}

class recording : public testing::TestWithParam<const char*> {};

TEST_P(recording, is_right_at_the_end_from_the_stream_alone) {
  expect_truth(GetParam(), at_end(stream_of(GetParam())));
}

TEST_P(recording, is_right_live_from_the_stream_alone) {
  expect_truth(GetParam(), live(stream_of(GetParam())));
}

TEST_P(recording, is_right_with_http_events_too_and_has_the_same_spans) {
  auto facts = stream_of(GetParam());
  auto without = spans_of(at_end(facts));
  auto posts = test::load_posts(folder_of(GetParam()) + "/posts.jsonl.gz");
  facts.insert(facts.end(), posts.begin(), posts.end());
  auto traces = at_end(facts);
  expect_truth(GetParam(), traces);
  auto with = spans_of(traces);
  ASSERT_EQ(with.size(), without.size());
  for (const auto& [key, each] : without) {
    ASSERT_TRUE(with.contains(key)) << each.name;
    EXPECT_EQ(with[key].parent, each.parent) << each.name;
    EXPECT_EQ(with[key].text("flux.outcome"), each.text("flux.outcome")) << each.name;
  }
}

TEST_P(recording, live_output_is_the_set_at_the_end) {
  auto facts = stream_of(GetParam());
  auto whole = spans_of(at_end(facts));
  auto parts = spans_of(live(facts));
  EXPECT_EQ(parts.size(), whole.size());
  for (const auto& [key, each] : whole)
    EXPECT_TRUE(parts.contains(key)) << each.name;
}

TEST_P(recording, messages_alone_tell_nothing_false) {
  auto facts = stream_of(GetParam());
  std::set<std::pair<trace_id, std::string>> known;
  for (const auto& trace : at_end(facts))
    for (const auto& each : trace.spans)
      if (each.text("flux.span.kind") == "run") {
        known.emplace(trace.id, name_of(each) + ' ' + std::string{each.text("flux.outcome")});
        known.emplace(trace.id, name_of(each) + " incomplete"); // how it ended may not be told
      }
  std::erase_if(facts, [](const observation_ptr& each) { return each->state.has_value(); });
  auto posts = test::load_posts(folder_of(GetParam()) + "/posts.jsonl.gz");
  for (bool with_posts : {false, true}) {
    if (with_posts)
      facts.insert(facts.end(), posts.begin(), posts.end());
    std::size_t runs = 0;
    for (const auto& trace : at_end(facts))
      for (const auto& each : trace.spans)
        if (each.text("flux.span.kind") == "run") {
          ++runs;
          EXPECT_TRUE(
              known.contains({trace.id, name_of(each) + ' ' + std::string{each.text("flux.outcome")}}))
              << name_of(each) << " in " << trace.change_key;
        }
    EXPECT_GT(runs, 0U);
  }
}

TEST_P(recording, explains_every_run_source_and_workload) {
  ledger all;
  for (const auto& fact : stream_of(GetParam()))
    all.add(fact);
  std::map<std::string, std::string> told;
  for (const auto& [object, known] : all.objects())
    told[object.kind + '/' + object.namespace_name + '/' + object.name] = explain(all, object, {});
  for (const auto& trace : assemble_all(all, {}))
    for (const auto& each : trace.spans) {
      auto change = trace.change_key + " (trace " + trace.id.to_hex() + ')';
      auto kind = each.text("flux.span.kind");
      if (kind == "workload") {
        EXPECT_THAT(told[name_of(each)], testing::HasSubstr("  in change " + change + ", applied by "));
      }
      if (auto why = each.text("flux.attribution"); kind == "source" && !why.empty()) {
        EXPECT_THAT(told[name_of(each)],
                    testing::AllOf(testing::HasSubstr(change + " as span " + each.id.to_hex()),
                                   testing::HasSubstr('[' + std::string{why} + ']')));
      }
      if (kind != "run")
        continue;
      bool attempt = each.text("flux.reason") != "DependencyNotReady" && each.text("flux.action") != "delete";
      EXPECT_THAT(told[name_of(each)],
                  testing::HasSubstr(attempt ? change + " as span " + each.id.to_hex() : change))
          << each.name;
    }
}

TEST_P(recording, evidence_from_the_estate_assembles_as_the_whole_does) {
  auto facts = stream_of(GetParam());
  ledger all;
  for (const auto& fact : facts)
    all.add(fact);
  estate memory{{}};
  std::set<std::string> known;
  for (const auto& fact : facts)
    for (const auto& key : memory.observe(fact))
      known.insert(key);
  for (const auto& change : changes_in(all, {})) {
    if (change.unused || change.drift)
      continue;
    ASSERT_TRUE(known.contains(change.key)) << change.key;
    ledger part;
    for (const auto& fact : memory.evidence(change.key))
      part.add(fact);
    EXPECT_EQ(assemble(part, change.key, {}).spans, assemble(all, change.key, {}).spans) << change.key;
  }
}

TEST(drift, is_a_change_of_its_own_for_a_trace_that_asks_for_it) {
  auto facts = stream_of("s08-drift-and-noop");
  assembly_options options;
  options.include_drift = true;
  ledger all;
  live_replay replay{options};
  for (const auto& fact : facts) {
    all.add(fact);
    replay.observe(fact);
  }
  replay.finish();
  auto found = [](const std::vector<completed_trace>& traces) {
    return std::count_if(traces.begin(), traces.end(), [](const completed_trace& each) {
      return each.change_key == "drift:Kustomization/flux-system/app#2026-11-21T09:05:26Z" &&
             each.outcome == "succeeded" && each.spans.size() > 1 && each.spans.front().links.size() == 1;
    });
  };
  EXPECT_EQ(found(assemble_all(all, options)), 1);
  EXPECT_EQ(found(replay.exported()), 1);
  EXPECT_EQ(found(assemble_all(all, {})), 0);
}

INSTANTIATE_TEST_SUITE_P(all, recording, testing::ValuesIn(test::recordings), test::recording_name);
INSTANTIATE_TEST_SUITE_P(of, recording, testing::ValuesIn(test::hard_recordings()), test::recording_name);

} // namespace
} // namespace tc::trace
