#include "actors/memory_ledger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace tc::actors {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr timestamp noon{std::chrono::hours{12}};
constexpr std::size_t mebi = std::size_t{1} << 20;

class MemoryLedger : public testing::Test {
protected:
  /// A trace of one MiB that settled in that second.
  memory_ledger::charge_ptr hold(const std::string& owner, std::uint64_t number, int second) {
    return ledger->hold(owner, number, noon + std::chrono::seconds{second}, mebi);
  }

  std::shared_ptr<memory_ledger> ledger = memory_ledger::with_limit(16 * mebi);
};

TEST_F(MemoryLedger, CountsWhatIsHeldUntilItIsLetGo) {
  auto first = hold("a", 1, 1);
  auto second = hold("a", 2, 2);
  EXPECT_EQ(ledger->held(), 2 * mebi);
  first.reset();
  EXPECT_EQ(ledger->held(), mebi);
  second->set_under_way(true);
  EXPECT_EQ(ledger->held(), mebi);
  second.reset();
  EXPECT_EQ(ledger->held(), 0U);
}

TEST_F(MemoryLedger, TheNewestGoesToTheDiskAndTheOldestIsDropped) {
  std::vector<memory_ledger::charge_ptr> all;
  for (int i = 1; i <= 10; ++i)
    all.push_back(hold(i % 2 == 0 ? "even" : "odd", static_cast<std::uint64_t>(i), i));
  // Half the limit may be held, and half of that is kept for what the disk has not taken yet.
  EXPECT_THAT(ledger->to_spill("even"), ElementsAre(10, 8, 6));
  EXPECT_THAT(ledger->to_spill("odd"), ElementsAre(9, 7, 5));
  EXPECT_THAT(ledger->to_drop("odd"), ElementsAre(1));
  EXPECT_THAT(ledger->to_drop("even"), ElementsAre(2));
  EXPECT_TRUE(ledger->is_full());
  all.resize(8);
  EXPECT_THAT(ledger->to_drop("odd"), IsEmpty());
  EXPECT_FALSE(ledger->is_full());
}

TEST_F(MemoryLedger, WhatAnExporterHasStays) {
  std::vector<memory_ledger::charge_ptr> all;
  for (int i = 1; i <= 10; ++i)
    all.push_back(hold("a", static_cast<std::uint64_t>(i), i));
  all[0]->set_under_way(true);
  all[9]->set_under_way(true);
  EXPECT_THAT(ledger->to_drop("a"), ElementsAre(2, 3));
  EXPECT_THAT(ledger->to_spill("a"), ElementsAre(9, 8, 7, 6));
  all[0]->set_under_way(false);
  EXPECT_THAT(ledger->to_drop("a"), ElementsAre(1, 2));
}

TEST_F(MemoryLedger, AnExporterGetsNoMoreThanItsShareButAlwaysOne) {
  auto large = ledger->hold("a", 1, noon, 12 * mebi);
  EXPECT_TRUE(ledger->may_submit(large->bytes()));
  large->set_under_way(true);
  EXPECT_FALSE(ledger->may_submit(1));
  large.reset();
  auto small = hold("a", 2, 2);
  small->set_under_way(true);
  EXPECT_TRUE(ledger->may_submit(3 * mebi));
  EXPECT_FALSE(ledger->may_submit(4 * mebi));
}

TEST_F(MemoryLedger, AProcessThatIsTooLargeMayHoldLess) {
  std::vector<memory_ledger::charge_ptr> all;
  for (int i = 1; i <= 6; ++i)
    all.push_back(hold("a", static_cast<std::uint64_t>(i), i));
  EXPECT_EQ(ledger->allowance(), 8 * mebi);
  ledger->measured(13 * mebi);
  EXPECT_EQ(ledger->allowance(), 8 * mebi);
  ledger->measured(16 * mebi); // two above the line
  EXPECT_EQ(ledger->allowance(), 4 * mebi);
  EXPECT_EQ(ledger->shortage(), 0U) << "there is something to let go of first";
  EXPECT_THAT(ledger->to_drop("a"), ElementsAre(1, 2));
  all.clear();
  ledger->measured(10 * mebi);
  EXPECT_GT(ledger->allowance(), 4 * mebi);
  for (int i = 0; i < 100; ++i)
    ledger->measured(10 * mebi);
  EXPECT_EQ(ledger->allowance(), 8 * mebi);
}

TEST_F(MemoryLedger, OpenChangesAreClosedOnlyWhenNothingElseIsLeft) {
  auto held = hold("a", 1, 1);
  ledger->measured(16 * mebi);
  auto first = ledger->shortage();
  EXPECT_GT(first, 0U);
  EXPECT_EQ(ledger->allowance(), mebi) << "what is left does not vanish";
  ledger->measured(16 * mebi);
  EXPECT_GT(ledger->shortage(), first);
  ledger->measured(12 * mebi);
  EXPECT_EQ(ledger->shortage(), 0U);
}

/// What is packed takes a MiB, whatever it is.
struct heavy : packed_facts {
  std::optional<observation_batch> unpack() const override { return observation_batch{}; }
  std::optional<std::vector<std::size_t>> prints() const override { return std::nullopt; }
  std::size_t memory() const override { return mebi; }
};

observation_ptr fact_of(std::size_t bytes) {
  observation out;
  out.message.emplace().text = std::string(bytes, 'x');
  return std::make_shared<observation>(std::move(out));
}

TEST_F(MemoryLedger, ObservationsCountUntilNobodyHoldsThem) {
  ledger = memory_ledger::with_limit(16 * mebi,
                                     [](const auto&, const auto&) { return std::make_shared<heavy>(); });
  auto first = ledger->counted(fact_of(3 * mebi));
  auto again = first;
  EXPECT_GE(ledger->observed(), 3 * mebi);
  EXPECT_EQ(ledger->to_pack(), 0U);
  auto batch = ledger->counted(std::make_shared<observation_batch>(2, fact_of(mebi)));
  EXPECT_GT(ledger->to_pack(), 0U) << "a quarter of the limit is theirs";
  batch.reset();
  first.reset();
  EXPECT_GE(ledger->observed(), 3 * mebi);
  again.reset();
  EXPECT_EQ(ledger->observed(), 0U);
}

TEST_F(MemoryLedger, TheBatchThatWasCountedLivesAsLongAsItsCount) {
  auto ended = false;
  observation_batch_ptr batch{new observation_batch{fact_of(1)}, [&](const observation_batch* done) {
                                delete done;
                                ended = true;
                              }};
  auto counted = ledger->counted(std::move(batch));
  EXPECT_FALSE(ended);
  counted.reset();
  EXPECT_TRUE(ended);
}

TEST_F(MemoryLedger, WhatIsPackedIsClosedOnlyWhenItTakesMuch) {
  ledger = memory_ledger::with_limit(16 * mebi,
                                     [](const auto&, const auto&) { return std::make_shared<heavy>(); });
  auto held = ledger->counted(fact_of(4 * mebi));
  ledger->measured(15 * mebi);
  EXPECT_EQ(ledger->shortage(), 0U);
  EXPECT_LT(ledger->observed_allowance(), 4 * mebi);
  EXPECT_GT(ledger->to_pack(), 0U);
  std::vector<packed_facts_ptr> packed;
  for (int i = 0; i < 5; ++i)
    packed.push_back(ledger->pack({held}, {}));
  EXPECT_EQ(ledger->packed(), 5 * mebi);
  ledger->measured(15 * mebi);
  EXPECT_GT(ledger->shortage(), 0U);
  packed.clear();
  EXPECT_EQ(ledger->packed(), 0U);
  for (int i = 0; i < 100; ++i)
    ledger->measured(10 * mebi);
  EXPECT_EQ(ledger->observed_allowance(), 4 * mebi);
}

TEST_F(MemoryLedger, WithoutALimitNothingIsBounded) {
  ledger = memory_ledger::with_limit(0);
  auto held = ledger->hold("a", 1, noon, std::size_t{1} << 40);
  ledger->measured(std::size_t{1} << 40);
  EXPECT_THAT(ledger->to_spill("a"), IsEmpty());
  EXPECT_THAT(ledger->to_drop("a"), IsEmpty());
  EXPECT_FALSE(ledger->is_full());
  EXPECT_EQ(ledger->shortage(), 0U);
  held->set_under_way(true);
  EXPECT_TRUE(ledger->may_submit(std::size_t{1} << 40));
}

TEST_F(MemoryLedger, ALossIsToldOnceAnEpisode) {
  EXPECT_TRUE(ledger->note_loss(noon));
  EXPECT_FALSE(ledger->note_loss(noon + 30s));
  EXPECT_FALSE(ledger->note_loss(noon + 80s));
  EXPECT_TRUE(ledger->note_loss(noon + 150s));
}

} // namespace
} // namespace tc::actors
