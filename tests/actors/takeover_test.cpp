// One process follows what another exports, and takes over from it at any moment: what was told as delivered
// is not sent again, and nothing is lost.

#include "tests/actors/world.hpp"

#include "actors/delivered_log.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;

delivered_trace part(std::uint8_t trace, std::size_t first, std::size_t count) {
  delivered_trace out;
  out.id.bytes = {1, trace};
  for (std::size_t i = first; i < first + count; ++i)
    out.spans.push_back({{1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}});
  return out;
}

TEST(DeliveredLog, MergesWhatIsAddedToATraceAndKeepsTheLatestLast) {
  delivered_log log;
  log.add(part(1, 0, 2));
  log.add(part(2, 0, 1));
  log.add(part(1, 1, 2));
  EXPECT_EQ(*log.latest(), (std::vector<delivered_trace>{part(2, 0, 1), part(1, 0, 3)}));
  auto before = log.latest();
  log.add(part(2, 0, 1)); // known
  EXPECT_EQ(log.latest(), before);
}

TEST(DeliveredLog, IsBoundedInTracesAndSpans) {
  delivered_log log;
  for (std::uint8_t i = 0; i < 200; ++i)
    log.add(part(i, 0, 1));
  EXPECT_EQ(log.latest()->size(), delivered_log::most_traces);
  EXPECT_EQ(log.latest()->back(), part(199, 0, 1));
  log.add(part(200, 0, delivered_log::most_spans));
  EXPECT_EQ(log.latest()->size(), 1u);
  log.add(part(201, 0, delivered_log::most_spans + 1)); // too large to be told
  EXPECT_EQ(log.latest()->front().id, part(200, 0, 1).id);
}

/// Two processes before one backend. What the first writes as status is told to the second.
class Takeover : public testing::Test {
protected:
  void begin(const std::string& recording, const trace_resource& spec) {
    facts = recorded(recording);
    backend = std::make_shared<remembering_sink>();
    statuses = 0;
    leader = start(spec, true);
    standby = start(spec, false);
  }

  std::unique_ptr<world> start(const trace_resource& spec, bool leads) {
    auto out = std::make_unique<world>(facts.front()->received_at, [&](controller_setup& setup) {
      setup.leads = leads;
      setup.watching.tells_delivered = true;
      setup.write_status = [this, leads](const trace_status& status,
                                         const std::function<void(std::string)>& done) {
        ++statuses;
        if (leads)
          latest = status;
        done({});
      };
    });
    out->backend = backend;
    out->system->apply(binding_to(setup_for(backend)));
    out->system->apply(std::make_shared<trace_resource>(spec));
    return out;
  }

  /// The first facts, to each as they come.
  void play_both(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      for (auto* each : {leader.get(), standby.get()})
        each->system->observe(facts[i], std::max(facts[i]->received_at, each->system->now()));
  }

  void tell(world& to) {
    delivered_spans told;
    told.uid = latest.uid;
    if (latest.delivered)
      told.traces = *latest.delivered;
    if (is_known(latest.exported_until))
      told.until = std::chrono::floor<std::chrono::seconds>(latest.exported_until);
    if (!told.uid.empty())
      to.system->apply(std::make_shared<delivered_spans>(std::move(told)));
  }

  /// What an undisturbed process sends.
  std::map<std::string, span> undisturbed(const std::string& recording, const trace_resource& spec) {
    world alone(recorded(recording).front()->received_at);
    alone.system->apply(binding_to(setup_for(alone.backend)));
    alone.system->apply(std::make_shared<trace_resource>(spec));
    alone.play(recorded(recording));
    EXPECT_TRUE(alone.system->settle(2h));
    return alone.backend->spans;
  }

  std::vector<observation_ptr> facts;
  std::shared_ptr<remembering_sink> backend;
  std::unique_ptr<world> leader;
  std::unique_ptr<world> standby;
  trace_status latest; ///< as the leader wrote it
  int statuses = 0;
};

TEST_F(Takeover, AStandbySendsAndWritesNothingUntilItLeads) {
  begin("s01-three-kustomizations", *everything());
  leader.reset();
  standby->play(facts);
  standby->system->advance(standby->system->now() + 5min);
  EXPECT_EQ(backend->attempts, 0);
  EXPECT_EQ(statuses, 0);
  EXPECT_EQ(standby->system->books()->traces.front().second.traces_waiting, 3u);
  standby->system->lead();
  EXPECT_TRUE(standby->system->settle(1min));
  EXPECT_EQ(backend->spans, undisturbed("s01-three-kustomizations", *everything()));
  standby->system->advance(standby->system->now() + 5s);
  EXPECT_GT(statuses, 0);
  expect_balance(*standby->system->books());
}

TEST_F(Takeover, AtAnyMomentNothingIsLostAndWhatWasToldIsNotSentAgain) {
  for (const auto* recording : {"s01-three-kustomizations", "s02-helm", "s05-superseded"})
    for (auto mode : {export_mode::on_settle, export_mode::progressive}) {
      SCOPED_TRACE(recording + std::string{mode == export_mode::progressive ? ", progressive" : ""});
      auto spec = *everything();
      spec.mode = mode;
      auto wanted = undisturbed(recording, spec);
      auto size = recorded(recording).size();
      for (std::size_t cut = 1; cut < size; cut += size / 12) {
        SCOPED_TRACE(cut);
        begin(recording, spec);
        play_both(cut);
        // Until the next fact comes, the leader has time to write its status.
        auto then = facts[cut]->received_at - 100ms;
        leader->system->advance(then);
        standby->system->advance(then);
        std::set<std::string> told;
        if (latest.delivered)
          for (const auto& trace : *latest.delivered)
            for (const auto& id : trace.spans)
              told.insert(trace.id.to_hex() + id.to_hex());
        std::set<std::string> sent;
        for (const auto& [id, value] : backend->spans)
          sent.insert(id);
        EXPECT_TRUE(std::includes(sent.begin(), sent.end(), told.begin(), told.end()));
        leader.reset();
        tell(*standby);
        standby->system->lead();
        standby->play({facts.begin() + static_cast<std::ptrdiff_t>(cut), facts.end()});
        EXPECT_TRUE(standby->system->settle(2h));
        EXPECT_EQ(backend->spans, wanted);
        EXPECT_EQ(backend->changed, 0);
        EXPECT_LE(static_cast<std::size_t>(backend->repeated), sent.size() - told.size());
        expect_balance(*standby->system->books());
        latest = {};
      }
    }
}

TEST_F(Takeover, AStandbyLetsGoOfWhatTheLeaderTells) {
  begin("s01-three-kustomizations", *everything());
  play_both(facts.size());
  EXPECT_TRUE(leader->system->settle(1min));
  leader->system->advance(leader->system->now() + 15s);
  standby->system->advance(leader->system->now());
  tell(*standby);
  standby->system->advance(standby->system->now() + 2s);
  auto books = standby->system->books()->traces.front().second;
  EXPECT_EQ(books.traces_waiting, 0u);
  EXPECT_EQ(books.changes_exported, 3u);
  EXPECT_EQ(books.spans_exported, 0u) << "they are in the books of who sent them";
  expect_balance(*standby->system->books());
}

TEST_F(Takeover, WhatWasToldBeforeAChangeSettlesHereIsNotSentEither) {
  begin("s01-three-kustomizations", *everything());
  leader->play(facts);
  EXPECT_TRUE(leader->system->settle(1min));
  leader->system->advance(leader->system->now() + 15s);
  tell(*standby);
  standby->system->lead();
  auto sent = backend->spans.size();
  standby->play(facts);
  EXPECT_TRUE(standby->system->settle(1min));
  EXPECT_EQ(backend->spans.size(), sent);
  EXPECT_EQ(backend->repeated, 0);
  expect_balance(*standby->system->books());
}

TEST_F(Takeover, TheThirdKnowsWhatTheFirstDelivered) {
  begin("s01-three-kustomizations", *everything());
  leader->play(facts);
  EXPECT_TRUE(leader->system->settle(1min));
  leader->system->advance(leader->system->now() + 15s);
  auto first = latest.delivered;
  ASSERT_TRUE(first && !first->empty());
  latest = {};
  leader = start(*everything(), true); // and leads from its start, with nothing of its own to send
  delivered_spans told{"all", *first, {}};
  leader->system->apply(std::make_shared<delivered_spans>(std::move(told)));
  leader->system->advance(leader->system->now() + 15s);
  ASSERT_TRUE(latest.delivered);
  EXPECT_EQ(*latest.delivered, *first);
}

} // namespace
} // namespace tc::actors::test
