// What open changes know leaves memory and comes back, and the spans are the same.

#include "tests/actors/world.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;

/// Keeps copies, as a disk does; can lose them.
struct drawer {
  class bundle : public packed_facts {
  public:
    bundle(const drawer& owner, const observation_batch& facts, std::vector<std::size_t> prints)
        : owner_(owner), prints_(std::move(prints)) {
      for (const auto& fact : facts)
        facts_.push_back(std::make_shared<observation>(*fact));
    }
    std::optional<observation_batch> unpack() const override {
      if (owner_.lost)
        return std::nullopt;
      ++owner_.unpacked;
      observation_batch out;
      for (const auto& fact : facts_)
        out.push_back(std::make_shared<observation>(*fact));
      return out;
    }
    std::optional<std::vector<std::size_t>> prints() const override { return prints_; }
    std::size_t memory() const override { return 100; }

  private:
    const drawer& owner_;
    observation_batch facts_;
    std::vector<std::size_t> prints_;
  };

  std::shared_ptr<memory_ledger> ledger() {
    return memory_ledger::with_limit(
        std::size_t{1} << 20, [this](const observation_batch& facts, const std::vector<std::size_t>& prints) {
          ++packed;
          return std::make_shared<bundle>(*this, facts, prints);
        });
  }

  int packed = 0;
  mutable int unpacked = 0;
  bool lost = false;
};

class Packing : public testing::TestWithParam<const char*> {
protected:
  /// Plays the recording with that ledger, in which everything is counted.
  std::unique_ptr<world> played(const std::shared_ptr<memory_ledger>& ledger,
                                std::function<bool(std::string_view)> saboteur = {}) {
    auto facts = recorded(GetParam());
    auto out = std::make_unique<world>(facts.front()->received_at,
                                       [&](controller_setup& setup) { setup.watching.ledger = ledger; });
    if (saboteur)
      out->system->set_saboteur(std::move(saboteur));
    out->system->apply(binding_to(setup_for(out->backend)));
    out->system->apply(everything());
    for (auto& fact : facts)
      fact = ledger->counted(std::move(fact));
    out->play(facts);
    return out;
  }
};

TEST_P(Packing, ChangesNoSpan) {
  auto whole = played(memory_ledger::with_limit(0));
  ASSERT_TRUE(whole->system->settle(3h));
  drawer disk;
  auto ledger = disk.ledger();
  auto packed = played(ledger);
  ASSERT_TRUE(packed->system->settle(3h));
  EXPECT_GT(disk.packed, 0);
  EXPECT_GT(disk.unpacked, 0);
  EXPECT_TRUE(packed->backend->spans == whole->backend->spans);
  EXPECT_EQ(packed->backend->repeated, 0);
  expect_balance(*packed->system->books());
  packed->system->advance(packed->system->now() + 2h);
  EXPECT_EQ(ledger->packed(), 0U) << "what has settled needs no ledger";
}

TEST_P(Packing, OutlastsACrashOfTheTraceActor) {
  auto whole = played(memory_ledger::with_limit(0));
  ASSERT_TRUE(whole->system->settle(3h));
  drawer disk;
  auto messages = 0, crashes = 0;
  auto packed = played(disk.ledger(), [&](std::string_view actor) {
    if (actor != "trace" || disk.packed == 0 || ++messages % 40 != 0)
      return false;
    ++crashes;
    return true;
  });
  ASSERT_TRUE(packed->system->settle(3h));
  EXPECT_GT(crashes, 0);
  for (const auto& [id, span] : whole->backend->spans)
    EXPECT_EQ(packed->backend->spans.count(id), 1U) << span.name;
  expect_balance(*packed->system->books());
}

TEST_P(Packing, WhatTheDiskLosesIsDroppedAndCounted) {
  drawer disk;
  disk.lost = true;
  auto here = played(disk.ledger());
  ASSERT_TRUE(here->system->settle(3h));
  ASSERT_GT(disk.packed, 0);
  EXPECT_GT(here->system->books()->traces.front().second.changes_dropped, 0U);
  expect_balance(*here->system->books());
}

std::string name_of(const testing::TestParamInfo<const char*>& each) {
  return std::string{each.param}.substr(0, 3);
}

INSTANTIATE_TEST_SUITE_P(Recordings, Packing, testing::Values("s02-helm", "s03-failures", "s05-superseded"),
                         name_of);

} // namespace
} // namespace tc::actors::test
