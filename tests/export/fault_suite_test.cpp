// Queue, real sink and a backend with one fault after another, over each protocol: while the fault lasts
// nothing is lost that may not be, and when it is over every trace is there once by ID. The waits between
// attempts are virtual; what happens on the wire is real.

#include "export/delivery_queue.hpp"
#include "tests/export/sample_traces.hpp"
#include "tests/support/faulty_backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>

namespace tc::exporting {
namespace {

using std::chrono::seconds;
using tc::testing::fault;
using tc::testing::fault_case;
using tc::testing::faulty_backend;
using tc::testing::verdict;

const timestamp start{seconds{1'700'000'000}};

class fault_suite : public ::testing::TestWithParam<fault_case> {
protected:
  void push(std::uint32_t seed, std::size_t count) {
    for (const auto& trace : testing::random_traces(seed, count)) {
      ASSERT_TRUE(queue_.push(trace).accepted);
      for (const auto& span : trace->spans)
        pushed_.insert(trace->id.to_hex() + span.id.to_hex());
      traces_ += trace->spans.empty() ? 0 : 1;
    }
  }

  /// Lets time pass until something can be sent, sends it, and waits for the answers. Returns how many
  /// attempts were made.
  std::size_t round() {
    if (auto wake = queue_.wake_at())
      now_ = std::max(now_, *wake);
    struct answered {
      std::mutex mutex;
      std::condition_variable changed;
      std::vector<std::pair<std::uint64_t, attempt_result>> results;
    } shared;
    std::size_t sent = 0;
    while (auto attempt = queue_.next(now_)) {
      ++sent;
      attempted_at_.push_back(now_);
      sink_->send(attempt->batch, [&shared, ticket = attempt->ticket](attempt_result result) {
        std::lock_guard guard{shared.mutex};
        shared.results.emplace_back(ticket, std::move(result));
        shared.changed.notify_one();
      });
    }
    std::unique_lock lock{shared.mutex};
    EXPECT_TRUE(shared.changed.wait_for(lock, 2 * tc::testing::generous_limit,
                                        [&] { return shared.results.size() == sent; }));
    for (const auto& [ticket, result] : shared.results) {
      results_.push_back(result);
      for (const auto& done : queue_.complete(ticket, result, now_))
        finished_.push_back(done);
    }
    return sent;
  }

  void expect_balance() const {
    const auto& counts = queue_.counts();
    EXPECT_EQ(counts.received,
              counts.delivered + counts.refused + counts.given_up + counts.dropped + counts.pending);
  }

  const fault& what() const { return *GetParam().what; }

  runtime::http_loop loop_;
  faulty_backend backend_{GetParam()};
  std::shared_ptr<span_sink> sink_ = backend_.make_sink(loop_);
  delivery_options options_ = [] {
    delivery_options out;
    out.batch_bytes = 6000;
    out.in_flight = 2;
    return out;
  }();
  delivery_queue queue_{sink_->encoder(), options_, [] { return 0.5; }};
  timestamp now_ = start;
  std::set<std::string> pushed_;
  std::size_t traces_ = 0;
  std::vector<attempt_result> results_;
  std::vector<timestamp> attempted_at_;
  std::vector<finished_trace> finished_;
};

TEST_P(fault_suite, when_it_is_over_every_trace_is_there_once) {
  push(5, 16);
  std::size_t attempts = 0;
  while (attempts < 5 && !queue_.empty())
    attempts += round();
  ASSERT_FALSE(queue_.empty()) << "something is left for the time after the fault";
  auto expected = what().expected.at(GetParam().over);
  for (const auto& result : results_) {
    EXPECT_EQ(result.reason, what().reason.at(GetParam().over)) << result.message;
    EXPECT_EQ(result.outcome, expected == verdict::retried   ? attempt_outcome::retry
                              : expected == verdict::refused ? attempt_outcome::rejected
                                                             : attempt_outcome::delivered);
  }
  expect_balance();
  if (expected == verdict::retried) {
    EXPECT_EQ(queue_.counts().pending, pushed_.size());
  }
  if (what().quiet.count() > 0) {
    auto next = std::find_if(attempted_at_.begin(), attempted_at_.end(), [](auto at) { return at > start; });
    ASSERT_NE(next, attempted_at_.end());
    EXPECT_GE(*next - start, what().quiet) << "the backend asked for that time";
  }

  backend_.heal();
  sink_ = backend_.make_sink(loop_); // only where the name was wrong does this differ
  push(6, 4);
  for (int i = 0; i < 1000 && !queue_.empty(); ++i)
    round();
  ASSERT_TRUE(queue_.empty());

  // Each span is where it belongs, once.
  auto taken = backend_.taken();
  auto refused = expected == verdict::refused ? backend_.met_the_fault() : std::map<std::string, int>{};
  for (const auto& id : pushed_) {
    auto times = (taken.contains(id) ? taken.at(id) : 0) + (refused.contains(id) ? refused.at(id) : 0);
    // A timeout of a slow fault may also hit the backend that was healed.
    EXPECT_GE(times, 1) << id;
    EXPECT_TRUE(times == 1 || what().maybe_taken || what().slow) << id << " came " << times << " times";
  }
  EXPECT_EQ(backend_.changed(), 0) << "what comes again has the same content";
  for (const auto& [id, times] : taken)
    EXPECT_TRUE(pushed_.contains(id)) << id;

  // And the books say the same.
  const auto& counts = queue_.counts();
  expect_balance();
  EXPECT_EQ(counts.received, pushed_.size());
  EXPECT_EQ(counts.pending, 0U);
  EXPECT_EQ(counts.given_up + counts.dropped, 0U);
  EXPECT_EQ(counts.refused, expected == verdict::refused          ? refused.size()
                            : expected == verdict::partly_refused ? attempts
                                                                  : 0U);
  EXPECT_GT(counts.delivered, 0U);
  EXPECT_EQ(finished_.size(), traces_);
  std::set<const completed_trace*> once;
  for (const auto& done : finished_) {
    EXPECT_TRUE(once.insert(done.trace.get()).second);
    EXPECT_EQ(done.fate == trace_fate::refused,
              expected == verdict::refused && done.delivered_spans < done.trace->spans.size());
  }
}

INSTANTIATE_TEST_SUITE_P(each, fault_suite, ::testing::ValuesIn(tc::testing::all_fault_cases()),
                         [](const auto& each) { return tc::testing::test_name(each.param); });

} // namespace
} // namespace tc::exporting
