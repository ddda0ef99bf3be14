// Whatever the order of arrival, however often each fact is delivered, and whatever the delays: the same
// traces, on every recording.

#include "tests/trace/recorded.hpp"

#include <random>

namespace tc::trace {
namespace {

using test::at_end;
using test::expect_the_same;
using test::live;
using test::spans_of;
using test::stream_of;

#ifdef TC_SANITIZED
constexpr std::uint64_t shuffles = 25; // each takes about twenty times as long
#else
constexpr std::uint64_t shuffles = 500;
#endif

/// Every fact twice, in a random order.
std::vector<observation_ptr> shuffled_twice(const std::vector<observation_ptr>& facts,
                                            std::mt19937_64& random) {
  auto result = facts;
  result.insert(result.end(), facts.begin(), facts.end());
  std::shuffle(result.begin(), result.end(), random);
  return result;
}

/// Each fact as it would have been received up to 200 ms earlier or later.
std::vector<observation_ptr> jittered(const std::vector<observation_ptr>& facts, std::mt19937_64& random) {
  std::uniform_int_distribution<std::int64_t> jitter{-200'000'000, 200'000'000};
  std::vector<observation_ptr> result;
  for (const auto& fact : facts) {
    auto copy = std::make_shared<observation>(*fact);
    copy->received_at += duration{jitter(random)};
    result.push_back(std::move(copy));
  }
  return result;
}

/// What of the traces does not depend on when facts arrived, in order.
std::vector<std::string> without_times(const std::vector<completed_trace>& traces) {
  std::vector<std::string> result;
  for (const auto& [key, each] : spans_of(traces)) {
    auto line =
        key.first.to_hex() + ' ' + key.second.to_hex() + " under " + each.parent.to_hex() + ' ' + each.name;
    for (const char* name : {"flux.span.kind", "flux.outcome", "flux.reason", "flux.change.key",
                             "flux.change.outcome", "flux.attribution", "flux.action"})
      line += ' ' + std::string{each.text(name)};
    result.push_back(std::move(line));
  }
  return result;
}

class order : public testing::TestWithParam<const char*> {};

/// Tells what differs, and not all there is.
void expect_equal(const std::vector<std::string>& found, const std::vector<std::string>& wanted) {
  std::vector<std::string> added;
  std::vector<std::string> missing;
  std::set_difference(found.begin(), found.end(), wanted.begin(), wanted.end(), std::back_inserter(added));
  std::set_difference(wanted.begin(), wanted.end(), found.begin(), found.end(), std::back_inserter(missing));
  EXPECT_THAT(added, testing::IsEmpty());
  EXPECT_THAT(missing, testing::IsEmpty());
  EXPECT_EQ(found.size(), wanted.size());
}

TEST_P(order, of_arrival_and_duplicates_leave_no_mark) {
  auto facts = stream_of(GetParam());
  auto whole = at_end(facts);
  for (std::uint64_t seed = 1; seed <= shuffles && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random{seed};
    expect_the_same(at_end(shuffled_twice(facts, random)), whole);
  }
}

TEST_P(order, of_arrival_and_duplicates_leave_no_mark_with_HTTP_events_too) {
  auto facts = stream_of(GetParam());
  auto posts = test::load_posts(test::folder_of(GetParam()) + "/posts.jsonl.gz");
  facts.insert(facts.end(), posts.begin(), posts.end());
  auto whole = at_end(facts);
  for (std::uint64_t seed = 1; seed <= shuffles && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random{seed};
    expect_the_same(at_end(shuffled_twice(facts, random)), whole);
  }
}

TEST_P(order, of_arrival_with_jitter_changes_times_only) {
  auto facts = stream_of(GetParam());
  auto whole = without_times(at_end(facts));
  for (std::uint64_t seed = 1; seed <= shuffles && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random{seed};
    // The second delivery of a fact comes with a delay of its own.
    auto moved = jittered(facts, random);
    auto again = jittered(facts, random);
    moved.insert(moved.end(), again.begin(), again.end());
    std::shuffle(moved.begin(), moved.end(), random);
    expect_equal(without_times(at_end(moved)), whole);
  }
}

/// Each kind has a watch of its own; that of sources may be behind the others.
TEST_P(order, of_watches_puts_no_source_after_who_took_its_content) {
  std::vector<observation_ptr> late;
  for (const auto& fact : stream_of(GetParam())) {
    auto copy = std::make_shared<observation>(*fact);
    if (copy->object.group == "source.toolkit.fluxcd.io" && !copy->initial)
      copy->received_at += std::chrono::milliseconds{400};
    late.push_back(std::move(copy));
  }
  for (const auto& trace : at_end(late)) {
    std::map<span_id, const span*> sources;
    for (const auto& each : trace.spans)
      if (each.text("flux.span.kind") == "source")
        sources.emplace(each.id, &each);
    for (const auto& each : trace.spans) {
      auto above = sources.find(each.parent);
      if (each.text("flux.span.kind") != "run" || above == sources.end() || each.find("flux.inferred"))
        continue;
      EXPECT_LE(above->second->end, each.start) << each.name << " of " << trace.change_key;
    }
  }
}

/// Here states of one object may overtake each other, which no watch does; walks have them in the same
/// second.
class order_live : public order {};

TEST_P(order_live, with_jitter_changes_times_only_while_changes_settle_one_by_one) {
  auto facts = stream_of(GetParam());
  auto whole = without_times(live(facts));
  for (std::uint64_t seed = 1; seed <= shuffles / 10 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random{seed};
    expect_equal(without_times(live(jittered(facts, random))), whole);
  }
}

INSTANTIATE_TEST_SUITE_P(recordings, order, testing::ValuesIn(test::recordings), test::recording_name);
INSTANTIATE_TEST_SUITE_P(of, order, testing::ValuesIn(test::hard_recordings()), test::recording_name);
INSTANTIATE_TEST_SUITE_P(walks, order, testing::ValuesIn(test::walks()), test::recording_name);
INSTANTIATE_TEST_SUITE_P(recordings, order_live, testing::ValuesIn(test::recordings), test::recording_name);
INSTANTIATE_TEST_SUITE_P(of, order_live, testing::ValuesIn(test::hard_recordings()), test::recording_name);

} // namespace
} // namespace tc::trace
