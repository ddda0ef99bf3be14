// What happens to traces between the trace actors and a backend that misbehaves, in virtual time.

#include "tests/actors/world.hpp"

#include <gtest/gtest.h>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;
using exporting::attempt_outcome;

class Delivery : public testing::Test {
protected:
  Delivery() : facts(recorded("s01-three-kustomizations")), here(facts.front()->received_at) {}

  void play_all() {
    here.system->apply(binding_to(setup_for(here.backend)));
    here.system->apply(everything());
    here.play(facts);
  }
  exporter_books exporter() { return here.system->books()->exporters.front().second; }
  trace_books trace() { return here.system->books()->traces.front().second; }

  static exporting::attempt_result answer(attempt_outcome outcome) {
    exporting::attempt_result out;
    out.outcome = outcome;
    out.reason = "scripted";
    return out;
  }

  std::vector<observation_ptr> facts;
  world here;
};

TEST_F(Delivery, AnHourOfOutageLosesNothing) {
  auto back_at = facts.front()->received_at + 1h;
  here.backend->answers = [&](int) {
    return answer(here.system->now() < back_at ? attempt_outcome::retry : attempt_outcome::delivered);
  };
  play_all();
  here.system->advance(back_at - 1s);
  EXPECT_TRUE(here.backend->spans.empty());
  EXPECT_EQ(trace().changes_pending, 3u);
  // A dead backend is only probed, once in 30 s.
  EXPECT_LE(here.backend->attempts, 3600 / 30 + 15);
  EXPECT_TRUE(here.system->settle(10min));
  EXPECT_EQ(trace().changes_exported, 3u);
  EXPECT_EQ(here.backend->repeated, 0);
  expect_balance(*here.system->books());
}

TEST_F(Delivery, WhatIsRefusedForGoodIsDroppedAndCounted) {
  here.backend->answers = [](int attempt) {
    return answer(attempt == 1 ? attempt_outcome::rejected : attempt_outcome::delivered);
  };
  play_all();
  EXPECT_TRUE(here.system->settle(1min));
  EXPECT_EQ(trace().changes_dropped, 1u);
  EXPECT_EQ(trace().changes_exported, 2u);
  EXPECT_GT(exporter().spans_dropped, 0u);
  expect_balance(*here.system->books());
}

TEST_F(Delivery, APartialSuccessIsNotRepeated) {
  here.backend->answers = [](int) {
    auto out = answer(attempt_outcome::delivered);
    out.rejected_spans = 1;
    return out;
  };
  play_all();
  EXPECT_TRUE(here.system->settle(1min));
  EXPECT_EQ(here.backend->repeated, 0);
  EXPECT_EQ(exporter().spans_rejected, static_cast<std::uint64_t>(here.backend->attempts));
  expect_balance(*here.system->books());
}

TEST_F(Delivery, TwoTracesOfOneProviderSendSharedSpansOnce) {
  here.system->apply(everything("second"));
  play_all();
  EXPECT_TRUE(here.system->settle(1min));
  EXPECT_EQ(here.backend->repeated, 0);
  auto books = here.system->books();
  ASSERT_EQ(books->traces.size(), 2u);
  for (const auto& [name, each] : books->traces)
    EXPECT_EQ(each.changes_exported, 3u) << name;
  EXPECT_EQ(exporter().spans_duplicate, here.backend->spans.size());
  expect_balance(*books);
}

TEST_F(Delivery, ARemovedProviderKeepsWhatSettlesUntilItIsBack) {
  play_all();
  auto gone = std::make_shared<provider_binding>();
  gone->namespace_name = "flux-system";
  gone->name = "backend";
  gone->reason = "ProviderNotFound";
  here.system->apply(std::move(gone));
  here.system->advance(here.system->now() + 2min);
  auto before = here.backend->spans.size();
  here.system->apply(binding_to(setup_for(here.backend)));
  EXPECT_TRUE(here.system->settle(1min));
  EXPECT_GE(here.backend->spans.size(), before);
  EXPECT_EQ(trace().changes_exported, 3u);
  EXPECT_EQ(here.backend->repeated, 0);
}

TEST_F(Delivery, AnEditedTraceKeepsWhatSettledAndWaits) {
  here.system->apply(everything());
  here.play(facts);
  here.system->advance(here.system->now() + 1min);
  EXPECT_EQ(trace().changes_pending, 3u);
  // The Provider that it named does not exist; its user mends the name.
  auto edited = *everything();
  edited.provider_name = "other";
  edited.generation = 2;
  here.system->apply(std::make_shared<trace_resource>(edited));
  auto binding = std::make_shared<provider_binding>();
  binding->namespace_name = "flux-system";
  binding->name = "other";
  binding->setup = setup_for(here.backend);
  here.system->apply(std::move(binding));
  EXPECT_TRUE(here.system->settle(1min));
  EXPECT_EQ(trace().changes_exported, 3u);
  expect_balance(*here.system->books());
}

TEST_F(Delivery, AnEditDoesNotSendAgainWhatWasSent) {
  play_all();
  EXPECT_TRUE(here.system->settle(1min));
  auto before = here.backend->spans.size();
  auto edited = *everything();
  edited.generation = 2;
  edited.settle_after = 5s;
  here.system->apply(std::make_shared<trace_resource>(edited));
  here.system->advance(here.system->now() + 2min);
  EXPECT_TRUE(here.system->settle(1min));
  EXPECT_EQ(here.backend->spans.size(), before);
  EXPECT_EQ(here.backend->repeated, 0);
  expect_balance(*here.system->books());
}

TEST_F(Delivery, SamplingHoldsForProgressiveExportToo) {
  auto spec = *everything();
  spec.mode = export_mode::progressive;
  spec.sampling.ratio = 0;
  here.system->apply(binding_to(setup_for(here.backend)));
  here.system->apply(std::make_shared<trace_resource>(spec));
  here.play(facts);
  EXPECT_TRUE(here.system->settle(40min));
  EXPECT_TRUE(here.backend->spans.empty());
  EXPECT_EQ(trace().changes_sampled_out, 3u);
  expect_balance(*here.system->books());
}

TEST_F(Delivery, ProgressiveSendsFinishedRunsBeforeTheRoot) {
  auto spec = *everything();
  spec.mode = export_mode::progressive;
  spec.settle_after = 1s;
  here.system->apply(binding_to(setup_for(here.backend)));
  here.system->apply(std::make_shared<trace_resource>(spec));
  bool run_without_root = false;
  for (const auto& fact : facts) {
    here.system->observe(fact, std::max(fact->received_at, here.system->now()));
    for (const auto& [id, value] : here.backend->spans)
      if (!value.parent.is_zero() && here.backend->spans.count(id.substr(0, 32) + value.parent.to_hex()) == 0)
        run_without_root = true;
  }
  EXPECT_TRUE(here.system->settle(40min));
  EXPECT_TRUE(run_without_root);
  for (const auto& [id, value] : here.backend->spans) {
    if (value.parent.is_zero())
      continue;
    EXPECT_EQ(here.backend->spans.count(id.substr(0, 32) + value.parent.to_hex()), 1u) << value.name;
  }
}

} // namespace
} // namespace tc::actors::test
