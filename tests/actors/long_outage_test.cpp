// Ten thousand settled traces and an hour without a backend, in virtual time.

#include "tests/actors/world.hpp"
#include "tests/trace/cluster.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include <unistd.h>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t many = 10'000;

std::size_t resident_bytes() {
  unsigned long total = 0, resident = 0;
  if (auto* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu %lu", &total, &resident) != 2)
      resident = 0;
    std::fclose(file);
  }
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

exporting::attempt_result unreachable() {
  exporting::attempt_result out;
  out.outcome = exporting::attempt_outcome::retry;
  out.reason = "connect";
  return out;
}

class LongOutage : public ::testing::Test {
protected:
  /// An application: a repository and the Kustomization that applies it, which take one commit.
  void deploy(std::size_t number) {
    auto name = "app-" + std::to_string(number);
    char digits[41];
    std::snprintf(digits, sizeof digits, "%040zx", number + 1);
    auto revision = "main@sha1:" + std::string{digits};
    auto source = tc::test::object("GitRepository", name);
    auto kustomization = tc::test::object("Kustomization", name);
    story.follow(kustomization, source);
    story.fetch(source, revision);
    story.run(kustomization, revision);
    for (const auto& fact : story.facts)
      here->system->observe(fact, std::max(fact->received_at, here->system->now()));
    story.facts.clear();
  }

  exporter_books exporter() { return here->system->books()->exporters.front().second; }
  trace_books trace() { return here->system->books()->traces.front().second; }

  tc::test::cluster story;
  std::unique_ptr<world> here = std::make_unique<world>(story.now);
};

TEST_F(LongOutage, TenThousandSettledTracesArriveOnceEach) {
  auto back = false;
  here->backend->answers = [&](int) { return back ? exporting::attempt_result{} : unreachable(); };
  auto setup = *setup_for(here->backend);
  setup.delivery.max_spans = 2'000; // far fewer than there are: the rest waits in the ledgers
  setup.delivery.max_bytes = std::size_t{1} << 20;
  here->system->apply(binding_to(std::make_shared<exporter_setup>(setup)));
  here->system->apply(everything());
  for (std::size_t i = 0; i < many; ++i)
    deploy(i);
  here->system->advance(here->system->now() + 5min);
  ASSERT_EQ(trace().traces_waiting, many);

  auto resident = resident_bytes();
  auto attempts = exporter().attempts;
  for (auto end = here->system->now() + 1h; here->system->now() < end;) {
    here->system->advance(here->system->now() + 1min);
    auto books = here->system->books();
    ASSERT_LE(books->exporters.front().second.spans_pending, setup.delivery.max_spans);
    ASSERT_LE(books->exporters.front().second.bytes_pending, setup.delivery.max_bytes);
    ASSERT_NO_FATAL_FAILURE(expect_balance(*books));
  }
  EXPECT_LE(resident_bytes(), resident + (std::size_t{64} << 20)) << "waiting costs nothing";
  EXPECT_NEAR(static_cast<double>(exporter().attempts - attempts), 3600 / 30.0, 5);

  back = true;
  EXPECT_TRUE(here->system->settle(10min));
  std::set<std::string> traces;
  for (const auto& [id, span] : here->backend->spans)
    traces.insert(id.substr(0, 32));
  EXPECT_EQ(traces.size(), many);
  EXPECT_EQ(here->backend->repeated, 0);
  EXPECT_EQ(trace().changes_exported, many);
  EXPECT_EQ(trace().changes_opened, many);
  EXPECT_EQ(exporter().spans_delivered, here->backend->spans.size());
  expect_balance(*here->system->books());
}

TEST_F(LongOutage, TwoProvidersOfOneEndpointShareItsProbes) {
  auto back = false;
  here->backend->answers = [&](int) { return back ? exporting::attempt_result{} : unreachable(); };
  auto setup = *setup_for(here->backend);
  setup.delivery.circuit =
      std::make_shared<exporting::backend_circuit>(exporting::circuit_policy{}, [] { return 0.5; });
  auto shared = std::make_shared<exporter_setup>(setup);
  here->system->apply(binding_to(shared));
  auto second = *binding_to(shared);
  second.name = "second";
  here->system->apply(std::make_shared<provider_binding>(second));
  here->system->apply(everything());
  auto other = *everything("other");
  other.provider_name = "second";
  here->system->apply(std::make_shared<trace_resource>(other));
  for (std::size_t i = 0; i < 20; ++i)
    deploy(i);
  here->system->advance(here->system->now() + 5min);
  auto attempts = here->backend->attempts;
  here->system->advance(here->system->now() + 1h);
  EXPECT_NEAR(here->backend->attempts - attempts, 3600 / 30.0, 5);
  back = true;
  EXPECT_TRUE(here->system->settle(2min));
  auto books = here->system->books();
  ASSERT_EQ(books->exporters.size(), 2U);
  for (const auto& [name, exporter] : books->exporters)
    EXPECT_EQ(exporter.spans_delivered, here->backend->spans.size()) << name;
  expect_balance(*books);
}

} // namespace
} // namespace tc::actors::test
