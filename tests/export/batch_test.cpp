// How traces are cut into batches, as a pure rule; and what every encoder keeps of it.

#include "export/batch.hpp"
#include "export/otlp_encoder.hpp"
#include "export/otlp_json.hpp"
#include "export/zipkin_encoder.hpp"
#include "tests/export/sample_traces.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>

namespace tc::exporting {
namespace {

using ranges = std::vector<std::vector<span_range>>;
using sizes = std::vector<std::vector<measured_span>>;

ranges cut(const sizes& traces, std::vector<std::size_t> groups, std::size_t limit) {
  return cut_batches(traces, groups, limit);
}

TEST(cut_batches, puts_all_into_one_batch_that_fits_exactly) {
  sizes traces{{{10, 0}, {10, 0}}, {{10, 0}}};
  EXPECT_EQ(cut(traces, {5}, 35), (ranges{{{0, 0, 2}, {1, 0, 1}}}));
  EXPECT_EQ(cut(traces, {5}, 34), (ranges{{{0, 0, 2}}, {{1, 0, 1}}}));
}

TEST(cut_batches, charges_a_group_once_in_each_batch) {
  sizes traces{{{10, 0}, {10, 1}, {10, 0}, {10, 1}}};
  EXPECT_EQ(cut(traces, {5, 7}, 52).size(), 1U);
  EXPECT_EQ(cut(traces, {5, 7}, 51), (ranges{{{0, 0, 3}}, {{0, 3, 1}}}));
}

TEST(cut_batches, does_not_tear_a_trace_that_fits_alone) {
  sizes traces{{{10, 0}}, {{10, 0}, {10, 0}}};
  EXPECT_EQ(cut(traces, {0}, 25), (ranges{{{0, 0, 1}}, {{1, 0, 2}}}));
}

TEST(cut_batches, sends_a_span_above_the_limit_alone) {
  sizes traces{{{10, 0}, {100, 0}, {10, 0}}};
  EXPECT_EQ(cut(traces, {0}, 25), (ranges{{{0, 0, 1}}, {{0, 1, 1}}, {{0, 2, 1}}}));
}

TEST(cut_batches, makes_no_batch_of_nothing) {
  EXPECT_TRUE(cut({}, {}, 10).empty());
  EXPECT_TRUE(cut({{}, {}}, {}, 10).empty());
}

TEST(cut_batches, carries_every_span_once_within_the_limit) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random{seed};
    std::vector<std::size_t> groups(1 + random() % 5);
    for (auto& bytes : groups)
      bytes = random() % 50;
    sizes traces(random() % 10);
    for (auto& trace : traces)
      for (auto n = random() % 30; n > 0; --n)
        trace.push_back({1 + random() % 100, static_cast<std::uint32_t>(random() % groups.size())});
    std::size_t limit = random() % 500;
    std::vector<std::size_t> next(traces.size(), 0);
    for (const auto& batch : cut_batches(traces, groups, limit)) {
      ASSERT_FALSE(batch.empty());
      std::size_t used = 0, count = 0;
      std::set<std::uint32_t> open;
      for (const auto& range : batch) {
        ASSERT_GT(range.count, 0U);
        ASSERT_EQ(range.first, next[range.trace]) << "seed " << seed;
        next[range.trace] += range.count;
        for (auto i = range.first; i < range.first + range.count; ++i) {
          used += traces[range.trace][i].bytes;
          if (open.insert(traces[range.trace][i].group).second)
            used += groups[traces[range.trace][i].group];
          ++count;
        }
      }
      ASSERT_TRUE(used <= limit || count == 1) << "seed " << seed;
    }
    for (std::size_t t = 0; t < traces.size(); ++t)
      ASSERT_EQ(next[t], traces[t].size()) << "seed " << seed;
  }
}

/// The promises of span_encoder::encode, for each implementation.
class every_encoder : public ::testing::TestWithParam<const char*> {
protected:
  std::unique_ptr<span_encoder> make() const {
    std::string name = GetParam();
    if (name == "protobuf")
      return std::make_unique<otlp_protobuf_encoder>();
    if (name == "json")
      return std::make_unique<otlp_json_encoder>();
    return std::make_unique<zipkin_encoder>();
  }
};

TEST_P(every_encoder, keeps_batches_under_the_limit_and_shares_complete) {
  auto encoder = make();
  for (std::uint32_t seed = 0; seed < 30; ++seed) {
    auto traces = testing::random_traces(seed, 12);
    std::size_t limit = 300 + (seed * 977) % 20000;
    std::vector<std::size_t> next(traces.size(), 0);
    for (const auto& batch : encoder->encode(traces, limit)) {
      ASSERT_TRUE(batch.body.size() <= limit || batch.span_count == 1) << "seed " << seed;
      std::size_t count = 0;
      for (const auto& share : batch.shares) {
        auto index =
            static_cast<std::size_t>(std::find(traces.begin(), traces.end(), share.trace) - traces.begin());
        ASSERT_LT(index, traces.size());
        ASSERT_EQ(share.first, next[index]);
        next[index] += share.count;
        count += share.count;
      }
      ASSERT_EQ(count, batch.span_count);
    }
    for (std::size_t t = 0; t < traces.size(); ++t)
      ASSERT_EQ(next[t], traces[t]->spans.size());
  }
}

TEST_P(every_encoder, gives_the_same_bytes_every_time) {
  auto encoder = make();
  auto traces = testing::random_traces(7, 5);
  auto first = encoder->encode(traces), second = encoder->encode(traces);
  ASSERT_EQ(first.size(), 1U);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(first[0].body, second[0].body);
}

TEST_P(every_encoder, makes_no_request_of_empty_traces) {
  EXPECT_TRUE(make()->encode(std::vector<completed_trace_ptr>{}).empty());
  EXPECT_TRUE(make()->encode(std::vector{std::make_shared<const completed_trace>()}).empty());
}

INSTANTIATE_TEST_SUITE_P(formats, every_encoder, ::testing::Values("protobuf", "json", "zipkin"),
                         [](const auto& format) { return std::string{format.param}; });

TEST(approximate_bytes, is_within_a_factor_of_two) {
  otlp_protobuf_encoder encoder;
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    auto trace = testing::random_trace(seed, 30);
    auto real = encoder.encode(std::vector{trace})[0].body.size();
    EXPECT_GT(approximate_bytes(*trace), real / 2) << "seed " << seed;
    EXPECT_LT(approximate_bytes(*trace), real * 2) << "seed " << seed;
  }
}

} // namespace
} // namespace tc::exporting
