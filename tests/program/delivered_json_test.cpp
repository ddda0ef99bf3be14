// What the status of a Trace tells of deliveries, written and read.

#include "runtime/program/delivered_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace tc;
using namespace tc::runtime;
using nlohmann::json;

namespace {

std::vector<delivered_trace> some() {
  return {
      {*trace_id::from_hex("0af7651916cd43dd8448eb211c80319c"),
       {*span_id::from_hex("00f067aa0ba902b7"), *span_id::from_hex("b7ad6b7169203331")}},
      {*trace_id::from_hex("11f7651916cd43dd8448eb211c80319c"), {*span_id::from_hex("00f067aa0ba902b7")}}};
}

} // namespace

TEST(delivered_json, is_read_as_it_was_written) {
  json trace{
      {"metadata", {{"uid", "u"}}},
      {"status", {{"deliveredSpans", delivered_json(some())}, {"exportedUntil", "2026-01-01T00:00:05Z"}}}};
  EXPECT_EQ(trace["status"]["deliveredSpans"][1],
            (json{{"traceID", "11f7651916cd43dd8448eb211c80319c"}, {"spans", "APBnqgupArc="}}));
  auto read = read_delivered(trace.dump());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->uid, "u");
  EXPECT_EQ(read->traces, some());
  EXPECT_EQ(read->until, parse_rfc3339("2026-01-01T00:00:05Z").value());
}

TEST(delivered_json, what_cannot_be_read_is_left_out) {
  for (const auto* text :
       {"", "[]", "{}", R"({"metadata":{"uid":"u"}})", R"({"metadata":{"uid":7},"status":{}})",
        R"({"metadata":7,"status":7})", R"({"metadata":{"uid":"u"},"status":{"deliveredSpans":7}})",
        R"({"metadata":{"uid":"u"},"status":{"deliveredSpans":[7,{},{"traceID":"x","spans":"AAAA"}]}})"})
    EXPECT_FALSE(read_delivered(text)) << text;
  auto read = read_delivered(R"({"metadata":{"uid":"u"},"status":{"exportedUntil":"soon","deliveredSpans":[)"
                             R"({"traceID":"0af7651916cd43dd8448eb211c80319c","spans":"AAAA"},)"
                             R"({"traceID":"0af7651916cd43dd8448eb211c80319c","spans":"!"},)"
                             R"({"traceID":"0af7651916cd43dd8448eb211c80319c","spans":"APBnqgupArc="}]}})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->traces.size(), 1u);
  EXPECT_FALSE(is_known(read->until));
}
