// One ledger, cut anywhere: whichever part comes first, and though assembly looked at it in between, the
// trace is the same; as it is in a thousand random orders.

#include "tests/trace/recorded.hpp"

#include <random>

namespace tc::trace {
namespace {

using test::expect_the_same;

constexpr const char* one_ledger = "s03-failures";

/// The facts of a ledger that got them in this order, and was assembled once on the way.
std::vector<completed_trace> assembled(const std::vector<observation_ptr>& facts, std::size_t look_at) {
  ledger into;
  std::size_t added = 0;
  for (const auto& fact : facts) {
    into.add(fact);
    if (++added == look_at)
      assemble_all(into, {});
  }
  return assemble_all(into, {});
}

TEST(split, at_every_point_leaves_no_mark) {
  auto facts = test::stream_of(one_ledger);
  auto whole = assembled(facts, 0);
  ASSERT_FALSE(whole.empty());
  for (std::size_t cut = 0; cut <= facts.size() && !HasFailure(); ++cut) {
    SCOPED_TRACE("cut before fact " + std::to_string(cut));
    auto swapped = facts;
    std::rotate(swapped.begin(), swapped.begin() + static_cast<std::ptrdiff_t>(cut), swapped.end());
    expect_the_same(assembled(swapped, facts.size() - cut), whole);
    expect_the_same(assembled(facts, cut), whole);
  }
}

TEST(split, a_thousand_orders_with_duplicates_give_the_identical_trace) {
  auto facts = test::stream_of(one_ledger);
  auto whole = assembled(facts, 0);
  std::mt19937_64 random{1};
  for (int order = 0; order < 1'000 && !HasFailure(); ++order) {
    SCOPED_TRACE("order " + std::to_string(order));
    auto again = facts;
    for (std::size_t twice = 0; twice < facts.size(); ++twice)
      again.push_back(facts[random() % facts.size()]);
    std::shuffle(again.begin(), again.end(), random);
    expect_the_same(assembled(again, 0), whole);
  }
}

} // namespace
} // namespace tc::trace
