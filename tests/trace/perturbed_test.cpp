// The recordings as other clusters would have given them: the same runs with the same outcomes, in the same
// traces, whatever the names, the times, and what older controllers or the API server leave out.

#include "tests/support/perturb.hpp"
#include "tests/trace/recorded.hpp"

#include <gmock/gmock.h>

#include <random>

namespace tc::trace {
namespace {

using test::at_end;
using test::live;
using test::spans_of;
using test::stream_of;

/// A run, a source, a workload or a wait, without IDs and times.
using statement = std::string;

std::string without(std::string text, const std::string& suffix) {
  for (std::size_t at = 0; !suffix.empty() && (at = text.find(suffix, at)) != std::string::npos;)
    text.erase(at, suffix.size());
  return text;
}

/// What each trace says, by the key of its change without its incarnation's second.
std::multiset<statement> told(const std::vector<completed_trace>& traces, const std::string& suffix = {},
                              bool with_attribution = true) {
  std::multiset<statement> result;
  for (const auto& trace : traces) {
    std::map<span_id, const span*> by_id;
    for (const auto& each : trace.spans)
      by_id[each.id] = &each;
    for (const auto& each : trace.spans) {
      if (each.text("flux.span.kind") == "phase")
        continue;
      auto parent = by_id.find(each.parent);
      auto line = trace.change_key.substr(0, trace.change_key.find("@2")) + ": " +
                  std::string{each.text("flux.span.kind")} + ' ' + test::name_of(each) + " under " +
                  (parent == by_id.end() ? "none" : test::name_of(*parent->second));
      for (const char* name : {"flux.outcome", "flux.reason", "flux.action", "flux.revision"})
        line += ' ' + std::string{each.text(name)};
      if (with_attribution)
        line += ' ' + std::string{each.text("flux.attribution")};
      result.insert(without(line, suffix));
    }
  }
  return result;
}

void expect_same(const std::multiset<statement>& got, const std::multiset<statement>& wanted) {
  std::vector<statement> more;
  std::vector<statement> less;
  std::set_difference(got.begin(), got.end(), wanted.begin(), wanted.end(), std::back_inserter(more));
  std::set_difference(wanted.begin(), wanted.end(), got.begin(), got.end(), std::back_inserter(less));
  for (const auto& each : more)
    ADD_FAILURE() << "too much: " << each;
  for (const auto& each : less)
    ADD_FAILURE() << "missing: " << each;
}

class perturbed : public testing::TestWithParam<const char*> {
protected:
  void SetUp() override {
    facts = stream_of(GetParam());
    whole = told(at_end(facts));
    ASSERT_FALSE(whole.empty());
  }

  void expect_unchanged(const std::vector<observation_ptr>& other) {
    expect_same(told(at_end(other)), whole);
    expect_same(told(live(other)), told(live(facts)));
  }

  std::vector<observation_ptr> facts;
  std::multiset<statement> whole;
};

TEST_P(perturbed, by_days_is_the_same) {
  for (auto days : {-400, -1, 1, 45}) {
    SCOPED_TRACE(days);
    expect_same(told(at_end(test::shifted(facts, std::chrono::hours{24 * days}))), whole);
  }
}

TEST_P(perturbed, with_later_resource_versions_is_the_same) {
  expect_unchanged(test::with_versions_from(facts, 7'000'000'000));
}

TEST_P(perturbed, in_other_namespaces_is_the_same) {
  auto other = told(at_end(test::in_other_namespaces(facts, "-b7")), "-b7");
  expect_same(other, whole);
}

/// Arrival, and with it the whole seconds that were written, at other places within the second.
TEST_P(perturbed, by_a_part_of_a_second_is_the_same) {
  for (int tenths = 1; tenths <= 9; ++tenths) {
    SCOPED_TRACE(tenths);
    auto by = std::chrono::milliseconds{100 * tenths};
    // Only what has a fraction can be told to have passed a full second: what is written at the latest when
    // it arrives, and the times in names of Events.
    auto other = test::changed(facts, [&](observation& fact) {
      fact.received_at += by;
      if (fact.message && is_known(fact.message->exact_first)) {
        bool next = std::chrono::floor<std::chrono::seconds>(fact.message->exact_first + by) >
                    std::chrono::floor<std::chrono::seconds>(fact.message->exact_first);
        fact.message->exact_first += by;
        if (next && fact.message->count == 1) {
          fact.message->first += std::chrono::seconds{1};
          fact.message->last += std::chrono::seconds{1};
        }
      }
    });
    expect_same(told(at_end(other)), whole);
  }
}

/// What one kind's controller writes, by a clock that is off. What the API server notes is by another.
std::vector<observation_ptr> with_a_clock_off(const std::vector<observation_ptr>& facts,
                                              const std::string& kind, std::chrono::seconds by) {
  return test::changed(facts, [&](observation& fact) {
    if (fact.object.kind != kind)
      return;
    auto move = [&](timestamp& at) {
      if (is_known(at))
        at += by;
    };
    if (fact.state) {
      for (auto& each : fact.state->conditions)
        move(each.last_transition);
      for (auto& each : fact.state->applies) {
        move(each.first_reconciled);
        move(each.last_reconciled);
      }
      for (auto& each : fact.state->releases) {
        move(each.first_deployed);
        move(each.last_deployed);
      }
    }
    if (fact.message) {
      move(fact.message->first);
      move(fact.message->last);
      move(fact.message->exact_first);
    }
  });
}

/// Seen live, versions tell what was before what; no clock does.
TEST_P(perturbed, with_the_clock_of_a_controller_off_is_the_same) {
  for (const char* kind : {"Kustomization", "HelmRelease"})
    for (auto by : {-5, -2, 2, 5}) {
      SCOPED_TRACE(kind + std::to_string(by));
      auto other = with_a_clock_off(facts, kind, std::chrono::seconds{by});
      // What is listed is placed by its seconds, and Events of several in one second too.
      expect_same(told(at_end(other), {}, false), told(at_end(facts), {}, false));
    }
}

/// Events in an etcd of their own (--etcd-servers-overrides) have versions of another counter.
TEST_P(perturbed, with_versions_of_Events_that_count_apart_invents_nothing) {
  for (bool high : {false, true}) {
    auto other = test::changed(facts, [&](observation& fact) {
      if (fact.kind == observation_kind::event)
        fact.resource_version = high ? fact.resource_version + 5'000'000 : fact.resource_version / 7 + 1;
    });
    auto got = told(at_end(other), {}, false);
    for (const auto& each : told(at_end(facts), {}, false))
      if (auto found = got.find(each); found != got.end())
        got.erase(found);
    EXPECT_THAT(got, testing::IsEmpty());
  }
}

/// The host of our own has another clock than the cluster: what begins and ends by one is timed by one.
TEST_P(perturbed, with_the_clock_of_our_host_off_is_the_same) {
  for (auto by : {-60, -3, 3, 60}) {
    SCOPED_TRACE(by);
    auto other =
        test::changed(facts, [&](observation& fact) { fact.received_at += std::chrono::seconds{by}; });
    expect_same(told(at_end(other)), whole);
    auto all = at_end(other);
    auto known = spans_of(at_end(facts));
    for (const auto& [key, each] : spans_of(all))
      if (auto was = known.find(key); was != known.end() && each.text("flux.span.kind") == "workload" &&
                                      each.text("flux.outcome") == "succeeded") {
        auto off = (each.end - each.start) - (was->second.end - was->second.start);
        EXPECT_LE(std::chrono::abs(off), std::chrono::seconds{2}) << each.name;
      }
  }
}

TEST_P(perturbed, without_managed_fields_invents_nothing) {
  auto other = test::changed(facts, [](observation& fact) {
    if (fact.state)
      fact.state->applied_at = fact.state->edited_at = fact.state->requested_by = {};
  });
  expect_unchanged(other);
}

TEST_P(perturbed, without_history_is_the_same) {
  auto other = test::changed(facts, [](observation& fact) {
    if (fact.state)
      fact.state->applies.clear();
  });
  expect_unchanged(other);
}

TEST_P(perturbed, without_observed_generations_of_conditions_is_the_same) {
  auto other = test::changed(facts, [](observation& fact) {
    if (fact.state)
      for (auto& each : fact.state->conditions)
        each.observed_generation = 0;
  });
  expect_unchanged(other);
}

TEST_P(perturbed, without_any_Event_is_the_same_but_for_change_logs) {
  auto other = facts;
  std::erase_if(other, [](const observation_ptr& each) { return each->kind == observation_kind::event; });
  expect_same(told(at_end(other), {}, false), told(at_end(facts), {}, false));
}

TEST_P(perturbed, with_Events_late_and_in_another_order_is_the_same) {
  std::mt19937_64 random{3};
  auto other = test::changed(facts, [&](observation& fact) {
    if (fact.kind == observation_kind::event)
      fact.received_at += std::chrono::milliseconds{random() % 5'000};
  });
  expect_same(told(at_end(other)), whole);
  expect_same(told(live(other)), told(live(facts)));
}

/// Each recording beside another one in one cluster: versions are interleaved by time of arrival.
TEST_P(perturbed, beside_another_one_gives_the_traces_of_each) {
  const auto all = test::all_recordings();
  auto own =
      std::find_if(all.begin(), all.end(), [&](const char* each) { return std::string{each} == GetParam(); });
  const char* other_name = std::next(own) == all.end() ? all.front() : *std::next(own);
  auto other = stream_of(other_name);
  auto apart = std::chrono::duration_cast<std::chrono::seconds>(facts.front()->received_at -
                                                                other.front()->received_at);
  auto beside = test::shifted(test::in_other_namespaces(other, "-b7"), apart);
  auto both = facts;
  both.insert(both.end(), beside.begin(), beside.end());
  std::stable_sort(both.begin(), both.end(), [](const auto& left, const auto& right) {
    return left->received_at < right->received_at;
  });
  // Versions that keep each recording's own order, interleaved by arrival.
  std::map<std::pair<bool, std::uint64_t>, timestamp> seen;
  for (const auto& fact : both)
    if (fact->resource_version != 0) {
      auto& at = seen.try_emplace({fact->uid.ends_with("-b7"), fact->resource_version}, fact->received_at)
                     .first->second;
      at = std::min(at, fact->received_at);
    }
  std::vector<std::tuple<timestamp, bool, std::uint64_t>> in_order;
  for (bool which : {false, true}) {
    timestamp latest;
    for (const auto& [version, at] : seen)
      if (version.first == which) {
        latest = std::max(latest, at);
        in_order.emplace_back(latest, which, version.second);
      }
  }
  std::sort(in_order.begin(), in_order.end());
  std::map<std::pair<bool, std::uint64_t>, std::uint64_t> anew;
  for (std::size_t at = 0; at < in_order.size(); ++at)
    anew[{std::get<1>(in_order[at]), std::get<2>(in_order[at])}] = 100 + at;
  both = test::changed(both, [&](observation& fact) {
    if (fact.resource_version != 0)
      fact.resource_version = anew.at({fact.uid.ends_with("-b7"), fact.resource_version});
  });
  auto wanted = whole;
  auto more = told(at_end(test::shifted(other, apart)));
  wanted.insert(more.begin(), more.end());
  expect_same(told(at_end(both), "-b7"), wanted);
  auto live_wanted = told(live(facts));
  auto live_more = told(live(test::shifted(other, apart)));
  live_wanted.insert(live_more.begin(), live_more.end());
  expect_same(told(live(both), "-b7"), live_wanted);
}

INSTANTIATE_TEST_SUITE_P(recordings, perturbed, testing::ValuesIn(test::all_recordings()),
                         test::recording_name);

} // namespace
} // namespace tc::trace
