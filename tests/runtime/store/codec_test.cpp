// What is decoded is what was encoded, in every field.

#include "runtime/store/codec.hpp"
#include "tests/runtime/store/random_values.hpp"
#include "tests/trace/recorded.hpp"

#include <gtest/gtest.h>

using namespace tc;
using tc::test::random_observation;
using tc::test::random_trace;

namespace {

/// Observations have no ==, which only tests would use.
void expect_equal(const observation& left, const observation& right) {
  const auto& [kind, received_at, initial, relisted, object, api_version, uid, version, state, message,
               told] = left;
  EXPECT_EQ(kind, right.kind);
  EXPECT_EQ(received_at, right.received_at);
  EXPECT_EQ(initial, right.initial);
  EXPECT_EQ(relisted, right.relisted);
  EXPECT_EQ(object, right.object);
  EXPECT_EQ(api_version, right.api_version);
  EXPECT_EQ(uid, right.uid);
  EXPECT_EQ(version, right.resource_version);
  EXPECT_TRUE(state == right.state);
  EXPECT_TRUE(message == right.message);
  EXPECT_TRUE(told == right.notification);
}

void expect_equal(const completed_trace& left, const completed_trace& right) {
  const auto& [id, key, revision, root, outcome, settled_at, addition, state, trace_namespace, name,
               attributes, spans] = left;
  EXPECT_EQ(id, right.id);
  EXPECT_EQ(key, right.change_key);
  EXPECT_EQ(revision, right.revision);
  EXPECT_EQ(root, right.root);
  EXPECT_EQ(outcome, right.outcome);
  EXPECT_EQ(settled_at, right.settled_at);
  EXPECT_EQ(addition, right.addition);
  EXPECT_EQ(state, right.trace_state);
  EXPECT_EQ(trace_namespace, right.trace_namespace);
  EXPECT_EQ(name, right.trace_name);
  EXPECT_TRUE(attributes == right.resource_attributes);
  EXPECT_TRUE(spans == right.spans);
}

} // namespace

TEST(store_codec, gives_back_random_observations) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    auto fact = random_observation(seed);
    auto again = store::decode_observation(store::encode(fact));
    ASSERT_TRUE(again) << again.error();
    expect_equal(fact, *again);
  }
}

TEST(store_codec, gives_back_random_traces) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    auto trace = random_trace(seed);
    auto again = store::decode_trace(store::encode(trace));
    ASSERT_TRUE(again) << again.error();
    expect_equal(trace, *again);
  }
}

TEST(store_codec, gives_back_every_recorded_fact_and_trace) {
  for (const auto* recording : tc::test::recordings) {
    SCOPED_TRACE(recording);
    auto facts = tc::test::stream_of(recording);
    for (auto& post : tc::test::load_posts(tc::test::folder_of(recording) + "/posts.jsonl.gz"))
      facts.push_back(std::move(post));
    for (const auto& fact : facts) {
      auto again = store::decode_observation(store::encode(*fact));
      ASSERT_TRUE(again) << again.error();
      expect_equal(*fact, *again);
      EXPECT_EQ(again->identity(), fact->identity());
    }
    for (const auto& trace : tc::test::at_end(facts)) {
      auto again = store::decode_trace(store::encode(trace));
      ASSERT_TRUE(again) << again.error();
      expect_equal(trace, *again);
    }
  }
}

TEST(store_codec, refuses_what_is_not_its_own) {
  EXPECT_FALSE(store::decode_observation("\xff\xff\xff"));
  EXPECT_FALSE(store::decode_trace("\xff\xff\xff"));
  EXPECT_FALSE(store::decode_trace("")); // a trace has an ID
  // A kind of a newer version.
  auto fact = random_observation(1);
  fact.kind = static_cast<observation_kind>(200);
  EXPECT_FALSE(store::decode_observation(store::encode(fact)));
}

TEST(store_codec, survives_any_damage) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    auto bytes = store::encode(random_observation(seed));
    for (std::size_t at = 0; at < bytes.size(); at += 7) {
      auto damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (seed % 8)));
      (void)store::decode_observation(damaged); // an error or another value, but no crash
      (void)store::decode_observation(std::string_view{bytes}.substr(0, at));
    }
  }
}
