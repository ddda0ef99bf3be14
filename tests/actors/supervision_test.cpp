// Every actor is killed at every message it handles, one kill a run, and the backend must end with the same
// spans as without.

#include "tests/actors/world.hpp"

#include <gtest/gtest.h>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;

struct outcome {
  std::map<std::string, span> spans;
  std::map<std::string, std::size_t> messages; ///< by actor
  int changed = 0;
  int repeated = 0;
  int crashes = 0;
  bool settled = false;
  controller_books books;
};

/// Plays the recording; the `kill_at`-th message (from 1) of actors of that name kills the actor instead.
outcome play(const std::vector<observation_ptr>& facts, const std::string& victim, std::size_t kill_at) {
  outcome out;
  world here(facts.front()->received_at, [&out](controller_setup& setup) {
    auto events = std::make_shared<trace_events>();
    events->revision_crashed = [&out](const trace_resource&, const std::string&, const std::string&, bool,
                                      const observation_batch&) { ++out.crashes; };
    events->trace_crashed = [&out](const trace_resource&, const std::string&) { ++out.crashes; };
    setup.events = std::move(events);
    setup.crashed = [&out](const std::string&, const std::string&) { ++out.crashes; };
    setup.write_status = [](const trace_status&, const std::function<void(std::string)>& done) { done({}); };
  });
  here.system->set_saboteur(
      [&](std::string_view name) { return ++out.messages[std::string{name}] == kill_at && name == victim; });
  here.system->apply(binding_to(setup_for(here.backend)));
  here.system->apply(everything());
  here.play(facts);
  // Long enough for a restart, the quiet time and the delivery.
  here.system->advance(here.system->now() + 2min);
  out.settled = here.system->settle(40min);
  out.spans = here.backend->spans;
  out.changed = here.backend->changed;
  out.repeated = here.backend->repeated;
  out.books = *here.system->books();
  return out;
}

class Supervision : public testing::TestWithParam<const char*> {
protected:
  static const std::vector<observation_ptr>& facts() {
    static const auto loaded = recorded("s07-two-sources-same-commit");
    return loaded;
  }
  static const outcome& undisturbed() {
    static const auto played = play(facts(), "", 0);
    return played;
  }
};

TEST_P(Supervision, AKillAtAnyMessageChangesNothing) {
  std::string victim = GetParam();
  ASSERT_FALSE(undisturbed().spans.empty());
  ASSERT_TRUE(undisturbed().settled);
  auto count = undisturbed().messages.at(victim);
  ASSERT_GT(count, 0u);
  int crashes = 0;
  for (std::size_t at = 1; at <= count; ++at) {
    auto disturbed = play(facts(), victim, at);
    SCOPED_TRACE(victim + " killed at its message " + std::to_string(at) + " of " + std::to_string(count));
    ASSERT_TRUE(disturbed.settled);
    // An actor whose end is under way anyway does not crash.
    ASSERT_LE(disturbed.crashes, 1);
    crashes += disturbed.crashes;
    ASSERT_EQ(disturbed.changed, 0);
    // Only an exporter may not know whether what it sent arrived.
    if (victim != "exporter") {
      ASSERT_EQ(disturbed.repeated, 0);
    }
    ASSERT_EQ(disturbed.spans.size(), undisturbed().spans.size());
    for (const auto& [id, value] : undisturbed().spans) {
      auto found = disturbed.spans.find(id);
      ASSERT_NE(found, disturbed.spans.end()) << value.name;
      ASSERT_EQ(found->second, value) << value.name;
    }
    expect_balance(disturbed.books);
  }
  EXPECT_GE(crashes, static_cast<int>(count) / 2);
}

INSTANTIATE_TEST_SUITE_P(Every, Supervision,
                         testing::Values("watcher", "trace", "revision", "exporter", "reporter"),
                         [](const auto& what) { return std::string{what.param}; });

} // namespace
} // namespace tc::actors::test
