#pragma once

// The bundled recordings, and what assembly and live replay make of them, for tests that vary how they
// arrive.

#include "tests/support/live_replay.hpp"
#include "tests/support/recording.hpp"
#include "trace/assemble.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tc::test {

inline const std::vector<const char*> recordings = {"s01-three-kustomizations",
                                                    "s02-helm",
                                                    "s03-failures",
                                                    "s04-nested",
                                                    "s05-superseded",
                                                    "s05b-superseded-cancel",
                                                    "s06-oci-origin",
                                                    "s07-two-sources-same-commit",
                                                    "s08-drift-and-noop",
                                                    "s09-controller-restart",
                                                    "s10-noisy",
                                                    "s11-rollback-to-old-sha",
                                                    "s12-prune-delete",
                                                    "s13-helm-chartref-valuesfrom"};

/// The folders in that one, "<folder>/<name>", for as long as the program runs.
inline std::vector<const char*> recordings_in(const std::string& folder) {
  static std::set<std::string> names;
  std::vector<const char*> result;
  for (const auto& each :
       std::filesystem::directory_iterator{std::string{TC_SOURCE_DIR} + "/tests/recordings/" + folder})
    result.push_back(names.insert(folder + "/" + each.path().filename().string()).first->c_str());
  std::sort(result.begin(), result.end(),
            [](const char* left, const char* right) { return std::string_view{left} < right; });
  return result;
}

/// Those of hard cases, made by the end-to-end tests: "hard/<case>".
inline const std::vector<const char*>& hard_recordings() {
  static const auto result = recordings_in("hard");
  return result;
}

/// Those of walks by chance, of which no truth was written down: "walks/<walk>".
inline const std::vector<const char*>& walks() {
  static const auto result = recordings_in("walks");
  return result;
}

inline std::vector<const char*> all_recordings() {
  auto result = recordings;
  result.insert(result.end(), hard_recordings().begin(), hard_recordings().end());
  return result;
}

/// Name of a test of one recording.
inline std::string recording_name(const testing::TestParamInfo<const char*>& parameter) {
  std::string name{parameter.param};
  std::replace_if(
      name.begin(), name.end(), [](char each) { return each == '-' || each == '/'; }, '_');
  return name;
}

inline std::string folder_of(const std::string& recording) {
  return std::string{TC_SOURCE_DIR "/tests/recordings/"}.append(recording);
}

/// Returns the facts of the recording's stream, in order of arrival.
inline std::vector<observation_ptr> stream_of(const std::string& recording) {
  return load_stream(folder_of(recording) + "/stream.jsonl.gz");
}

inline std::vector<completed_trace> at_end(const std::vector<observation_ptr>& facts) {
  trace::ledger all;
  for (const auto& fact : facts)
    all.add(fact);
  return trace::assemble_all(all, {});
}

inline std::vector<completed_trace> live(std::vector<observation_ptr> facts,
                                         trace::assembly_options options = {}) {
  std::stable_sort(facts.begin(), facts.end(), [](const auto& left, const auto& right) {
    return left->received_at < right->received_at;
  });
  live_replay replay{std::move(options)};
  for (const auto& fact : facts)
    replay.observe(fact);
  replay.finish();
  return replay.exported();
}

using span_key = std::pair<trace_id, span_id>;

/// Returns all spans by their IDs; a test fails when an ID is there twice.
inline std::map<span_key, span> spans_of(const std::vector<completed_trace>& traces) {
  std::map<span_key, span> result;
  for (const auto& trace : traces)
    for (const auto& each : trace.spans)
      EXPECT_TRUE(result.emplace(span_key{trace.id, each.id}, each).second) << each.name << " twice";
  return result;
}

/// Byte for byte, as far as spans go.
inline void expect_the_same(const std::vector<completed_trace>& again,
                            const std::vector<completed_trace>& whole) {
  ASSERT_EQ(again.size(), whole.size());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    EXPECT_EQ(again[at].id, whole[at].id);
    EXPECT_EQ(again[at].spans, whole[at].spans) << whole[at].change_key;
    EXPECT_EQ(again[at].outcome, whole[at].outcome);
    EXPECT_EQ(again[at].root, whole[at].root);
  }
}

inline std::string name_of(const span& each) {
  return std::string{each.text("k8s.resource.kind")} + '/' + std::string{each.text("k8s.namespace.name")} +
         '/' + std::string{each.text("k8s.resource.name")};
}

} // namespace tc::test
