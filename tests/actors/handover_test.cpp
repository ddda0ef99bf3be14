// One process follows a Trace, and hands it over to another, or is gone at any moment. The other watched the
// same objects and followed the Trace not at all: it goes on from what it remembers of them and from what
// the first wrote into the status.

#include "tests/actors/world.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;

class Handover : public testing::Test {
protected:
  void begin(const std::string& recording) {
    facts = recorded(recording);
    backend = std::make_shared<remembering_sink>();
    latest = {};
    owner = start();
    owner->system->apply(everything());
    other = start();
  }

  std::unique_ptr<world> start() {
    auto out = std::make_unique<world>(facts.front()->received_at, [this](controller_setup& setup) {
      setup.watching.tells_delivered = true;
      setup.watching.takeover_gap = 70s;
      setup.write_status = [this](const trace_status& status, const std::function<void(std::string)>& done) {
        latest = status;
        done({});
      };
    });
    out->backend = backend;
    out->system->apply(binding_to(setup_for(backend)));
    return out;
  }

  void play(world& to, std::size_t from, std::size_t until) {
    to.play({facts.begin() + static_cast<std::ptrdiff_t>(from),
             facts.begin() + static_cast<std::ptrdiff_t>(until)});
  }

  /// It reads the Trace from the API server and follows it.
  void take_over() {
    auto spec = *everything();
    if (is_known(latest.exported_until))
      spec.exported_until = std::chrono::floor<std::chrono::seconds>(latest.exported_until);
    delivered_spans told;
    told.uid = spec.uid;
    if (latest.delivered)
      told.traces = *latest.delivered;
    if (spec.exported_until)
      told.until = *spec.exported_until;
    other->system->apply(std::make_shared<trace_resource>(std::move(spec)));
    other->system->apply(std::make_shared<delivered_spans>(std::move(told)));
  }

  std::map<std::string, span> undisturbed(const std::string& recording) {
    world alone(recorded(recording).front()->received_at);
    alone.system->apply(binding_to(setup_for(alone.backend)));
    alone.system->apply(everything());
    alone.play(recorded(recording));
    EXPECT_TRUE(alone.system->settle(2h));
    return alone.backend->spans;
  }

  departure_ptr departs(bool recall) {
    auto out = std::make_shared<departure>();
    out->uids = {"all"};
    out->recall = recall;
    out->done = [this] { ++departed; };
    return out;
  }

  std::vector<observation_ptr> facts;
  std::shared_ptr<remembering_sink> backend;
  std::unique_ptr<world> owner;
  std::unique_ptr<world> other;
  trace_status latest; ///< as it was written last
  int departed = 0;
};

TEST_F(Handover, AtAnyMomentNothingIsLostAndNothingIsSentTwice) {
  for (const auto* recording : {"s01-three-kustomizations", "s02-helm", "s05-superseded"}) {
    SCOPED_TRACE(recording);
    auto wanted = undisturbed(recording);
    auto size = recorded(recording).size();
    for (std::size_t cut = 1; cut < size; cut += size / 12) {
      SCOPED_TRACE(cut);
      begin(recording);
      play(*owner, 0, cut);
      play(*other, 0, cut);
      departed = 0;
      owner->system->drain("all");
      auto then = owner->system->now() + 3s;
      owner->system->advance(then);
      EXPECT_TRUE(latest.drained);
      owner->system->depart(departs(false));
      EXPECT_EQ(departed, 1);
      auto sent = backend->attempts;
      play(*owner, cut, size); // it goes on watching
      owner->system->advance(owner->system->now() + 1h);
      EXPECT_EQ(backend->attempts, sent) << "what it handed over is none of its business";
      auto books = owner->system->books();
      EXPECT_TRUE(books->traces.empty());
      expect_balance(*books);
      other->system->advance(then);
      take_over();
      play(*other, cut, size);
      EXPECT_TRUE(other->system->settle(2h));
      EXPECT_EQ(backend->spans, wanted);
      EXPECT_EQ(backend->changed, 0);
      EXPECT_EQ(backend->repeated, 0);
      expect_balance(*other->system->books());
    }
  }
}

TEST_F(Handover, OfOneThatIsGoneOnlyWhatItCouldNotTellIsSentTwice) {
  for (const auto* recording : {"s01-three-kustomizations", "s02-helm", "s05-superseded"}) {
    SCOPED_TRACE(recording);
    auto wanted = undisturbed(recording);
    auto size = recorded(recording).size();
    for (std::size_t cut = 1; cut < size; cut += size / 12) {
      SCOPED_TRACE(cut);
      begin(recording);
      play(*owner, 0, cut);
      owner.reset();
      std::set<std::string> told;
      if (latest.delivered)
        for (const auto& trace : *latest.delivered)
          for (const auto& id : trace.spans)
            told.insert(trace.id.to_hex() + id.to_hex());
      auto untold = backend->spans.size() - told.size();
      // Until its lease has run out nobody follows the Trace.
      auto later = std::min(cut + 5, size);
      play(*other, 0, later);
      take_over();
      play(*other, later, size);
      EXPECT_TRUE(other->system->settle(2h));
      EXPECT_EQ(backend->spans, wanted);
      EXPECT_EQ(backend->changed, 0);
      EXPECT_LE(static_cast<std::size_t>(backend->repeated), untold);
      expect_balance(*other->system->books());
    }
  }
}

TEST_F(Handover, WhatABackendDoesNotTakeGoesWithTheTraceAndOfNobodyElse) {
  begin("s01-three-kustomizations");
  owner->system->apply(everything("another"));
  backend->answers = [](int) {
    exporting::attempt_result out;
    out.outcome = exporting::attempt_outcome::retry;
    out.reason = "status_503";
    return out;
  };
  play(*owner, 0, facts.size());
  owner->system->advance(owner->system->now() + 2min);
  EXPECT_GT(backend->attempts, 0);
  owner->system->drain("all");
  owner->system->advance(owner->system->now() + 30s);
  EXPECT_FALSE(latest.drained);
  owner->system->depart(departs(true));
  EXPECT_EQ(departed, 1);
  expect_balance(*owner->system->books());
  backend->answers = nullptr;
  EXPECT_TRUE(owner->system->settle(5min));
  // Both follow the same and share their traces: what the other one had handed out is sent, once.
  EXPECT_EQ(backend->spans, undisturbed("s01-three-kustomizations"));
  EXPECT_EQ(backend->repeated, 0);
  auto books = owner->system->books();
  ASSERT_EQ(books->traces.size(), 1u);
  EXPECT_EQ(books->traces.front().first, "flux-system/another");
  EXPECT_GT(books->departed.changes_handed_over, 0u);
  EXPECT_EQ(books->departed.changes_dropped, 0u);
}

TEST_F(Handover, ATraceWithoutAUsableProviderIsHandedOverAsItIs) {
  begin("s01-three-kustomizations");
  auto broken = std::make_shared<provider_binding>(*binding_to(nullptr));
  broken->reason = "ProviderInvalid";
  broken->problem = "no";
  owner->system->apply(broken);
  play(*owner, 0, facts.size());
  owner->system->advance(owner->system->now() + 2min);
  owner->system->drain("all");
  owner->system->advance(owner->system->now() + 3s);
  EXPECT_TRUE(latest.drained);
  EXPECT_EQ(backend->attempts, 0);
  owner->system->depart(departs(false));
  play(*other, 0, facts.size());
  take_over();
  EXPECT_TRUE(other->system->settle(2h));
  EXPECT_EQ(backend->spans, undisturbed("s01-three-kustomizations"));
}

TEST_F(Handover, BackAndForthIsFollowedAnew) {
  begin("s02-helm");
  auto wanted = undisturbed("s02-helm");
  auto step = facts.size() / 6;
  for (std::size_t at = 0; at < facts.size(); at += step) {
    auto until = std::min(at + step, facts.size());
    play(*owner, at, until);
    play(*other, at, until);
    owner->system->drain("all");
    owner->system->advance(owner->system->now() + 3s);
    EXPECT_TRUE(latest.drained);
    owner->system->depart(departs(false));
    other->system->advance(owner->system->now());
    take_over();
    std::swap(owner, other);
  }
  EXPECT_TRUE(owner->system->settle(2h));
  EXPECT_EQ(backend->spans, wanted);
  EXPECT_EQ(backend->repeated, 0);
}

TEST_F(Handover, AnActorThatCrashesWhileItHandsOverGoesOnWithIt) {
  begin("s01-three-kustomizations");
  play(*owner, 0, facts.size() / 2);
  owner->system->drain("all");
  int killed = 0;
  owner->system->set_saboteur([&](std::string_view name) { return name == "trace" && killed++ == 0; });
  owner->system->advance(owner->system->now() + 10s);
  EXPECT_GT(killed, 0);
  EXPECT_TRUE(latest.drained);
}

} // namespace
} // namespace tc::actors::test
