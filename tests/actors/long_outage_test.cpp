// Ten thousand settled traces and an hour without a backend, in virtual time.

#include "tests/actors/world.hpp"
#include "tests/trace/cluster.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
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

TEST_F(LongOutage, TheDiskTakesWhatMemoryMayNotHold) {
  auto ledger = memory_ledger::with_limit(std::size_t{8} << 20);
  // As the data directory: what is handed out is there, and can be let go of, from the next tick on.
  std::map<std::uint64_t, std::pair<completed_trace_ptr, timestamp>> disk;
  here = std::make_unique<world>(story.now, [&](controller_setup& setup) {
    setup.watching.ledger = ledger;
    auto events = std::make_shared<trace_events>();
    events->handed_out = [&](const trace_resource&, const submission& what) {
      disk[what.number] = {what.trace, here->system->now()};
    };
    events->finished = [&](const trace_resource&, std::uint64_t number) { disk.erase(number); };
    events->let_go = [&](const trace_resource&, std::uint64_t number) {
      return disk.at(number).second < here->system->now() ? let_go_result::gone : let_go_result::not_yet;
    };
    events->read_back = [&](const trace_resource&, std::uint64_t number,
                            std::function<void(completed_trace_ptr)> then) {
      then(std::make_shared<completed_trace>(*disk.at(number).first)); // another copy, as a disk gives
    };
    setup.events = std::move(events);
  });
  auto back = false;
  here->backend->answers = [&](int) { return back ? exporting::attempt_result{} : unreachable(); };
  here->system->apply(binding_to(setup_for(here->backend)));
  here->system->apply(everything());
  for (std::size_t i = 0; i < many; ++i) {
    deploy(i);
    ASSERT_LE(ledger->held(), ledger->limit() / 2);
  }
  here->system->advance(here->system->now() + 5min);
  ASSERT_EQ(trace().traces_waiting, many);
  EXPECT_GT(trace().traces_spilled, many / 2);

  for (auto end = here->system->now() + 1h; here->system->now() < end;) {
    here->system->advance(here->system->now() + 1min);
    ASSERT_LE(ledger->held(), ledger->limit() / 2);
    ASSERT_NO_FATAL_FAILURE(expect_balance(*here->system->books()));
  }
  // Its Provider goes and comes back: what was under way with the exporter waits again.
  auto none = *binding_to(nullptr);
  none.reason = "ProviderInvalid";
  here->system->apply(std::make_shared<provider_binding>(none));
  here->system->advance(here->system->now() + 1min);
  here->system->apply(binding_to(setup_for(here->backend)));
  here->system->advance(here->system->now() + 1min);
  EXPECT_EQ(trace().traces_waiting, many);

  back = true;
  EXPECT_TRUE(here->system->settle(10min));
  std::set<std::string> traces;
  for (const auto& [id, span] : here->backend->spans)
    traces.insert(id.substr(0, 32));
  EXPECT_EQ(traces.size(), many);
  EXPECT_EQ(here->backend->repeated, 0);
  EXPECT_EQ(trace().changes_exported, many);
  EXPECT_EQ(trace().traces_spilled, 0U);
  EXPECT_EQ(trace().spans_exported, here->backend->spans.size());
  EXPECT_EQ(ledger->held(), 0U);
  EXPECT_TRUE(disk.empty());
  expect_balance(*here->system->books());
}

TEST_F(LongOutage, WithoutADiskTheOldestAreDroppedAndCounted) {
  auto ledger = memory_ledger::with_limit(std::size_t{8} << 20);
  std::size_t episodes = 0;
  std::map<std::string, std::size_t> spans_given_up;
  std::map<std::string, std::size_t> changes_given_up;
  here = std::make_unique<world>(story.now, [&](controller_setup& setup) {
    setup.watching.ledger = ledger;
    auto events = std::make_shared<trace_events>();
    events->given_up = [&](const trace_resource&, const submission& what, const std::string& reason) {
      spans_given_up[reason] += what.spans;
    };
    events->moved = [&](const trace_resource&, const bucket_move& move) {
      if (move.to == change_bucket::dropped)
        ++changes_given_up[move.label];
    };
    events->short_of_memory = [&](const trace_resource&, const memory_ledger&, const std::string&) {
      ++episodes;
    };
    setup.events = std::move(events);
  });
  auto back = false;
  here->backend->answers = [&](int) { return back ? exporting::attempt_result{} : unreachable(); };
  here->system->apply(binding_to(setup_for(here->backend)));
  here->system->apply(everything());
  for (std::size_t i = 0; i < many; ++i) {
    deploy(i);
    ASSERT_LE(ledger->held(), ledger->limit() / 2);
  }
  here->system->advance(here->system->now() + 1h);
  auto books = trace();
  EXPECT_GT(books.changes_dropped, 0U);
  EXPECT_EQ(books.changes_dropped + books.traces_waiting, many);
  EXPECT_EQ(changes_given_up["memory_limit"], books.changes_dropped);
  EXPECT_EQ(spans_given_up["memory_limit"], books.spans_dropped);
  EXPECT_GT(episodes, 0U);
  EXPECT_LT(episodes, books.changes_dropped / 4);
  expect_balance(*here->system->books());

  back = true;
  EXPECT_TRUE(here->system->settle(10min));
  books = trace();
  EXPECT_EQ(books.changes_dropped + books.changes_exported, many);
  EXPECT_EQ(books.spans_exported, here->backend->spans.size());
  EXPECT_EQ(here->backend->repeated, 0);
  EXPECT_EQ(ledger->held(), 0U);
  std::set<std::string> kept;
  for (const auto& [id, span] : here->backend->spans)
    if (auto name = span.name; name.starts_with("reconcile Kustomization app-"))
      kept.insert(name);
  EXPECT_TRUE(kept.contains("reconcile Kustomization app-9999")) << "the newest is there";
  EXPECT_FALSE(kept.contains("reconcile Kustomization app-100")) << "an old one is not";
  expect_balance(*here->system->books());
}

/// Without a disk, and with Kustomizations of one source that take a commit one after another, each after the
/// change has settled without it: all but the first are additions.
class LostAdditions : public LongOutage {
protected:
  LostAdditions() {
    here = std::make_unique<world>(story.now, [&](controller_setup& setup) {
      setup.watching.ledger = memory_ledger::with_limit(std::size_t{8} << 20);
      auto events = std::make_shared<trace_events>();
      events->handed_out = [&](const trace_resource&, const submission& what) { handed_out += what.spans; };
      events->given_up = [&](const trace_resource&, const submission& what, const std::string&) {
        ++given_up[what.key];
      };
      setup.events = std::move(events);
    });
    here->backend->answers = [&](int) { return back ? exporting::attempt_result{} : unreachable(); };
    here->system->apply(binding_to(setup_for(here->backend)));
    auto impatient = *everything();
    impatient.timeout = 1min;
    here->system->apply(std::make_shared<trace_resource>(impatient));
    for (std::size_t number = 0; number < 4; ++number) {
      story.follow(shop(number), source);
      story.patch(shop(number));
    }
    story.fetch(source, revision);
  }

  object_id shop(std::size_t number) const {
    return tc::test::object("Kustomization", "shop-" + std::to_string(number));
  }

  /// That one takes the commit.
  void take(std::size_t number) {
    story.run(shop(number), revision);
    for (const auto& fact : story.facts)
      here->system->observe(fact, std::max(fact->received_at, here->system->now()));
    story.facts.clear();
    here->system->advance(here->system->now() + 3min);
    story.now = here->system->now();
  }

  /// With the exporter: what comes after these waits in memory.
  void fill_exporter() {
    for (; deployed < 50; ++deployed)
      deploy(deployed);
    story.now += 1min;
  }

  /// Others' traces come, until so many of this change were given up.
  void crowd_out(std::size_t submissions) {
    for (; given_up[key] < submissions; ++deployed) {
      ASSERT_LT(deployed, many);
      deploy(deployed);
    }
  }

  /// Nothing hangs in the air, and what was handed out is with the backend or counted.
  void expect_nothing_by_half() const {
    for (const auto& [id, span] : here->backend->spans) {
      auto parent = id.substr(0, 32) + span.parent.to_hex();
      EXPECT_TRUE(span.parent == span_id{} || here->backend->spans.contains(parent)) << span.name;
    }
    auto books = here->system->books()->traces.front().second;
    EXPECT_EQ(books.spans_exported, here->backend->spans.size());
    EXPECT_EQ(books.spans_exported + books.spans_dropped, handed_out);
    EXPECT_EQ(here->backend->repeated, 0);
    expect_balance(*here->system->books());
  }

  /// How many of those have a run with the backend.
  std::size_t taken() const {
    return static_cast<std::size_t>(
        std::count_if(here->backend->spans.begin(), here->backend->spans.end(), [](const auto& each) {
          return each.second.name.starts_with("reconcile Kustomization shop-");
        }));
  }

  const std::string key = tc::test::sha('a');
  const std::string revision = "main@" + key;
  const object_id source = tc::test::object("GitRepository", "shop");
  bool back = false;
  std::size_t deployed = 0;
  std::size_t handed_out = 0;                  ///< spans
  std::map<std::string, std::size_t> given_up; ///< submissions by key of their change
};

TEST_F(LostAdditions, GoWithTheTraceThatTheyWouldHangUnder) {
  fill_exporter();
  for (std::size_t number = 0; number < 3; ++number)
    take(number);
  ASSERT_EQ(trace().traces_waiting, deployed + 3);
  crowd_out(3);
  back = true;
  ASSERT_TRUE(here->system->settle(10min));
  EXPECT_EQ(taken(), 0U);
  auto dropped = trace().changes_dropped;
  expect_nothing_by_half();

  take(3);
  ASSERT_TRUE(here->system->settle(10min));
  EXPECT_EQ(taken(), 4U) << "what comes later is whole, with its root and all that is known still";
  EXPECT_EQ(trace().changes_dropped, dropped - 1);
  expect_nothing_by_half();
}

TEST_F(LostAdditions, ComeAgainWithTheNextOne) {
  back = true;
  take(0);
  ASSERT_EQ(taken(), 1U);
  back = false;
  fill_exporter();
  take(1);
  take(2);
  crowd_out(2);
  back = true;
  ASSERT_TRUE(here->system->settle(10min));
  EXPECT_EQ(taken(), 1U);
  expect_nothing_by_half();

  take(3);
  ASSERT_TRUE(here->system->settle(10min));
  EXPECT_EQ(taken(), 4U);
  expect_nothing_by_half();
}

TEST_F(LongOutage, AProcessThatIsTooLargeClosesOpenChanges) {
  auto ledger = memory_ledger::with_limit(std::size_t{64} << 20);
  std::size_t closed = 0;
  here = std::make_unique<world>(story.now, [&](controller_setup& setup) {
    setup.watching.ledger = ledger;
    auto events = std::make_shared<trace_events>();
    events->closed_early = [&](const trace_resource&, const std::string&) { ++closed; };
    setup.events = std::move(events);
  });
  here->system->apply(binding_to(setup_for(here->backend)));
  here->system->apply(everything());
  // A change that stays open: its Kustomization has begun and does not end.
  auto source = tc::test::object("GitRepository", "slow");
  auto kustomization = tc::test::object("Kustomization", "slow");
  story.follow(kustomization, source);
  story.fetch(source, "main@sha1:" + std::string(40, 'a'));
  story.begin(kustomization, "main@sha1:" + std::string(40, 'a'));
  for (const auto& fact : story.facts)
    here->system->observe(fact, std::max(fact->received_at, here->system->now()));
  story.facts.clear();
  here->system->advance(here->system->now() + 2min);
  ASSERT_EQ(trace().changes_pending, 1U);
  EXPECT_EQ(closed, 0U);

  ledger->measured(ledger->limit());
  here->system->advance(here->system->now() + 5s);
  EXPECT_EQ(closed, 1U);
  EXPECT_EQ(trace().changes_pending, 0U);
  ledger->measured(ledger->limit() / 2);
  EXPECT_TRUE(here->system->settle(2min));
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
