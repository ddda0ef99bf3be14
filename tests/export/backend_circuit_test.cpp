// Two queues of one endpoint, in virtual time.

#include "export/backend_circuit.hpp"
#include "export/delivery_queue.hpp"
#include "export/otlp_encoder.hpp"
#include "tests/export/sample_traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tc::exporting {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const timestamp start{seconds{1'700'000'000}};

attempt_result failed(std::string reason = "connect") {
  attempt_result out;
  out.outcome = attempt_outcome::retry;
  out.reason = std::move(reason);
  return out;
}

class two_queues : public ::testing::Test {
protected:
  std::unique_ptr<delivery_queue> make_queue() {
    delivery_options options;
    options.batch_bytes = 1; // each span a request of its own
    options.circuit = circuit;
    return std::make_unique<delivery_queue>(std::make_shared<otlp_protobuf_encoder>(), options,
                                            [] { return 0.5; });
  }
  void fill(delivery_queue& queue, std::size_t spans = 20) {
    ASSERT_TRUE(queue.push(testing::random_trace(++seed, spans)).accepted);
  }
  /// One tick of a queue: what may be sent is sent. Returns how many attempts that were.
  static std::size_t tick(delivery_queue& queue, timestamp now, const attempt_result& answer) {
    std::vector<std::uint64_t> open;
    while (auto attempt = queue.next(now))
      open.push_back(attempt->ticket);
    for (auto ticket : open)
      queue.complete(ticket, answer, now);
    return open.size();
  }

  std::uint32_t seed = 0;
  std::shared_ptr<backend_circuit> circuit =
      std::make_shared<backend_circuit>(circuit_policy{}, [] { return 0.5; });
};

TEST_F(two_queues, cost_a_dead_backend_one_probe_in_an_interval) {
  auto first = make_queue(), second = make_queue();
  fill(*first);
  fill(*second);
  std::size_t of_first = 0, of_second = 0;
  timestamp last_probe{};
  for (auto now = start; now < start + hours{1}; now += milliseconds{100}) {
    auto a = tick(*first, now, failed()), b = tick(*second, now, failed());
    of_first += a;
    of_second += b;
    if (a + b > 0 && now > start + minutes{2}) {
      EXPECT_EQ(a + b, 1U);
      EXPECT_GE(now - last_probe, seconds{30});
    }
    if (a + b > 0)
      last_probe = now;
  }
  EXPECT_LE(of_first + of_second, 3600U / 30 + 15);
  EXPECT_NEAR(static_cast<double>(of_first), static_cast<double>(of_second), 6) << "they take turns";
}

TEST_F(two_queues, go_on_together_when_one_finds_the_backend_back) {
  auto first = make_queue(), second = make_queue();
  fill(*first);
  fill(*second);
  auto now = start;
  for (; now < start + minutes{10}; now += milliseconds{100}) {
    tick(*first, now, failed());
    tick(*second, now, failed());
  }
  for (auto until = now + seconds{31}; now < until && circuit->is_away(); now += milliseconds{100}) {
    tick(*first, now, {});
    if (circuit->is_away())
      tick(*second, now, {});
  }
  EXPECT_FALSE(circuit->is_away());
  tick(*first, now, {});
  tick(*second, now, {});
  for (int i = 0; i < 10; ++i) { // four at a time
    tick(*first, now, {});
    tick(*second, now, {});
  }
  EXPECT_TRUE(first->empty() && second->empty()) << "without waiting for their own turns";
}

TEST_F(two_queues, let_one_through_though_the_other_always_fails) {
  auto good = make_queue(), bad = make_queue();
  fill(*good);
  fill(*bad);
  auto now = start;
  for (; now < start + minutes{1}; now += milliseconds{100})
    tick(*bad, now, failed("timeout"));
  for (; now < start + minutes{10} && !good->empty(); now += milliseconds{100}) {
    tick(*bad, now, failed("timeout")); // always asks first
    tick(*good, now, {});
  }
  EXPECT_TRUE(good->empty());
}

TEST_F(two_queues, forget_one_that_is_gone_with_its_probe_under_way) {
  auto first = make_queue(), second = make_queue();
  fill(*first);
  fill(*second);
  auto now = start;
  for (; now < start + minutes{5}; now += milliseconds{100})
    tick(*first, now, failed());
  now += seconds{31};
  ASSERT_TRUE(first->next(now));
  EXPECT_FALSE(second->next(now)) << "one probe at a time";
  first.reset(); // its exporter crashed
  EXPECT_TRUE(second->next(now));
}

TEST_F(two_queues, are_not_held_up_by_a_backend_that_throttles_one_of_them) {
  auto throttled = make_queue(), other = make_queue();
  auto busy = failed("status_429");
  busy.status = 429;
  fill(*throttled);
  std::size_t attempts = 0;
  for (auto now = start; now < start + minutes{10}; now += milliseconds{100}) {
    attempts += tick(*throttled, now, busy);
    fill(*other, 1);
    EXPECT_EQ(tick(*other, now, {}), 1U);
  }
  EXPECT_LT(attempts, 300U) << "the throttled one keeps to its backoff";
}

TEST(circuit_registry, gives_one_circuit_to_those_who_reach_the_same_endpoint) {
  circuit_registry registry{{}, [] { return 0.5; }};
  auto tls = [](std::string authority) {
    return std::make_shared<const runtime::tls_options>(runtime::tls_options{.ca_pem = std::move(authority)});
  };
  auto first = registry.circuit_of({"http://a:4318/v1/traces", std::nullopt, tls("x")});
  EXPECT_EQ(registry.circuit_of({"http://a:4318/v1/traces", std::nullopt, tls("x")}), first);
  EXPECT_NE(registry.circuit_of({"http://a:4318/v1/traces", std::nullopt, tls("y")}), first);
  EXPECT_NE(registry.circuit_of({"http://a:4318/v1/traces", "http://proxy", tls("x")}), first);
  EXPECT_NE(registry.circuit_of({"http://b:4318/v1/traces", std::nullopt, tls("x")}), first);
  EXPECT_NE(registry.circuit_of({"http://a:4318/v1/traces", std::nullopt, nullptr}), first);
  // A new one once nobody holds it.
  first->failed(start);
  first->failed(start);
  first->failed(start);
  EXPECT_TRUE(first->is_away());
  first.reset();
  EXPECT_FALSE(registry.circuit_of({"http://a:4318/v1/traces", std::nullopt, tls("x")})->is_away());
}

} // namespace
} // namespace tc::exporting
