// The actors, real sinks and a backend with one fault after another, over each protocol: what a recording
// makes reaches the backend once by ID, and the books of Traces and exporters say what became of each change.
// Time is virtual but for what one request takes on the wire.

#include "tests/actors/world.hpp"
#include "tests/support/faulty_backend.hpp"

#include <gtest/gtest.h>

#include <future>
#include <set>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;
using tc::testing::fault;
using tc::testing::fault_case;
using tc::testing::faulty_backend;
using tc::testing::verdict;

/// Waits for each answer, so that virtual time stands still meanwhile.
class waiting_sink : public exporting::span_sink {
public:
  explicit waiting_sink(std::shared_ptr<exporting::span_sink> to) : to_(std::move(to)) {}

  void send(std::shared_ptr<const exporting::encoded_batch> batch, done_function done) override {
    auto answered = std::make_shared<std::promise<exporting::attempt_result>>();
    auto result = answered->get_future();
    to_->send(std::move(batch),
              [answered](exporting::attempt_result got) { answered->set_value(std::move(got)); });
    done(result.get());
  }
  std::shared_ptr<const exporting::span_encoder> encoder() const override { return to_->encoder(); }
  std::string description() const override { return to_->description(); }

private:
  std::shared_ptr<exporting::span_sink> to_;
};

class FaultSuite : public ::testing::TestWithParam<fault_case> {
protected:
  FaultSuite() : facts(recorded("s01-three-kustomizations")), here(facts.front()->received_at) {}

  void bind() {
    auto setup = *setup_for(std::make_shared<waiting_sink>(backend.make_sink(loop)));
    setup.delivery.batch_bytes = 8000; // several requests
    here.system->apply(binding_to(std::make_shared<exporter_setup>(setup)));
  }
  exporter_books exporter() { return here.system->books()->exporters.front().second; }
  trace_books trace() { return here.system->books()->traces.front().second; }
  const fault& what() const { return *GetParam().what; }

  /// The IDs that the recording makes when nothing goes wrong.
  std::set<std::string> undisturbed() const {
    world other{facts.front()->received_at};
    other.system->apply(binding_to(setup_for(other.backend)));
    other.system->apply(everything());
    other.play(facts);
    EXPECT_TRUE(other.system->settle(1min));
    std::set<std::string> out;
    for (const auto& [id, span] : other.backend->spans)
      out.insert(id);
    return out;
  }

  std::vector<observation_ptr> facts;
  runtime::http_loop loop;
  faulty_backend backend{GetParam()};
  world here;
};

TEST_P(FaultSuite, EveryTraceArrivesOnceAndTheBooksBalance) {
  auto all = undisturbed();
  bind();
  here.system->apply(everything());
  auto expected = what().expected.at(GetParam().over);
  // The fault lasts until it has been met a few times, or has refused something.
  auto next = facts.begin();
  auto enough = [&] {
    auto books = here.system->books();
    if (books->exporters.empty())
      return false;
    const auto& known = books->exporters.front().second;
    return known.attempts >= (expected == verdict::retried ? 4U : 1U);
  };
  for (; next != facts.end() && !enough(); ++next)
    here.system->observe(*next, std::max((*next)->received_at, here.system->now()));
  auto deadline = here.system->now() + 30min;
  while (!enough() && here.system->now() < deadline)
    here.system->advance(here.system->now() + 1s);
  ASSERT_TRUE(enough());
  expect_balance(*here.system->books());
  auto met = exporter();
  if (expected == verdict::retried || expected == verdict::refused) {
    EXPECT_NE(met.last_error, "");
    EXPECT_EQ(met.failed_attempts, met.attempts);
    EXPECT_EQ(met.spans_delivered, 0U);
  }

  backend.heal();
  if (what().where == fault::place::name)
    bind(); // somebody has mended the address
  for (; next != facts.end(); ++next)
    here.system->observe(*next, std::max((*next)->received_at, here.system->now()));
  ASSERT_TRUE(here.system->settle(1h));

  auto taken = backend.taken();
  auto refused = expected == verdict::refused ? backend.met_the_fault() : std::map<std::string, int>{};
  for (const auto& id : all) {
    auto times = (taken.contains(id) ? taken.at(id) : 0) + (refused.contains(id) ? refused.at(id) : 0);
    EXPECT_GE(times, 1) << id;
    EXPECT_TRUE(times == 1 || what().maybe_taken || what().slow) << id << " came " << times << " times";
  }
  for (const auto& [id, times] : taken)
    EXPECT_TRUE(all.contains(id)) << id;
  EXPECT_EQ(backend.changed(), 0);

  auto books = here.system->books();
  expect_balance(*books);
  EXPECT_EQ(trace().changes_opened, 3U);
  EXPECT_EQ(trace().changes_pending, 0U);
  if (expected == verdict::refused) {
    EXPECT_GT(trace().changes_dropped, 0U);
    EXPECT_EQ(exporter().spans_dropped, refused.size());
    EXPECT_EQ(trace().changes_exported + trace().changes_dropped, 3U);
  } else {
    EXPECT_EQ(trace().changes_exported, 3U);
    EXPECT_EQ(exporter().spans_dropped, exporter().spans_rejected);
    EXPECT_EQ(exporter().spans_rejected > 0, expected == verdict::partly_refused);
  }
}

INSTANTIATE_TEST_SUITE_P(Each, FaultSuite, ::testing::ValuesIn(tc::testing::all_fault_cases()),
                         [](const auto& each) { return tc::testing::test_name(each.param); });

} // namespace
} // namespace tc::actors::test
