// Parts of traces, put together for people.

#include "runtime/program/trace_collection.hpp"

#include <gtest/gtest.h>

using namespace tc;
using namespace tc::runtime;

namespace {

completed_trace part(std::uint8_t id, std::initializer_list<std::uint8_t> spans, int first_second) {
  completed_trace out;
  out.id.bytes[0] = id;
  out.outcome = "succeeded";
  for (auto number : spans) {
    span value;
    value.id.bytes[0] = number;
    value.start = timestamp{std::chrono::seconds{first_second++}};
    out.spans.push_back(value);
  }
  return out;
}

} // namespace

TEST(trace_collection, additions_join_their_trace_and_what_comes_twice_counts_once) {
  trace_collection traces;
  traces.add(part(1, {1, 2}, 50));
  traces.add(part(2, {1}, 20)); // the same span ID in another trace
  auto addition = part(1, {2, 3}, 10);
  addition.outcome = "failed";
  traces.add(addition);
  EXPECT_EQ(traces.traces(), 2U);
  EXPECT_EQ(traces.spans(), 4U);
  auto in_order = traces.in_order();
  ASSERT_EQ(in_order.size(), 2U);
  // The addition began first: at 11, where what was known of span 2 stays at 51.
  EXPECT_EQ(in_order[0].id.bytes[0], 1);
  EXPECT_EQ(in_order[0].spans.size(), 3U);
  EXPECT_EQ(in_order[0].spans[1].start, timestamp{std::chrono::seconds{51}});
  EXPECT_EQ(in_order[0].outcome, "failed");
  EXPECT_EQ(in_order[1].id.bytes[0], 2);
}

TEST(trace_collection, empty) {
  EXPECT_TRUE(trace_collection{}.in_order().empty());
}
