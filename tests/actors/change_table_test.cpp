#include "actors/change_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tc::actors {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr timestamp noon{std::chrono::hours{12}};

span make_span(std::uint8_t number, std::string name = "span") {
  span out;
  out.id.bytes = {1, number};
  out.name = std::move(name);
  out.start = noon;
  out.end = noon + 1s;
  return out;
}

change_report settled(std::vector<span> spans, timestamp last_activity = noon) {
  change_report out;
  out.key = "key";
  out.settled = true;
  out.last_activity = last_activity;
  auto trace = std::make_shared<completed_trace>();
  trace->id.bytes = {1};
  trace->spans = std::move(spans);
  out.trace = std::move(trace);
  return out;
}

class ChangeTable : public testing::Test {
protected:
  ChangeTable() { spec.settle_after = 10s; }

  void open(timestamp now = noon) { table.note_news(*table.open("key").first, now, spec.settle_after); }

  settle_action conclude(const change_report& report, timestamp now = noon + 10s) {
    return table.conclude(report, spec, noon - 5min, now);
  }

  delivery_report delivered(std::uint64_t number, bool success = true) {
    delivery_report out;
    out.submission = number;
    out.delivered = success;
    return out;
  }

  void expect_balance() {
    const auto& books = table.books();
    EXPECT_EQ(books.changes_opened, books.changes_exported + books.changes_history +
                                        books.changes_sampled_out + books.changes_filtered +
                                        books.changes_dropped + books.changes_pending);
  }

  change_table table;
  trace_resource spec;
};

TEST_F(ChangeTable, JudgesWhenTheQuietTimeIsOverAndOnlyOnce) {
  open();
  EXPECT_THAT(table.take_due(noon + 9s), IsEmpty());
  EXPECT_THAT(table.take_due(noon + 10s), ElementsAre("key"));
  EXPECT_THAT(table.take_due(noon + 20s), IsEmpty());
}

TEST_F(ChangeTable, NoiseDoesNotPutOffTheJudgement) {
  for (auto at = noon; at < noon + 10s; at += 1s)
    open(at);
  EXPECT_THAT(table.take_due(noon + 10s), ElementsAre("key"));
}

TEST_F(ChangeTable, AsksAgainWhenTold) {
  open();
  table.take_due(noon + 10s);
  change_report report;
  report.key = "key";
  report.ask_again = noon + 60s;
  EXPECT_EQ(conclude(report), settle_action::nothing_new);
  EXPECT_THAT(table.take_due(noon + 59s), IsEmpty());
  EXPECT_THAT(table.take_due(noon + 60s), ElementsAre("key"));
}

TEST_F(ChangeTable, NewsDuringAJudgementLeadToAnother) {
  open();
  table.take_due(noon + 10s);
  open(noon + 11s);
  change_report report;
  report.key = "key";
  conclude(report, noon + 11s);
  EXPECT_THAT(table.take_due(noon + 21s), ElementsAre("key"));
}

TEST_F(ChangeTable, HandsOutASettledTraceOnceAndKeepsItUntilAcknowledged) {
  open();
  table.take_due(noon + 10s);
  EXPECT_EQ(conclude(settled({make_span(1), make_span(2)})), settle_action::submit);
  auto* first = table.next_to_submit();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->trace->spans.size(), 2u);
  EXPECT_FALSE(first->trace->addition);
  EXPECT_EQ(table.next_to_submit(), nullptr);
  EXPECT_EQ(table.books().changes_pending, 1u);
  table.take_back_submissions(); // another exporter
  ASSERT_EQ(table.next_to_submit(), first);
  EXPECT_TRUE(table.acknowledge(delivered(first->number)));
  EXPECT_TRUE(table.retire_if_quiet("key"));
  EXPECT_EQ(table.books().changes_exported, 1u);
  EXPECT_EQ(table.books().spans_exported, 2u);
  expect_balance();
}

TEST_F(ChangeTable, LaterFactsGoOutAsAnAdditionWithoutWhatWasSent) {
  open();
  table.take_due(noon + 10s);
  conclude(settled({make_span(1)}));
  table.acknowledge(delivered(table.next_to_submit()->number));
  table.retire_if_quiet("key");
  open(noon + 60s);
  EXPECT_THAT(table.take_due(noon + 70s), ElementsAre("key"));
  EXPECT_EQ(conclude(settled({make_span(1), make_span(2)}), noon + 70s), settle_action::submit);
  auto* addition = table.next_to_submit();
  ASSERT_NE(addition, nullptr);
  EXPECT_TRUE(addition->trace->addition);
  ASSERT_EQ(addition->trace->spans.size(), 1u);
  EXPECT_EQ(addition->trace->spans[0].id, make_span(2).id);
  EXPECT_EQ(table.books().spans_late, 0u);
}

TEST_F(ChangeTable, CountsSentSpansThatLaterEvidenceWouldChange) {
  open();
  table.take_due(noon + 10s);
  conclude(settled({make_span(1, "before")}));
  EXPECT_EQ(conclude(settled({make_span(1, "after")})), settle_action::nothing_new);
  EXPECT_EQ(table.books().spans_late, 1u);
}

TEST_F(ChangeTable, WhatHadSettledBeforeWatchingBeganIsHistory) {
  open();
  EXPECT_EQ(conclude(settled({make_span(1)}, noon - 6min)), settle_action::history);
  EXPECT_EQ(table.books().changes_history, 1u);
  expect_balance();
}

TEST_F(ChangeTable, WhatIsNewerThanTheLastExportIsNotHistory) {
  open();
  spec.exported_until = noon - 10min;
  EXPECT_EQ(conclude(settled({make_span(1)}, noon - 6min)), settle_action::submit);
}

TEST_F(ChangeTable, DropsAChangeWhoseAssemblyKeepsCrashing) {
  open();
  auto now = noon;
  for (unsigned i = 0; i < change_table::max_crashes; ++i) {
    EXPECT_FALSE(table.crashed("key", now));
    EXPECT_THAT(table.take_restarts(now), IsEmpty());
    now += 1min;
    EXPECT_THAT(table.take_restarts(now), ElementsAre("key"));
  }
  EXPECT_TRUE(table.crashed("key", now));
  EXPECT_EQ(table.books().changes_dropped, 1u);
  expect_balance();
}

TEST_F(ChangeTable, ARefusedTraceIsDropped) {
  open();
  conclude(settled({make_span(1)}));
  table.acknowledge(delivered(table.next_to_submit()->number, false));
  EXPECT_EQ(table.books().changes_dropped, 1u);
  expect_balance();
}

TEST_F(ChangeTable, SamplesOut) {
  open();
  spec.sampling.ratio = 0;
  EXPECT_EQ(conclude(settled({make_span(1)})), settle_action::sampled_out);
  EXPECT_EQ(table.books().changes_sampled_out, 1u);
  expect_balance();
}

TEST_F(ChangeTable, AnUnwantedChangeIsFiltered) {
  open();
  auto report = settled({make_span(1)});
  report.wanted = false;
  EXPECT_EQ(conclude(report), settle_action::filtered);
  expect_balance();
}

TEST_F(ChangeTable, ForgetsWhatHasBeenQuietForLong) {
  open();
  table.take_due(noon + 10s);
  conclude(settled({make_span(1)}));
  table.acknowledge(delivered(table.next_to_submit()->number));
  EXPECT_THAT(table.forget_old(noon + 30min), IsEmpty());
  EXPECT_THAT(table.forget_old(noon + 2h), ElementsAre("key"));
  EXPECT_EQ(table.find("key"), nullptr);
}

TEST_F(ChangeTable, DropsTheQuietestWhenThereAreTooMany) {
  open();
  table.note_news(*table.open("busy").first, noon + 1min, spec.settle_after);
  EXPECT_EQ(table.drop_quietest(), "key");
  EXPECT_EQ(table.books().changes_dropped, 1u);
  expect_balance();
}

TEST_F(ChangeTable, ABusyChangeDoesNotKeepOthersFromBeingForgotten) {
  open();
  table.take_due(noon + 10s);
  conclude(settled({make_span(1)}));
  table.acknowledge(delivered(table.next_to_submit()->number));
  table.note_news(*table.open("other").first, noon, spec.settle_after);
  table.take_due(noon + 10s);
  auto other = settled({make_span(2)});
  other.key = "other";
  conclude(other);
  table.acknowledge(delivered(table.next_to_submit()->number));
  open(noon + 90min); // news of the first
  EXPECT_THAT(table.forget_old(noon + 2h), ElementsAre("other"));
  EXPECT_NE(table.find("key"), nullptr);
}

TEST_F(ChangeTable, APartOfAnOpenChangeIsNoExportOfIt) {
  open();
  auto part = settled({make_span(1)});
  part.settled = false;
  EXPECT_EQ(conclude(part), settle_action::submit);
  table.acknowledge(delivered(table.next_to_submit()->number));
  EXPECT_EQ(table.books().changes_exported, 0u);
  EXPECT_THAT(table.take_moves(), IsEmpty());
  conclude(settled({make_span(1), make_span(2)}));
  table.acknowledge(delivered(table.next_to_submit()->number));
  EXPECT_EQ(table.books().changes_exported, 1u);
  auto moves = table.take_moves();
  ASSERT_EQ(moves.size(), 1u);
  EXPECT_EQ(moves[0].to, change_bucket::exported);
  expect_balance();
}

TEST_F(ChangeTable, MovesSayWhyAndAreToldOnce) {
  open();
  conclude(settled({make_span(1)}, noon - 6min));
  auto moves = table.take_moves();
  ASSERT_EQ(moves.size(), 1u);
  EXPECT_EQ(moves[0].key, "key");
  EXPECT_EQ(moves[0].to, change_bucket::history);
  EXPECT_EQ(moves[0].label, "settled_before_start");
  conclude(settled({make_span(1)}, noon - 6min));
  EXPECT_THAT(table.take_moves(), IsEmpty());
}

TEST_F(ChangeTable, NothingIsDoneWithBeforeTheOldestPendingChange) {
  EXPECT_EQ(table.nothing_pending_before(noon), noon);
  open();
  EXPECT_EQ(table.nothing_pending_before(noon), std::nullopt); // a list brought it: it may be old
  table.find("key")->opened_at = noon - 1s;
  EXPECT_EQ(table.nothing_pending_before(noon), noon - 61s);
  auto report = settled({make_span(1)});
  report.first_activity = noon - 3h;
  conclude(report);
  EXPECT_EQ(table.nothing_pending_before(noon), noon - 3h); // settled, and not yet acknowledged
  table.acknowledge(delivered(table.next_to_submit()->number));
  EXPECT_EQ(table.nothing_pending_before(noon + 1s), noon + 1s);
}

TEST_F(ChangeTable, ActivityInTheSecondOfTheLastExportIsNotHistory) {
  open();
  spec.exported_until = noon - 6min;
  EXPECT_EQ(conclude(settled({make_span(1)}, noon - 6min)), settle_action::submit);
}

} // namespace
} // namespace tc::actors
