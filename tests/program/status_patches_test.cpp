// The status of Traces as JSON Patches.

#include "runtime/program/status_patches.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace tc;
using namespace tc::runtime;
using nlohmann::json;
using ::testing::ElementsAre;

namespace {

timestamp at(const char* time) {
  return parse_rfc3339(time).value();
}

trace_status ready() {
  trace_status out;
  out.namespace_name = "flux-system";
  out.name = "all";
  out.uid = "uid-1";
  out.generation = 3;
  out.ready = true;
  out.reason = "Succeeded";
  out.message = "changes are followed and exported";
  return out;
}

trace_status not_ready(bool stalled) {
  auto out = ready();
  out.ready = false;
  out.stalled = stalled;
  out.reason = stalled ? "InvalidExpression" : "SecretNotFound";
  out.message = "what is wrong";
  return out;
}

/// The status of a new Trace after the patch; the CRD's default gives it one to begin with.
json patch(status_patches& patches, const trace_status& status, const char* time) {
  json object{{"metadata", {{"uid", status.uid}}}, {"status", {{"observedGeneration", -1}}}};
  return object.patch(json::parse(patches.patch_for(status, at(time)))).at("status");
}

std::vector<std::string> conditions_of(const json& status) {
  std::vector<std::string> out;
  for (const auto& one : status.at("conditions"))
    out.push_back(one.at("type").get<std::string>() + '=' + one.at("status").get<std::string>() + ' ' +
                  one.at("reason").get<std::string>() + ' ' +
                  one.at("lastTransitionTime").get<std::string>());
  return out;
}

} // namespace

TEST(status_patches, ready) {
  status_patches patches;
  auto status = ready();
  status.books.changes_pending = 1;
  status.books.changes_exported = 2;
  status.books.changes_dropped = 3;
  status.books.changes_sampled_out = 4;
  auto body = patch(patches, status, "2026-01-02T03:04:05.678Z");
  EXPECT_THAT(conditions_of(body), ElementsAre("Ready=True Succeeded 2026-01-02T03:04:05Z"));
  EXPECT_EQ(body.at("conditions").at(0).at("observedGeneration"), 3);
  EXPECT_EQ(body.at("conditions").at(0).at("message"), status.message);
  EXPECT_EQ(body.at("observedGeneration"), 3);
  EXPECT_EQ(body.at("activeChanges"), 1);
  EXPECT_EQ(body.at("exportedChanges"), 2);
  EXPECT_EQ(body.at("droppedChanges"), 3);
  EXPECT_EQ(body.at("sampledChanges"), 4);
  EXPECT_FALSE(body.contains("lastExportedTrace")); // what an earlier process exported stays
}

TEST(status_patches, what_heals_by_itself_is_reconciling_and_what_does_not_is_stalled) {
  status_patches patches;
  EXPECT_THAT(conditions_of(patch(patches, not_ready(false), "2026-01-01T00:00:00Z")),
              ElementsAre("Ready=False SecretNotFound 2026-01-01T00:00:00Z",
                          "Reconciling=True ProgressingWithRetry 2026-01-01T00:00:00Z"));
  EXPECT_THAT(conditions_of(patch(patches, not_ready(true), "2026-01-01T00:00:01Z")),
              ElementsAre("Ready=False InvalidExpression 2026-01-01T00:00:00Z",
                          "Stalled=True InvalidExpression 2026-01-01T00:00:01Z"));
  EXPECT_THAT(conditions_of(patch(patches, ready(), "2026-01-01T00:00:02Z")),
              ElementsAre("Ready=True Succeeded 2026-01-01T00:00:02Z"));
  // A condition that comes again is new.
  EXPECT_THAT(conditions_of(patch(patches, not_ready(false), "2026-01-01T00:00:03Z")),
              ElementsAre("Ready=False SecretNotFound 2026-01-01T00:00:03Z",
                          "Reconciling=True ProgressingWithRetry 2026-01-01T00:00:03Z"));
}

TEST(status_patches, an_unchanged_condition_keeps_its_transition_time_over_a_restart) {
  status_patches before;
  auto body = patch(before, ready(), "2026-01-01T00:00:00Z");
  json object{{"metadata", {{"uid", "uid-1"}}}, {"status", body}};

  status_patches after;
  after.seen(object.dump());
  EXPECT_THAT(conditions_of(patch(after, ready(), "2026-02-02T00:00:00Z")),
              ElementsAre("Ready=True Succeeded 2026-01-01T00:00:00Z"));
  after.gone("uid-1");
  EXPECT_THAT(conditions_of(patch(after, ready(), "2026-02-02T00:00:00Z")),
              ElementsAre("Ready=True Succeeded 2026-02-02T00:00:00Z"));
}

TEST(status_patches, say_what_the_backend_refused_until_it_takes_the_next) {
  status_patches patches;
  auto refused = ready();
  refused.last_refusal = "the trace of sha1:c5 was refused for good: no";
  auto body = patch(patches, refused, "2026-01-01T00:00:00Z");
  EXPECT_THAT(conditions_of(body), ElementsAre("Ready=True Succeeded 2026-01-01T00:00:00Z",
                                               "ExportRefused=True RefusedByBackend 2026-01-01T00:00:00Z"));
  EXPECT_EQ(body.at("conditions").at(1).at("message"), refused.last_refusal);
  EXPECT_THAT(conditions_of(patch(patches, ready(), "2026-01-01T00:00:01Z")),
              ElementsAre("Ready=True Succeeded 2026-01-01T00:00:00Z"));
}

TEST(status_patches, a_late_echo_of_an_own_patch_changes_nothing) {
  status_patches patches;
  auto first = patch(patches, not_ready(false), "2026-01-01T00:00:00Z");
  patch(patches, ready(), "2026-01-01T00:00:01Z");
  patches.seen(json{{"metadata", {{"uid", "uid-1"}}}, {"status", first}}.dump());
  EXPECT_THAT(conditions_of(patch(patches, ready(), "2026-01-01T00:00:02Z")),
              ElementsAre("Ready=True Succeeded 2026-01-01T00:00:01Z"));
}

TEST(status_patches, who_stands_by_goes_on_from_the_latest_of_the_leader) {
  status_patches leader, standby;
  auto first = patch(leader, not_ready(false), "2026-01-01T00:00:00Z");
  standby.seen(json{{"metadata", {{"uid", "uid-1"}}}, {"status", first}}.dump(), true);
  auto second = patch(leader, ready(), "2026-01-01T00:00:05Z");
  standby.seen(json{{"metadata", {{"uid", "uid-1"}}}, {"status", second}}.dump(), true);
  EXPECT_THAT(conditions_of(patch(standby, ready(), "2026-01-01T01:00:00Z")),
              ElementsAre("Ready=True Succeeded 2026-01-01T00:00:05Z"));
}

TEST(status_patches, tell_what_was_delivered_where_another_process_may_take_over) {
  status_patches patches;
  auto status = ready();
  EXPECT_FALSE(patch(patches, status, "2026-01-01T00:00:00Z").contains("deliveredSpans"));
  status.delivered = std::make_shared<const std::vector<delivered_trace>>(std::vector<delivered_trace>{
      {*trace_id::from_hex("0af7651916cd43dd8448eb211c80319c"), {*span_id::from_hex("00f067aa0ba902b7")}}});
  EXPECT_EQ(patch(patches, status, "2026-01-01T00:00:00Z").at("deliveredSpans"),
            (json::array({{{"traceID", "0af7651916cd43dd8448eb211c80319c"}, {"spans", "APBnqgupArc="}}})));
}

TEST(status_patches, foreign_shapes_are_ignored) {
  status_patches patches;
  for (const auto* text : {"", "[]", "{}", R"({"metadata":{"uid":7}})",
                           R"({"metadata":{"uid":"uid-1"},"status":{"conditions":[{"type":1}]}})",
                           R"({"metadata":{"uid":"uid-1"},"status":7})"})
    patches.seen(text);
  EXPECT_THAT(conditions_of(patch(patches, ready(), "2026-01-01T00:00:00Z")),
              ElementsAre("Ready=True Succeeded 2026-01-01T00:00:00Z"));
}

TEST(status_patches, the_last_exported_trace) {
  status_patches patches;
  auto status = ready();
  status.last_trace_id = "0af7651916cd43dd8448eb211c80319c";
  status.last_revision = "main@sha1:c0ffee";
  status.last_change_key = "sha1:c0ffee";
  status.last_export = at("2026-01-01T00:00:09.5Z");
  EXPECT_EQ(patch(patches, status, "2026-01-01T00:00:10Z").at("lastExportedTrace"),
            (json{{"traceID", status.last_trace_id},
                  {"revision", status.last_revision},
                  {"changeKey", status.last_change_key},
                  {"time", "2026-01-01T00:00:09Z"}}));
}

TEST(status_patches, a_long_message_is_cut_and_stays_text) {
  status_patches patches;
  auto status = not_ready(false);
  status.message.clear();
  while (status.message.size() < 40'000)
    status.message += "ü!"; // so that the cut may fall inside a character
  auto message = patch(patches, status, "2026-01-01T00:00:00Z").at("conditions").at(0).at("message");
  EXPECT_LT(message.get<std::string>().size(), 32'768U);
  status.message = "\xff\xfe broken";
  EXPECT_NO_THROW(patch(patches, status, "2026-01-01T00:00:00Z"));
}

TEST(status_patches, fail_on_another_object_of_the_same_name) {
  status_patches patches;
  auto patch = json::parse(patches.patch_for(ready(), at("2026-01-01T00:00:00Z")));
  EXPECT_EQ(patch.at(0), (json{{"op", "test"}, {"path", "/metadata/uid"}, {"value", "uid-1"}}));
  EXPECT_THROW((json{{"metadata", {{"uid", "uid-2"}}}, {"status", json::object()}}.patch(patch)),
               json::other_error);
}

TEST(status_patches, leave_what_they_do_not_name) {
  status_patches patches;
  auto patch = json::parse(patches.patch_for(ready(), at("2026-01-01T00:00:00Z")));
  json object{{"metadata", {{"uid", "uid-1"}}},
              {"status", {{"lastExportedTrace", {{"traceID", "t"}}}, {"activeChanges", 7}}}};
  auto status = object.patch(patch).at("status");
  EXPECT_EQ(status.at("lastExportedTrace").at("traceID"), "t");
  EXPECT_EQ(status.at("activeChanges"), 0);
}

TEST(status_patches, keep_nothing_of_a_trace_that_is_gone) {
  status_patches patches;
  patch(patches, ready(), "2026-01-01T00:00:00Z");
  patches.gone("uid-1");
  for (const auto* time : {"2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"})
    EXPECT_THAT(conditions_of(patch(patches, ready(), time)),
                ElementsAre("Ready=True Succeeded " + std::string{time}));
}

TEST(status_patches, say_until_when_nothing_is_left_to_export) {
  status_patches patches;
  auto status = ready();
  EXPECT_FALSE(patch(patches, status, "2026-01-01T00:00:00Z").contains("exportedUntil"));
  status.exported_until = at("2026-01-01T00:00:05.750Z");
  EXPECT_EQ(patch(patches, status, "2026-01-01T00:00:10Z").at("exportedUntil"), "2026-01-01T00:00:05Z");
}
