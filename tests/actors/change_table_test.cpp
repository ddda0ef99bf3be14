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

TEST_F(ChangeTable, KnowsWhetherTimeAloneBringsSomethingToDo) {
  EXPECT_FALSE(table.waits_for_time());
  EXPECT_EQ(table.next_due(), std::nullopt);
  open();
  EXPECT_TRUE(table.waits_for_time());
  EXPECT_EQ(table.next_due(), noon + 10s);
  table.take_due(noon + 10s);
  EXPECT_FALSE(table.waits_for_time()) << "its verdict is awaited";
  table.crashed("key", noon + 10s);
  EXPECT_TRUE(table.waits_for_time()) << "its revision actor starts again";
}

TEST_F(ChangeTable, CountsWhatIsBeingJudged) {
  for (const char* key : {"a", "b", "c"})
    table.note_news(*table.open(key).first, noon, spec.settle_after);
  EXPECT_EQ(table.judging(), 0u);
  EXPECT_THAT(table.take_due(noon + 10s), testing::SizeIs(3));
  EXPECT_EQ(table.judging(), 3u);
  auto report = settled({make_span(1)});
  report.key = "a";
  conclude(report);
  conclude(report); // one that came twice
  EXPECT_EQ(table.judging(), 2u);
  table.crashed("b", noon + 10s);
  EXPECT_EQ(table.judging(), 1u);
  table.recover();
  EXPECT_EQ(table.judging(), 0u);
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

TEST_F(ChangeTable, CountsApartWhatIsJudgedAgainFromLessEvidence) {
  open();
  table.take_due(noon + 10s);
  auto report = settled({make_span(1, "before")});
  report.observations = 2;
  conclude(report);
  table.acknowledge(delivered(table.next_to_submit()->number));
  table.retire_if_quiet("key");
  EXPECT_EQ(table.books().changes_reopened, 0u);

  auto* again = table.open("key").first;
  table.seed(*again, {nullptr}); // of the two one is left
  EXPECT_EQ(table.books().changes_reopened, 1u);
  report = settled({make_span(1, "after")});
  report.observations = 1;
  conclude(report, noon + 60s);
  EXPECT_EQ(table.books().spans_late, 0u);
  EXPECT_EQ(table.books().spans_faded, 1u);
  table.retire_if_quiet("key");
  EXPECT_EQ(table.books().changes_reopened, 0u);
  expect_balance();
}

TEST_F(ChangeTable, CountsSentSpansThatLaterEvidenceWouldChange) {
  open();
  table.take_due(noon + 10s);
  conclude(settled({make_span(1, "before")}));
  EXPECT_EQ(conclude(settled({make_span(1, "after")})), settle_action::nothing_new);
  EXPECT_EQ(table.books().spans_late, 1u);
}

TEST_F(ChangeTable, KnowsWhatItHasGivenToTheDiskByItsNumber) {
  auto ledger = memory_ledger::with_limit(std::size_t{64} << 20);
  table.charge_to(ledger, "uid");
  open();
  auto report = settled({make_span(1), make_span(2)});
  conclude(report);
  EXPECT_GT(ledger->held(), 0U);
  auto number = table.latest_submission()->number;
  table.spill(number);
  EXPECT_EQ(ledger->held(), 0U);
  EXPECT_EQ(table.submissions_spilled(), 1U);
  EXPECT_EQ(table.submissions_waiting(), 1U);
  EXPECT_EQ(table.read_back(number, report.trace), nullptr) << "nobody asked";
  auto* next = table.next_to_submit();
  ASSERT_NE(next, nullptr);
  EXPECT_TRUE(next->spilled);
  EXPECT_TRUE(next->trace->spans.empty());
  next->reading = true;
  next = table.read_back(number, report.trace);
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->trace->spans.size(), 2U);
  EXPECT_EQ(table.submissions_spilled(), 0U);
  EXPECT_GT(ledger->held(), 0U);
  ASSERT_TRUE(table.acknowledge(delivered(number)));
  EXPECT_EQ(ledger->held(), 0U);
  EXPECT_EQ(table.books().spans_exported, 2U);
  EXPECT_EQ(table.books().changes_exported, 1U);
  expect_balance();
}

TEST_F(ChangeTable, AReportThatComesAfterItsTraceWentToTheDiskCounts) {
  open();
  conclude(settled({make_span(1), make_span(2)}));
  auto number = table.next_to_submit()->number;
  table.take_back_submissions();
  table.spill(number);
  ASSERT_TRUE(table.acknowledge(delivered(number)));
  EXPECT_EQ(table.books().spans_exported, 2U);
  EXPECT_EQ(table.submissions_spilled(), 0U);
  expect_balance();
}

TEST_F(ChangeTable, WhatIsDroppedForMemoryIsInTheBooks) {
  open();
  conclude(settled({make_span(1), make_span(2)}));
  auto lost = table.drop_submission(table.latest_submission()->number, "memory_limit");
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->spans, 2U);
  EXPECT_EQ(table.books().changes_dropped, 1U);
  EXPECT_EQ(table.books().spans_dropped, 2U);
  auto moves = table.take_moves();
  ASSERT_EQ(moves.size(), 1U);
  EXPECT_EQ(moves[0].label, "memory_limit");
  expect_balance();
}

TEST_F(ChangeTable, WhatComesAfterADroppedTraceIsAWholeOneAndNoAddition) {
  open();
  conclude(settled({make_span(1), make_span(2)}));
  table.drop_submission(table.latest_submission()->number, "memory_limit");
  EXPECT_EQ(conclude(settled({make_span(1), make_span(2), make_span(3)}), noon + 60s), settle_action::submit);
  const auto& whole = *table.latest_submission()->trace;
  EXPECT_FALSE(whole.addition);
  EXPECT_EQ(whole.spans.size(), 3U);
  table.acknowledge(delivered(table.next_to_submit()->number));
  EXPECT_EQ(table.books().changes_exported, 1U);
  EXPECT_EQ(table.books().changes_dropped, 0U);
  expect_balance();
}

TEST_F(ChangeTable, AChangeThatOnlyWaitsOnTheDiskIsNotLive) {
  auto ledger = memory_ledger::with_limit(std::size_t{64} << 20);
  table.charge_to(ledger, "uid");
  open();
  EXPECT_EQ(table.live(), 1U);
  conclude(settled({make_span(1)}));
  EXPECT_EQ(table.live(), 1U);
  auto number = table.latest_submission()->number;
  EXPECT_EQ(table.waiting_of("key"), std::vector<std::uint64_t>{number});
  table.spill(number);
  EXPECT_EQ(table.live(), 0U);
  table.next_to_submit()->reading = true;
  EXPECT_TRUE(table.waiting_of("key").empty());
  table.read_back(number, std::make_shared<completed_trace>());
  EXPECT_EQ(table.live(), 1U);
  table.acknowledge(delivered(number));
  EXPECT_EQ(table.live(), 0U);
  expect_balance();
}

TEST_F(ChangeTable, WhatHangsUnderWhatIsDroppedGoesWithIt) {
  auto under = [](std::uint8_t number, std::uint8_t parent) {
    auto out = make_span(number);
    out.parent = make_span(parent).id;
    return out;
  };
  open();
  conclude(settled({make_span(1)}));
  table.acknowledge(delivered(table.next_to_submit()->number));
  std::vector<span> all{make_span(1), under(2, 1)};
  conclude(settled(all), noon + 60s);
  auto first = table.latest_submission()->number;
  all.push_back(under(3, 2));
  conclude(settled(all), noon + 120s);
  auto below = table.latest_submission()->number;
  all.push_back(under(4, 1));
  conclude(settled(all), noon + 180s);
  auto lost = table.drop_submission(first, "memory_limit");
  ASSERT_TRUE(lost);
  EXPECT_THAT(table.left_hanging_by(*lost), ElementsAre(below)) << "4 hangs under what the backend has";
  ASSERT_TRUE(table.drop_submission(below, "memory_limit"));
  EXPECT_EQ(table.books().spans_dropped, 2U);
  // What was never sent is sent with what comes next.
  all.push_back(under(5, 1));
  conclude(settled(all), noon + 240s);
  EXPECT_EQ(table.latest_submission()->spans, 3U);
  expect_balance();
}

TEST_F(ChangeTable, AnAdditionThatIsDroppedLeavesItsChangeExported) {
  open();
  conclude(settled({make_span(1)}));
  table.acknowledge(delivered(table.next_to_submit()->number));
  conclude(settled({make_span(1), make_span(2)}), noon + 60s);
  ASSERT_TRUE(table.drop_submission(table.latest_submission()->number, "memory_limit"));
  EXPECT_EQ(table.books().changes_exported, 1U);
  EXPECT_EQ(table.books().spans_dropped, 1U);
  expect_balance();
}

TEST_F(ChangeTable, JudgesNoMoreThanAFewAtATime) {
  for (const auto* key : {"a", "b", "c"})
    table.note_news(*table.open(key).first, noon, spec.settle_after);
  EXPECT_THAT(table.take_due(noon + 10s, 2), ElementsAre("a", "b"));
  EXPECT_THAT(table.take_due(noon + 10s, 2), IsEmpty());
  auto report = settled({make_span(1)});
  report.key = "b";
  conclude(report);
  EXPECT_THAT(table.take_due(noon + 10s, 2), ElementsAre("c"));
  table.recover();
  EXPECT_THAT(table.take_due(noon + 10s, 4), ElementsAre("a", "b", "c"));
}

TEST_F(ChangeTable, ClosesTheQuietestChangesFirst) {
  for (int i = 0; i < 32; ++i)
    table.note_news(*table.open("key-" + std::to_string(10 + i)).first, noon - std::chrono::seconds{i},
                    spec.settle_after);
  EXPECT_THAT(table.close_quietest(16), ElementsAre("key-41", "key-40", "key-39"));
  EXPECT_TRUE(table.find("key-41")->closing);
  EXPECT_THAT(table.close_quietest(100), ElementsAre("key-38"));
  EXPECT_EQ(table.take_due(noon + 10s).size(), 28U) << "those that are being closed are not judged twice";
  EXPECT_THAT(table.close_quietest(16), IsEmpty());
}

/// Keeps what it gets.
struct kept_facts : packed_facts {
  kept_facts(observation_batch what, std::vector<std::size_t> known_by)
      : facts(std::move(what)), known(std::move(known_by)) {}
  std::optional<observation_batch> unpack() const override { return facts; }
  std::optional<std::vector<std::size_t>> prints() const override { return known; }
  std::size_t memory() const override { return 1; }
  observation_batch facts;
  std::vector<std::size_t> known;
};

TEST_F(ChangeTable, PacksTheQuietestAndJudgesThemWithoutHurry) {
  auto ledger = memory_ledger::with_limit(std::size_t{64} << 20, [](const auto& facts, const auto& prints) {
    return std::make_shared<kept_facts>(facts, prints);
  });
  table.charge_to(ledger, "uid");
  spec.settle_after = 1s;
  auto add = [&](const char* key, timestamp at) {
    auto* entry = table.open(key).first;
    observation fact;
    fact.resource_version = 7;
    entry->evidence.assign(20, std::make_shared<observation>(fact));
    table.note_news(*entry, at, spec.settle_after);
    return entry;
  };
  auto* later = add("later", noon + 1s);
  auto* sooner = add("sooner", noon);
  EXPECT_THAT(table.pack_quietest(1, noon + 1s), ElementsAre("sooner"));
  EXPECT_TRUE(sooner->evidence.empty());
  EXPECT_TRUE(change_table::packed_prints{*sooner}.contain(*later->evidence.front()));
  EXPECT_FALSE(change_table::packed_prints{*later}.contain(*later->evidence.front()));
  EXPECT_EQ(table.evidence_of(*sooner)->size(), 20U);
  EXPECT_THAT(table.take_due(noon + 1s), ElementsAre("sooner")) << "what was due stays so";
  EXPECT_THAT(table.pack_quietest(std::size_t{1} << 30, noon + 1s), ElementsAre("later"))
      << "what is being judged stays";
  table.take_due(noon + 2s);
  change_report open;
  open.key = "later";
  conclude(open, noon + 2s);
  add("later", noon + 3s);
  EXPECT_THAT(table.take_due(noon + 12s), IsEmpty());
  EXPECT_THAT(table.take_due(noon + 13s), ElementsAre("later"));
  EXPECT_EQ(table.evidence_of(*later)->size(), 40U);
  table.lose(*later);
  EXPECT_TRUE(later->packed.empty());
  EXPECT_EQ(table.books().changes_dropped, 1U);
  expect_balance();
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

TEST_F(ChangeTable, KnowsWhichRuleKeptATrace) {
  open();
  spec.sampling.ratio = 0;
  spec.sampling.keep_errors = true;
  auto report = settled({make_span(1)});
  auto failed = std::make_shared<completed_trace>(*report.trace);
  failed->outcome = "failed";
  report.trace = failed;
  EXPECT_EQ(conclude(report), settle_action::submit);
  EXPECT_EQ(table.latest_submission()->kept_by, "keepErrors");
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

TEST_F(ChangeTable, NothingIsDoneWithBeforeAnAdditionThatNobodyHas) {
  open();
  table.take_due(noon + 10s);
  conclude(settled({make_span(1)}));
  table.acknowledge(delivered(table.next_to_submit()->number));
  EXPECT_TRUE(table.retire_if_quiet("key"));
  EXPECT_EQ(table.nothing_pending_before(noon + 1h), noon + 1h);
  open(noon + 10min);
  EXPECT_EQ(table.nothing_pending_before(noon + 1h), noon + 9min); // a fact may be a minute old
  table.take_due(noon + 11min);
  auto report = settled({make_span(1), make_span(2)});
  report.first_activity = noon - 1h;
  conclude(report, noon + 11min);
  EXPECT_EQ(table.nothing_pending_before(noon + 1h), noon - 1h);
  table.acknowledge(delivered(table.next_to_submit()->number));
  EXPECT_EQ(table.nothing_pending_before(noon + 1h), noon + 1h);
}

TEST_F(ChangeTable, WhatAnotherProcessDeliveredIsNotHandedOut) {
  open();
  conclude(settled({make_span(1), make_span(2)}));
  auto is = [](std::uint8_t number) {
    return [number](const trace_id&, const span_id& span) { return span.bytes[1] <= number; };
  };
  EXPECT_THAT(table.settle_elsewhere(is(0), {}), IsEmpty());
  EXPECT_THAT(table.settle_elsewhere(is(1), {}), IsEmpty());
  ASSERT_EQ(table.latest_submission()->trace->spans.size(), 1u);
  EXPECT_EQ(table.latest_submission()->trace->spans[0].id, make_span(2).id);
  EXPECT_THAT(table.settle_elsewhere(is(2), {}, 2), IsEmpty()) << "that number comes later";
  EXPECT_EQ(table.settle_elsewhere(is(2), {}).size(), 1u);
  EXPECT_EQ(table.submissions_waiting(), 0u);
  EXPECT_EQ(table.books().changes_exported, 1u);
  EXPECT_EQ(table.books().spans_exported, 0u);
  expect_balance();
}

TEST_F(ChangeTable, WhatWasQuietBeforeAnotherProcessHadExportedAllIsNotHandedOut) {
  open();
  conclude(settled({make_span(1)}, noon));
  auto none = [](const trace_id&, const span_id&) { return false; };
  EXPECT_THAT(table.settle_elsewhere(none, noon), IsEmpty());
  EXPECT_EQ(table.settle_elsewhere(none, noon + 1s).size(), 1u);
  expect_balance();
}

TEST_F(ChangeTable, WhatIsUnderWayIsLeftToTheExporter) {
  open();
  conclude(settled({make_span(1)}));
  auto* under_way = table.next_to_submit();
  auto all = [](const trace_id&, const span_id&) { return true; };
  EXPECT_THAT(table.settle_elsewhere(all, noon + 1h), IsEmpty());
  EXPECT_TRUE(table.acknowledge(delivered(under_way->number)));
}

TEST_F(ChangeTable, ActivityInTheSecondOfTheLastExportIsNotHistory) {
  open();
  spec.exported_until = noon - 6min;
  EXPECT_EQ(conclude(settled({make_span(1)}, noon - 6min)), settle_action::submit);
}

} // namespace
} // namespace tc::actors
