// Each kind has a watch of its own. After a stall, a restart or on a slow machine the states of one kind come
// in one burst before those of the objects they hang under. Whatever the order, the backend must end with the
// same spans.

#include "tests/actors/world.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace tc::actors::test {
namespace {

using namespace std::chrono_literals;

#ifdef TC_SANITIZED
constexpr std::uint64_t orders_of_kinds = 3;
#else
constexpr std::uint64_t orders_of_kinds = 20;
#endif

using handed_in = std::vector<std::pair<timestamp, observation_ptr>>;

std::string kind_of(const observation& fact) {
  return fact.message ? "Event" : fact.object.kind;
}

/// The facts, as they are handed in when every watch is stuck until the end of each `stall` and then drained
/// one after the other.
handed_in in_bursts(const std::vector<observation_ptr>& facts, duration stall,
                    const std::vector<std::string>& kinds) {
  std::map<std::string, std::size_t> rank;
  for (const auto& kind : kinds)
    rank.emplace(kind, rank.size());
  handed_in out;
  for (const auto& fact : facts) {
    auto since = fact->received_at - facts.front()->received_at;
    out.emplace_back(facts.front()->received_at + (since / stall + 1) * stall, fact);
  }
  std::stable_sort(out.begin(), out.end(), [&](const auto& left, const auto& right) {
    return std::tuple{left.first, rank.at(kind_of(*left.second))} <
           std::tuple{right.first, rank.at(kind_of(*right.second))};
  });
  return out;
}

/// The facts, as they are handed in when one kind's watch is behind the others.
handed_in late_by(const std::vector<observation_ptr>& facts, const std::string& kind, duration lag) {
  handed_in out;
  for (const auto& fact : facts)
    out.emplace_back(kind_of(*fact) == kind ? fact->received_at + lag : fact->received_at, fact);
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& left, const auto& right) { return left.first < right.first; });
  return out;
}

/// What the backend has in the end.
std::map<std::string, span> exported_of(const handed_in& facts, const trace_resource_ptr& spec) {
  world here{facts.front().second->received_at};
  here.system->apply(spec);
  here.system->apply(binding_to(setup_for(here.backend)));
  for (const auto& [at, fact] : facts)
    here.system->observe(fact, std::max(at, here.system->now()));
  EXPECT_TRUE(here.system->settle(2h));
  here.system->advance(here.system->now() + 31min); // what was sent once may be open again
  expect_balance(*here.system->books());
  return here.backend->spans;
}

std::string describe(const span& each) {
  return each.name + " [" + to_rfc3339(each.start) + " .. " + to_rfc3339(each.end) + "] " +
         std::string{each.text("flux.outcome")} + " " + std::string{each.text("flux.revision")};
}

/// What of two sets of spans differs, a line each. Without `in_time` the change was sent before all was
/// known: then what only the latest facts tell (times, how a rollout and the change as a whole ended) may.
std::vector<std::string> differences(const std::map<std::string, span>& whole,
                                     const std::map<std::string, span>& got, bool in_time) {
  std::vector<std::string> out;
  for (const auto& [id, each] : whole) {
    auto found = got.find(id);
    if (found == got.end()) {
      out.push_back("missing " + describe(each));
      continue;
    }
    const auto& other = found->second;
    auto differs = [&](const char* name) { return each.text(name) != other.text(name); };
    bool rollout = each.text("flux.span.kind") == "workload";
    if (each.parent != other.parent || (in_time && (each.start != other.start || each.end != other.end)) ||
        ((in_time || !rollout) && (differs("flux.outcome") || differs("flux.reason"))) ||
        (in_time && differs("flux.change.outcome")))
      out.push_back("differs " + describe(each) + " " + std::string{each.text("flux.change.outcome")} +
                    "\n     from " + describe(other) + " " + std::string{other.text("flux.change.outcome")} +
                    (each.parent != other.parent ? " under another parent" : ""));
  }
  for (const auto& [id, each] : got)
    if (!whole.contains(id))
      out.push_back("extra   " + describe(each));
  return out;
}

class interleaving : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    facts = recorded(GetParam());
    std::set<std::string> names;
    for (const auto& fact : facts) {
      names.insert(kind_of(*fact));
      namespaces.insert(fact->object.namespace_name);
    }
    kinds.assign(names.begin(), names.end());
  }

  /// A Trace that names the leaves of the trees only: all that is above them must be found by the router.
  trace_resource_ptr leaves() const {
    auto out = *everything("leaves");
    for (const auto& space : namespaces)
      for (const char* kind : {"HelmRelease", "Kustomization"})
        out.event_sources.push_back({"", kind, "*", space, {}});
    return std::make_shared<trace_resource>(out);
  }

  void expect_the_same(const std::map<std::string, span>& whole, const trace_resource_ptr& spec,
                       const handed_in& facts_in_time, const std::string& how, bool in_time = true) const {
    for (const auto& line : differences(whole, exported_of(facts_in_time, spec), in_time))
      ADD_FAILURE() << line << "\nfor the Trace " << spec->name << ' ' << how;
  }

  std::vector<observation_ptr> facts; ///< in order of arrival
  std::vector<std::string> kinds;
  std::set<std::string> namespaces;
};

TEST_P(interleaving, of_watches_that_are_stuck_together_leaves_no_mark) {
  auto all = facts.back()->received_at - facts.front()->received_at + 1s;
  for (const auto& spec : {everything(), leaves()}) {
    auto whole = exported_of(late_by(facts, "", {}), spec);
    ASSERT_FALSE(whole.empty());
    for (duration stall : {duration{500ms}, duration{3s}, duration{12s}, duration{all}})
      for (std::uint64_t seed = 0; seed < orders_of_kinds; ++seed) {
        std::mt19937_64 random{seed};
        std::shuffle(kinds.begin(), kinds.end(), random);
        std::string order;
        for (const auto& kind : kinds)
          order += ' ' + kind;
        expect_the_same(whole, spec, in_bursts(facts, stall, kinds),
                        "with stalls of " + to_go_duration(stall) + " and the kinds in the order" + order);
      }
  }
}

TEST_P(interleaving, of_one_watch_that_lags_leaves_no_mark) {
  for (const auto& spec : {everything(), leaves()}) {
    auto whole = exported_of(late_by(facts, "", {}), spec);
    // Not much longer than settleAfter: s13 with its Kustomizations a minute late would send a release that
    // was upgraded by a commit under the chart that the commit chose as well (docs/attribution.md, "What
    // stays wrong").
    for (const auto& kind : kinds)
      for (duration lag : {duration{500ms}, duration{3s}, duration{12s}, duration{60s}})
        expect_the_same(whole, spec, late_by(facts, kind, lag),
                        "when " + kind + " is late by " + to_go_duration(lag), lag < spec->settle_after);
  }
}

INSTANTIATE_TEST_SUITE_P(recordings, interleaving,
                         testing::Values("s01-three-kustomizations", "s02-helm", "s03-failures", "s04-nested",
                                         "s05-superseded", "s05b-superseded-cancel", "s06-oci-origin",
                                         "s07-two-sources-same-commit", "s08-drift-and-noop",
                                         "s09-controller-restart", "s10-noisy", "s11-rollback-to-old-sha",
                                         "s12-prune-delete", "s13-helm-chartref-valuesfrom"),
                         [](const auto& parameter) {
                           std::string name{parameter.param};
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

} // namespace
} // namespace tc::actors::test
