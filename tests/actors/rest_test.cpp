// Traces that have nothing to do, and changes that are due between two ticks.

#include "messages/alarm.hpp"
#include "tests/actors/world.hpp"
#include "tests/trace/cluster.hpp"

#include <gtest/gtest.h>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;

class Rest : public testing::Test {
protected:
  Rest() {
    here.system->set_saboteur([this](std::string_view actor) {
      trace_messages += actor == "trace" ? 1 : 0;
      return false;
    });
    here.system->apply(binding_to(setup_for(here.backend)));
    here.system->apply(everything());
  }

  /// A repository and the Kustomization that applies its commit; it has ended with the last of the facts.
  void deploy(const std::string& name) {
    story.now = std::max(story.now, here.system->now());
    auto source = tc::test::object("GitRepository", name);
    auto app = tc::test::object("Kustomization", name);
    story.follow(app, source);
    story.fetch(source, revision);
    story.run(app, revision);
    here.play(story.facts);
    story.facts.clear();
  }

  trace_books trace() { return here.system->books()->traces.front().second; }

  /// Returns how many messages the trace actor gets while so much time passes.
  std::size_t messages_within(duration time) {
    auto before = trace_messages;
    here.system->advance(here.system->now() + time);
    return trace_messages - before;
  }

  const std::string revision = "main@sha1:" + std::string(40, '1');
  std::size_t trace_messages = 0;
  std::size_t verdicts = 0;
  std::shared_ptr<alarm> wakes = std::make_shared<alarm>();
  tc::test::cluster story;
  world here{story.now, [this](controller_setup& setup) {
               setup.watching.wakes = wakes;
               auto events = std::make_shared<trace_events>();
               events->concluded = [this](const trace_resource&, const settled_change&) { ++verdicts; };
               setup.events = std::move(events);
             }};
};

TEST_F(Rest, ATraceWithoutAnOpenChangeGetsFewTicks) {
  messages_within(2min);
  EXPECT_LE(messages_within(1000s), 11u);
  deploy("app");
  EXPECT_GE(messages_within(9s), 9u) << "it is awake while a change is open";
  EXPECT_TRUE(here.system->settle(5min));
  messages_within(2min);
  EXPECT_LE(messages_within(1000s), 11u) << "and rests again";
}

TEST_F(Rest, ATraceAtRestWakesAtAnObservationAndJudgesOnTime) {
  messages_within(10min);
  deploy("app");
  auto due = here.system->now() + everything()->settle_after;
  here.system->advance(due + 2s);
  EXPECT_EQ(trace().changes_exported, 1u);
  EXPECT_FALSE(here.backend->spans.empty());
}

TEST_F(Rest, ATraceThatCannotDeliverDoesNotRest) {
  auto none = *binding_to(nullptr);
  none.reason = "ProviderInvalid";
  here.system->apply(std::make_shared<provider_binding>(none));
  deploy("app");
  messages_within(10min);
  EXPECT_EQ(trace().traces_waiting, 1u);
  EXPECT_GE(messages_within(100s), 100u);
  here.system->apply(binding_to(setup_for(here.backend)));
  EXPECT_TRUE(here.system->settle(10s));
  EXPECT_EQ(trace().changes_exported, 1u);
}

TEST_F(Rest, ACrashOfATraceAtRestIsMadeGood) {
  messages_within(10min);
  auto kill = true;
  here.system->set_saboteur(
      [&](std::string_view actor) { return actor == "trace" && std::exchange(kill, false); });
  messages_within(200s);
  EXPECT_FALSE(kill);
  deploy("app");
  EXPECT_TRUE(here.system->settle(1min));
  EXPECT_EQ(trace().changes_exported, 1u);
}

TEST_F(Rest, WhatIsDueBetweenTwoTicksIsJudgedWhenItIsDue) {
  deploy("app");
  // The alarm is looked at far more often than ticks come, as the program does it.
  auto due = here.system->now();
  while (!wakes->take(due) && due < here.system->now() + 1min)
    due += 10ms;
  here.system->tick(due - 10ms);
  EXPECT_EQ(verdicts, 0u);
  here.system->tick(due);
  EXPECT_EQ(verdicts, 1u);
}

} // namespace
} // namespace tc::actors::test
