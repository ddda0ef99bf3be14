#include "tests/actors/world.hpp"

#include <gtest/gtest.h>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;

TEST(CompareStatus, TellsNewsFromCountsFromNothing) {
  trace_status before;
  before.reason = "Succeeded";
  auto after = before;
  after.books.observations = 100;
  after.books.spans_late = 1;
  EXPECT_EQ(compare(before, after), status_change::none);
  after.books.changes_pending = 1;
  EXPECT_EQ(compare(before, after), status_change::counts);
  after.last_trace_id = "abc";
  EXPECT_EQ(compare(before, after), status_change::news);
}

/// Writes as the API server would take them, with the time of each.
class Reporting : public testing::Test {
protected:
  void start(timestamp began) {
    here = std::make_unique<world>(began, [this](controller_setup& setup) {
      setup.write_status = [this](const trace_status& status, const std::function<void(std::string)>& done) {
        writes.push_back(status);
        done(failing ? "the API server is away" : "");
      };
    });
  }

  /// One Trace that follows everything, a backend, and a recording until all of it has settled.
  void play_to_the_end(const char* recording) {
    auto facts = recorded(recording);
    start(facts.front()->received_at);
    here->system->apply(binding_to(setup_for(here->backend)));
    here->system->apply(everything());
    here->play(facts);
    EXPECT_TRUE(here->system->settle(1min));
  }

  std::unique_ptr<world> here;
  std::vector<trace_status> writes;
  bool failing = false;
};

TEST_F(Reporting, AMissingProviderShowsAndHeals) {
  start(timestamp{1h});
  here->system->apply(everything());
  here->system->advance(here->system->now() + 5s);
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_FALSE(writes.back().ready);
  EXPECT_FALSE(writes.back().stalled);
  EXPECT_EQ(writes.back().reason, "ProviderNotFound");
  here->system->apply(binding_to(setup_for(here->backend)));
  here->system->advance(here->system->now() + 5s);
  ASSERT_EQ(writes.size(), 2u);
  EXPECT_TRUE(writes.back().ready);
}

TEST_F(Reporting, AProviderThatIsReadyAMomentLaterIsNeverCalledMissing) {
  start(timestamp{1h});
  here->system->apply(everything());
  here->system->advance(here->system->now() + 500ms); // its Secret is being read
  here->system->apply(binding_to(setup_for(here->backend)));
  here->system->advance(here->system->now() + 5s);
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_TRUE(writes.back().ready);
}

TEST_F(Reporting, WhatSettlesWithoutAProviderIsDeliveredWhenThereIsOne) {
  auto facts = recorded("s01-three-kustomizations");
  start(facts.front()->received_at);
  here->system->apply(everything());
  here->play(facts);
  here->system->advance(here->system->now() + 1min);
  EXPECT_TRUE(here->backend->spans.empty());
  here->system->apply(binding_to(setup_for(here->backend)));
  EXPECT_TRUE(here->system->settle(1min));
  EXPECT_EQ(here->system->books()->traces.front().second.changes_exported, 3u);
  expect_balance(*here->system->books());
}

TEST_F(Reporting, ABadExpressionStallsItsTraceAndNoOther) {
  auto facts = recorded("s01-three-kustomizations");
  start(facts.front()->received_at);
  here->system->apply(binding_to(setup_for(here->backend)));
  auto bad = *everything("bad");
  bad.exclusion_list = {"good", "(unclosed"};
  here->system->apply(std::make_shared<trace_resource>(bad));
  here->system->apply(everything("good"));
  here->play(facts);
  EXPECT_TRUE(here->system->settle(1min));
  auto stalled =
      std::find_if(writes.begin(), writes.end(), [](const auto& status) { return status.name == "bad"; });
  ASSERT_NE(stalled, writes.end());
  EXPECT_TRUE(stalled->stalled);
  EXPECT_NE(stalled->message.find("spec.exclusionList[1]"), std::string::npos);
  EXPECT_FALSE(here->backend->spans.empty());
}

TEST_F(Reporting, ATraceThatCannotBeReadIsStalledUntilItCan) {
  auto facts = recorded("s01-three-kustomizations");
  start(facts.front()->received_at);
  here->system->apply(binding_to(setup_for(here->backend)));
  trace_resource refused;
  refused.namespace_name = "flux-system";
  refused.name = refused.uid = "all";
  refused.generation = 1;
  refused.refused = "spec.timeout is no duration";
  here->system->apply(std::make_shared<trace_resource>(refused));
  here->system->advance(here->system->now() + 5s);
  ASSERT_FALSE(writes.empty());
  EXPECT_TRUE(writes.back().stalled);
  EXPECT_EQ(writes.back().reason, "InvalidSpec");
  EXPECT_EQ(writes.back().message, refused.refused);
  EXPECT_EQ(writes.back().generation, 1);
  here->system->apply(everything());
  here->play(facts);
  EXPECT_TRUE(here->system->settle(1min));
  EXPECT_TRUE(writes.back().ready);
  EXPECT_FALSE(here->backend->spans.empty());
  // And what worked stops when it can no longer be read.
  here->system->apply(std::make_shared<trace_resource>(refused));
  here->system->advance(here->system->now() + 5s);
  EXPECT_TRUE(writes.back().stalled);
}

TEST_F(Reporting, WhatIsExportedMovesTheTimeAfterWhichARestartBegins) {
  play_to_the_end("s01-three-kustomizations");
  here->system->advance(here->system->now() + 30s);
  EXPECT_TRUE(is_known(writes.back().exported_until));
  EXPECT_LE(writes.back().exported_until, writes.back().last_export);
  for (std::size_t i = 1; i < writes.size(); ++i)
    EXPECT_LE(writes[i - 1].exported_until, writes[i].exported_until);
}

TEST_F(Reporting, ADeletedTraceLeavesItsBooksAndNothingElse) {
  play_to_the_end("s01-three-kustomizations");
  here->system->remove("all");
  auto written = writes.size();
  here->system->advance(here->system->now() + 1min);
  auto books = here->system->books();
  EXPECT_TRUE(books->traces.empty());
  EXPECT_EQ(books->departed.changes_exported, 3u);
  expect_balance(*books);
  EXPECT_EQ(writes.size(), written);
  // Another one under its name has a status of its own, at once.
  auto again = *everything();
  again.uid = "again";
  here->system->apply(std::make_shared<trace_resource>(again));
  here->system->advance(here->system->now() + 2s);
  ASSERT_GT(writes.size(), written);
  EXPECT_EQ(writes.back().uid, "again");
}

TEST_F(Reporting, CountsAloneAreWrittenSeldom) {
  auto facts = recorded("s10-noisy");
  start(facts.front()->received_at);
  here->system->apply(binding_to(setup_for(here->backend)));
  here->system->apply(everything());
  here->play(facts);
  here->system->settle(40min);
  auto length = std::chrono::duration_cast<std::chrono::seconds>(facts.back()->received_at -
                                                                 facts.front()->received_at);
  EXPECT_LE(writes.size(), static_cast<std::size_t>(length / 10s) + 15);
  EXPECT_EQ(writes.back().last_trace_id.size(), 32u);
}

TEST_F(Reporting, AtTheEndWhatIsLeftIsWrittenAtOnce) {
  auto facts = recorded("s10-noisy");
  start(facts.front()->received_at);
  here->system->apply(binding_to(setup_for(here->backend)));
  here->system->apply(everything());
  // Counts alone wait ten seconds: somewhere in the recording some wait.
  for (std::size_t i = 0; i < facts.size(); ++i) {
    here->system->observe(facts[i], std::max(facts[i]->received_at, here->system->now()));
    if (i > facts.size() / 2 && here->system->books()->statuses_unwritten > 0)
      break;
  }
  ASSERT_GT(here->system->books()->statuses_unwritten, 0u);
  here->system->drain();
  here->system->advance(here->system->now() + 2s);
  EXPECT_EQ(here->system->books()->statuses_unwritten, 0u);
  EXPECT_EQ(writes.back().books.changes_pending, here->system->books()->traces.at(0).second.changes_pending);
}

TEST_F(Reporting, NobodyWaitsForAStatusThatCannotBeWritten) {
  failing = true;
  start(timestamp{1h});
  here->system->apply(everything());
  here->system->advance(here->system->now() + 10s);
  EXPECT_EQ(here->system->books()->statuses_unwritten, 0u);
}

TEST_F(Reporting, AFailedWriteIsTriedAgainEverLessOften) {
  failing = true;
  start(timestamp{1h});
  here->system->apply(everything());
  here->system->advance(here->system->now() + 10min);
  auto tries = writes.size();
  EXPECT_GE(tries, 10u);
  EXPECT_LE(tries, 20u);
  failing = false;
  here->system->advance(here->system->now() + 5min);
  EXPECT_EQ(writes.size(), tries + 1);
}

} // namespace
} // namespace tc::actors::test
