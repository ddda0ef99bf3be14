// Delivery in virtual time: no socket, no thread, no waiting.

#include "export/delivery_queue.hpp"
#include "export/otlp_encoder.hpp"
#include "export/otlp_json.hpp"
#include "export/otlp_json_reader.hpp"
#include "tests/export/sample_traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace tc::exporting {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const timestamp start{seconds{1'700'000'000}};

attempt_result delivered() {
  return {};
}

attempt_result failed(std::string reason = "status_503") {
  attempt_result out;
  out.outcome = attempt_outcome::retry;
  out.reason = std::move(reason);
  return out;
}

attempt_result rejected() {
  attempt_result out;
  out.outcome = attempt_outcome::rejected;
  out.reason = "status_400";
  out.message = "no";
  return out;
}

class delivery : public ::testing::Test {
protected:
  delivery_queue make(delivery_options options = {}, double random = 0.5) {
    return {std::make_shared<otlp_protobuf_encoder>(), options, [random] { return random; }};
  }
  completed_trace_ptr trace(std::size_t spans = 1) { return testing::random_trace(++seed_, spans); }

  static void expect_balance(const delivery_queue& queue) {
    auto counts = queue.counts();
    EXPECT_EQ(counts.received,
              counts.delivered + counts.refused + counts.given_up + counts.dropped + counts.pending);
    std::size_t pending = 0;
    for (const auto& left : queue.pending())
      pending += left->spans.size();
    EXPECT_LE(counts.pending, pending); // less when some batches of a trace are through
    EXPECT_EQ(counts.pending == 0, queue.empty());
  }

  std::uint32_t seed_ = 0;
};

TEST_F(delivery, sends_what_was_pushed_in_one_batch_and_finishes_it) {
  auto queue = make();
  auto first = trace(3), second = trace(2);
  EXPECT_TRUE(queue.push(first).accepted);
  EXPECT_TRUE(queue.push(second).accepted);
  auto attempt = queue.next(start);
  ASSERT_TRUE(attempt);
  EXPECT_EQ(attempt->batch->span_count, 5U);
  EXPECT_EQ(attempt->number, 1U);
  EXPECT_FALSE(queue.next(start));
  auto finished = queue.complete(attempt->ticket, delivered(), start);
  ASSERT_EQ(finished.size(), 2U);
  EXPECT_EQ(finished[0].trace, first);
  EXPECT_EQ(finished[0].fate, trace_fate::delivered);
  EXPECT_EQ(finished[0].delivered_spans, 3U);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.credit(), (delivery_credit{delivery_options{}.max_spans, delivery_options{}.max_bytes}));
  expect_balance(queue);
}

TEST_F(delivery, refuses_when_full_and_takes_again_when_there_is_room) {
  delivery_options options;
  options.max_spans = 10;
  auto queue = make(options);
  auto big = trace(8), late = trace(3);
  EXPECT_TRUE(queue.push(big).accepted);
  EXPECT_EQ(queue.credit().spans, 2U);
  EXPECT_FALSE(queue.push(late).accepted);
  auto attempt = queue.next(start);
  EXPECT_FALSE(queue.push(late).accepted) << "what is being sent still takes its room";
  queue.complete(attempt->ticket, delivered(), start);
  EXPECT_TRUE(queue.push(late).accepted);
  EXPECT_EQ(queue.counts().received, 11U) << "what was refused was not received";
}

TEST_F(delivery, bounds_bytes_too) {
  delivery_options options;
  auto one = trace(20);
  options.max_bytes = approximate_bytes(*one) + 10;
  auto queue = make(options);
  EXPECT_TRUE(queue.push(one).accepted);
  EXPECT_FALSE(queue.push(trace(1)).accepted);
  EXPECT_EQ(queue.pending_bytes(), approximate_bytes(*one));
}

TEST_F(delivery, takes_no_more_spans_into_a_request_than_told_but_cuts_no_trace) {
  delivery_options options;
  options.batch_spans = 10;
  auto queue = make(options);
  for (std::size_t spans : {4U, 5U, 3U, 25U, 1U})
    queue.push(trace(spans));
  std::vector<std::size_t> sizes;
  while (auto attempt = queue.next(start))
    sizes.push_back(attempt->batch->span_count);
  EXPECT_EQ(sizes, (std::vector<std::size_t>{9, 3, 25, 1}));
}

TEST_F(delivery, waits_between_requests_when_told_unless_a_whole_one_is_there) {
  delivery_options options;
  options.batch_spans = 10;
  options.schedule_delay = seconds{5};
  auto queue = make(options);
  queue.push(trace(2));
  auto first = queue.next(start);
  ASSERT_TRUE(first) << "the first goes at once";
  queue.complete(first->ticket, delivered(), start);
  queue.push(trace(3));
  EXPECT_FALSE(queue.next(start + seconds{4}));
  EXPECT_EQ(queue.wake_at(), start + seconds{5});
  queue.push(trace(7));
  EXPECT_TRUE(queue.wake_at() <= start + seconds{4});
  auto second = queue.next(start + seconds{4});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->batch->span_count, 10U);
  queue.push(trace(1));
  EXPECT_FALSE(queue.next(start + seconds{8}));
  EXPECT_TRUE(queue.next(start + seconds{9}));
  queue.complete(second->ticket, failed(), start + seconds{9});
  EXPECT_TRUE(queue.next(start + seconds{11})) << "what is tried again waits for its own time only";
}

TEST_F(delivery, lets_a_trace_larger_than_the_queue_through_alone) {
  delivery_options options;
  options.max_spans = 10;
  auto queue = make(options);
  EXPECT_TRUE(queue.push(trace(25)).accepted);
  EXPECT_EQ(queue.credit().spans, 0U);
  EXPECT_FALSE(queue.push(trace(1)).accepted);
}

TEST_F(delivery, finishes_a_trace_without_spans_at_once) {
  auto queue = make();
  auto result = queue.push(trace(0));
  EXPECT_TRUE(result.accepted);
  ASSERT_EQ(result.finished.size(), 1U);
  EXPECT_TRUE(queue.empty());
}

TEST_F(delivery, does_not_queue_a_pending_trace_twice) {
  auto queue = make();
  auto one = trace(4);
  queue.push(one);
  EXPECT_TRUE(queue.push(one).accepted);
  EXPECT_EQ(queue.counts().received, 4U);
  EXPECT_EQ(queue.next(start)->batch->span_count, 4U);
}

TEST_F(delivery, keeps_so_many_attempts_in_flight_and_no_more) {
  delivery_options options;
  options.in_flight = 2;
  options.batch_bytes = 1; // each span a batch of its own
  auto queue = make(options);
  queue.push(trace(5));
  auto first = queue.next(start), second = queue.next(start);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->ticket, second->ticket);
  EXPECT_FALSE(queue.next(start));
  EXPECT_EQ(queue.wake_at(), std::nullopt) << "only a completion helps";
  EXPECT_TRUE(queue.complete(first->ticket, delivered(), start).empty()) << "other spans are open";
  EXPECT_TRUE(queue.next(start));
}

TEST_F(delivery, repeats_the_same_bytes_after_the_backoff) {
  auto queue = make();
  queue.push(trace(2));
  auto first = queue.next(start);
  EXPECT_TRUE(queue.complete(first->ticket, failed(), start).empty());
  EXPECT_EQ(queue.wake_at(), start + std::chrono::milliseconds{500});
  EXPECT_FALSE(queue.next(start + std::chrono::milliseconds{499}));
  auto second = queue.next(start + std::chrono::milliseconds{500});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->batch, first->batch);
  EXPECT_EQ(second->number, 2U);
  EXPECT_EQ(queue.counts().retries, 1U);
}

TEST_F(delivery, does_not_disturb_a_server_that_asked_for_time) {
  auto queue = make();
  queue.push(trace());
  auto attempt = queue.next(start);
  queue.push(trace());
  auto busy = failed("status_429");
  busy.retry_after = seconds{20};
  queue.complete(attempt->ticket, busy, start);
  EXPECT_FALSE(queue.next(start + seconds{19})) << "neither the failed batch nor a new one";
  EXPECT_EQ(queue.wake_at(), start + seconds{20});
  EXPECT_TRUE(queue.next(start + seconds{20}));
  EXPECT_TRUE(queue.next(start + seconds{20}));
}

TEST_F(delivery, never_repeats_what_was_rejected) {
  auto queue = make();
  queue.push(trace(3));
  auto finished = queue.complete(queue.next(start)->ticket, rejected(), start);
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_EQ(finished[0].fate, trace_fate::refused);
  EXPECT_EQ(finished[0].reason, "status_400");
  EXPECT_EQ(finished[0].message, "no");
  EXPECT_EQ(queue.counts().refused, 3U);
  EXPECT_FALSE(queue.next(start + hours{1}));
  expect_balance(queue);
}

TEST_F(delivery, counts_what_a_partial_success_refused_and_does_not_repeat_it) {
  auto queue = make();
  queue.push(trace(5));
  auto partial = delivered();
  partial.rejected_spans = 2;
  auto finished = queue.complete(queue.next(start)->ticket, partial, start);
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_EQ(finished[0].fate, trace_fate::delivered);
  EXPECT_EQ(finished[0].delivered_spans, 3U);
  EXPECT_EQ(queue.counts().delivered, 3U);
  EXPECT_EQ(queue.counts().refused, 2U);
  EXPECT_TRUE(queue.empty());
}

TEST_F(delivery, takes_a_partial_refusal_off_the_traces_of_the_batch) {
  auto queue = make();
  for (auto spans : {2, 3, 4})
    queue.push(trace(static_cast<std::size_t>(spans)));
  auto partial = delivered();
  partial.rejected_spans = 4;
  auto finished = queue.complete(queue.next(start)->ticket, partial, start);
  ASSERT_EQ(finished.size(), 3U);
  EXPECT_EQ(finished[0].delivered_spans, 0U);
  EXPECT_EQ(finished[1].delivered_spans, 1U);
  EXPECT_EQ(finished[2].delivered_spans, 4U);
  expect_balance(queue);
}

TEST_F(delivery, believes_no_server_that_rejects_more_than_it_got) {
  for (auto count : {std::int64_t{99}, std::int64_t{-99}}) {
    auto queue = make();
    queue.push(trace(5));
    auto partial = delivered();
    partial.rejected_spans = count;
    queue.complete(queue.next(start)->ticket, partial, start);
    expect_balance(queue);
  }
}

TEST_F(delivery, gives_a_trace_of_several_batches_the_worst_fate_of_them) {
  delivery_options options;
  options.batch_bytes = 1;
  auto queue = make(options);
  queue.push(trace(3));
  auto a = queue.next(start), b = queue.next(start), c = queue.next(start);
  EXPECT_TRUE(queue.complete(c->ticket, delivered(), start).empty());
  EXPECT_TRUE(queue.complete(a->ticket, rejected(), start).empty());
  auto finished = queue.complete(b->ticket, delivered(), start);
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_EQ(finished[0].fate, trace_fate::refused);
  EXPECT_EQ(finished[0].refused, (std::vector<span_part>{{0, 1}})) << "the first batch";
  EXPECT_EQ(finished[0].delivered_spans, 2U);
  EXPECT_EQ(queue.counts().delivered, 2U);
  EXPECT_EQ(queue.counts().refused, 1U);
}

TEST_F(delivery, gives_up_only_when_told) {
  delivery_options options;
  options.give_up_after = minutes{1};
  auto queue = make(options);
  queue.push(trace(2));
  std::vector<finished_trace> finished;
  auto now = start;
  for (int i = 0; i < 1000 && finished.empty(); ++i) {
    now = std::max(now, *queue.wake_at());
    finished = queue.complete(queue.next(now)->ticket, failed("timeout"), now);
  }
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_EQ(finished[0].fate, trace_fate::given_up);
  EXPECT_EQ(finished[0].reason, "timeout");
  EXPECT_LE(now, start + minutes{1});
  expect_balance(queue);
}

TEST_F(delivery, sends_one_probe_at_a_time_to_a_backend_that_is_away) {
  delivery_options options;
  options.batch_bytes = 1;
  auto queue = make(options);
  queue.push(trace(50));
  std::vector<std::uint64_t> open;
  while (auto attempt = queue.next(start))
    open.push_back(attempt->ticket);
  ASSERT_EQ(open.size(), options.in_flight);
  for (auto ticket : open)
    queue.complete(ticket, failed("connect"), start);
  EXPECT_TRUE(queue.backend_is_away());
  // One hour: one probe in an interval after a few quicker ones, whatever the number of batches.
  auto now = start;
  std::size_t probes = 0;
  while (now < start + hours{1}) {
    now = *queue.wake_at();
    auto attempt = queue.next(now);
    ASSERT_TRUE(attempt);
    ASSERT_FALSE(queue.next(now)) << "a second probe";
    queue.complete(attempt->ticket, failed("connect"), now);
    ++probes;
  }
  EXPECT_NEAR(static_cast<double>(probes), 3600 / 30.0, 6);
  // Back: everything goes, at the full width, without waiting for each batch's own backoff.
  std::size_t sent = 0;
  now = *queue.wake_at();
  while (auto attempt = queue.next(now)) {
    queue.complete(attempt->ticket, delivered(), now);
    ++sent;
  }
  EXPECT_EQ(sent, 50U);
  EXPECT_TRUE(queue.empty());
  expect_balance(queue);
}

TEST_F(delivery, notices_a_backend_that_is_back_though_one_batch_always_fails) {
  delivery_options options;
  options.batch_bytes = 1;
  options.in_flight = 1;
  auto queue = make(options);
  auto poison = trace(1);
  queue.push(poison);
  auto is_poison = [&](const delivery_attempt& x) { return x.batch->shares[0].trace == poison; };
  auto now = start;
  for (int i = 0; i < 5; ++i) {
    now = *queue.wake_at();
    queue.complete(queue.next(now)->ticket, failed("timeout"), now);
  }
  ASSERT_TRUE(queue.backend_is_away());
  for (int i = 0; i < 10; ++i)
    queue.push(trace(1));
  for (int i = 0; i < 50 && queue.pending_traces() > 1; ++i) {
    now = std::max(now, *queue.wake_at());
    auto attempt = queue.next(now);
    ASSERT_TRUE(attempt);
    queue.complete(attempt->ticket, is_poison(*attempt) ? failed("timeout") : delivered(), now);
  }
  EXPECT_EQ(queue.pending_traces(), 1U) << "all but the poison are through";
  EXPECT_LT(now, start + minutes{5});
}

TEST_F(delivery, repeats_at_once_when_the_backend_is_back) {
  delivery_options options;
  options.in_flight = 1;
  auto queue = make(options);
  auto old = trace(1), fresh = trace(1);
  queue.push(old);
  auto now = start;
  for (int i = 0; i < 6; ++i) {
    now = *queue.wake_at();
    queue.complete(queue.next(now)->ticket, failed("connect"), now);
  }
  queue.push(fresh);
  now = *queue.wake_at();
  auto probe = queue.next(now);
  if (probe->batch->shares[0].trace == old) { // they take turns
    queue.complete(probe->ticket, failed("connect"), now);
    now = *queue.wake_at();
    probe = queue.next(now);
  }
  ASSERT_EQ(probe->batch->shares[0].trace, fresh);
  queue.complete(probe->ticket, delivered(), now);
  EXPECT_TRUE(queue.next(now)) << "its own backoff, longer by now than the probes', does not count any more";
}

TEST_F(delivery, drops_the_oldest_when_told_and_never_what_is_being_sent) {
  delivery_options options;
  options.max_spans = 10;
  options.overflow = overflow_policy::drop_oldest;
  auto queue = make(options);
  auto sending = trace(4), oldest = trace(3), newer = trace(3), newest = trace(5);
  queue.push(sending);
  auto attempt = queue.next(start);
  queue.push(oldest);
  queue.push(newer);
  auto result = queue.push(newest);
  EXPECT_TRUE(result.accepted);
  ASSERT_EQ(result.finished.size(), 2U);
  EXPECT_EQ(result.finished[0].trace, oldest);
  EXPECT_EQ(result.finished[0].fate, trace_fate::dropped);
  EXPECT_EQ(result.finished[0].reason, "queue_full");
  EXPECT_EQ(result.finished[1].trace, newer);
  EXPECT_FALSE(queue.push(trace(9)).accepted) << "the four being sent stay";
  EXPECT_EQ(queue.complete(attempt->ticket, delivered(), start).size(), 1U);
  expect_balance(queue);
}

TEST_F(delivery, drops_traces_that_failed_before_in_order_of_age) {
  delivery_options options;
  options.max_spans = 6;
  options.overflow = overflow_policy::drop_oldest;
  auto queue = make(options);
  auto first = trace(2), second = trace(2), third = trace(2);
  queue.push(first);
  queue.push(second);
  queue.complete(queue.next(start)->ticket, failed(), start); // one batch of both
  queue.push(third);
  auto result = queue.push(trace(2));
  ASSERT_EQ(result.finished.size(), 1U);
  EXPECT_EQ(result.finished[0].trace, first);
  EXPECT_EQ(queue.pending()[0], second);
  expect_balance(queue);
}

TEST_F(delivery, encodes_anew_when_the_format_changes) {
  delivery_options options;
  options.batch_bytes = 2000;
  auto queue = make(options);
  auto large = trace(40), small = trace(1); // the large one takes several batches
  queue.push(large);
  queue.push(small);
  queue.complete(queue.next(start)->ticket, failed(), start);
  queue.set_target(std::make_shared<otlp_json_encoder>());
  std::multiset<std::string> sent;
  while (auto attempt = queue.next(start)) {
    auto spans = read_otlp_json(attempt->batch->body);
    ASSERT_TRUE(spans) << spans.error();
    for (const auto& span : *spans)
      sent.insert(span.content.id.to_hex());
    queue.complete(attempt->ticket, delivered(), start);
  }
  std::multiset<std::string> expected;
  for (const auto& pushed : {large, small})
    for (const auto& span : pushed->spans)
      expected.insert(span.id.to_hex());
  EXPECT_EQ(sent, expected);
  EXPECT_TRUE(queue.empty());
  expect_balance(queue);
}

TEST_F(delivery, names_what_is_left_oldest_first) {
  auto queue = make();
  std::vector<completed_trace_ptr> pushed;
  for (int i = 0; i < 20; ++i) {
    pushed.push_back(trace(1 + i % 3));
    queue.push(pushed.back());
  }
  EXPECT_EQ(queue.pending(), pushed);
}

/// A backend of every mood and a seeded run of everything that may happen: whatever the order, each accepted
/// span is delivered once, or in exactly one other account, and the bounds hold.
TEST_F(delivery, balances_its_books_in_a_storm) {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    std::mt19937 random{seed};
    auto below = [&](std::uint32_t bound) { return static_cast<std::uint32_t>(random() % bound); };
    delivery_options options;
    options.max_spans = 200;
    options.in_flight = 1 + below(4);
    options.batch_bytes = 500 + below(6000);
    options.overflow = below(2) == 0 ? overflow_policy::refuse : overflow_policy::drop_oldest;
    if (below(3) == 0)
      options.give_up_after = minutes{2};
    delivery_queue queue{std::make_shared<otlp_protobuf_encoder>(), options,
                         [&] { return below(1000) / 1000.0; }};
    std::vector<delivery_attempt> open;
    std::map<completed_trace_ptr, std::size_t>
        received; // spans the backend got; keeps the traces, so that no address is used twice
    std::size_t accepted = 0, finished = 0;
    auto now = start;
    auto note = [&](const std::vector<finished_trace>& list) {
      for (const auto& entry : list) {
        ++finished;
        ASSERT_EQ(entry.delivered_spans, received[entry.trace]);
        ASSERT_TRUE(entry.fate != trace_fate::delivered ||
                    entry.delivered_spans == entry.trace->spans.size());
      }
    };
    auto step = [&](bool calm) {
      if (!calm && below(2) == 0) {
        auto result = queue.push(testing::random_trace(static_cast<std::uint32_t>(random()), below(30)));
        accepted += result.accepted ? 1 : 0;
        note(result.finished);
      }
      while (auto attempt = queue.next(now))
        open.push_back(*attempt);
      ASSERT_LE(open.size(), options.in_flight);
      if (!open.empty()) {
        auto position = static_cast<std::ptrdiff_t>(below(static_cast<std::uint32_t>(open.size())));
        auto attempt = open[static_cast<std::size_t>(position)];
        open.erase(open.begin() + position);
        auto mood = calm ? 0 : below(6);
        if (mood <= 2)
          for (const auto& share : attempt.batch->shares)
            received[share.trace] += share.count;
        note(queue.complete(attempt.ticket,
                            mood <= 2   ? delivered()
                            : mood == 3 ? rejected()
                                        : failed(),
                            now));
      }
      if (auto wake = queue.wake_at(); wake && below(2) == 0)
        now = std::max(now, *wake);
      if (!calm && below(50) == 0)
        queue.set_target(std::make_shared<otlp_protobuf_encoder>());
      expect_balance(queue);
      ASSERT_LE(queue.counts().pending, options.max_spans);
    };
    for (int i = 0; i < 300; ++i)
      ASSERT_NO_FATAL_FAILURE(step(false)) << "seed " << seed;
    for (int i = 0; i < 5000 && !queue.empty(); ++i)
      ASSERT_NO_FATAL_FAILURE(step(true)) << "seed " << seed;
    EXPECT_TRUE(queue.empty()) << "seed " << seed;
    EXPECT_EQ(finished, accepted) << "seed " << seed;
    EXPECT_EQ(queue.counts().pending, 0U);
    EXPECT_EQ(queue.credit().spans, options.max_spans);
    EXPECT_EQ(queue.credit().bytes, options.max_bytes);
  }
}

/// An hour without a backend while 10,000 traces wait; then all of them arrive, each span once.
TEST_F(delivery, delivers_everything_once_after_a_long_outage) {
  delivery_options options;
  options.max_spans = 1'000'000;
  options.max_bytes = std::size_t{1} << 30;
  options.batch_bytes = 256 * 1024;
  auto queue = make(options);
  std::size_t spans = 0;
  for (int i = 0; i < 10'000; ++i) {
    auto one = trace(static_cast<std::size_t>(1 + i % 4));
    spans += one->spans.size();
    ASSERT_TRUE(queue.push(one).accepted);
  }
  auto now = start;
  while (now < start + hours{1}) {
    while (auto attempt = queue.next(now))
      queue.complete(attempt->ticket, failed("connect"), now);
    now = *queue.wake_at();
  }
  EXPECT_LT(queue.counts().attempts, 400U);
  std::set<std::pair<trace_id, span_id>> arrived;
  std::size_t finished = 0;
  while (auto attempt = queue.next(now)) {
    for (const auto& share : attempt->batch->shares)
      for (auto i = share.first; i < share.first + share.count; ++i)
        ASSERT_TRUE(arrived.emplace(share.trace->id, share.trace->spans[i].id).second) << "twice";
    finished += queue.complete(attempt->ticket, delivered(), now).size();
  }
  EXPECT_EQ(arrived.size(), spans);
  EXPECT_EQ(finished, 10'000U);
  expect_balance(queue);
}

} // namespace
} // namespace tc::exporting
