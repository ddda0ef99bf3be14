// A process that starts in the midst of a recording: it sees the objects as a list shows them then, and the
// rest live. What it makes of that is part of what the whole recording gives, and nothing else.

#include "tests/support/restart.hpp"
#include "tests/trace/recorded.hpp"

#include <cstdlib>
#include <random>
#include <set>

namespace tc::trace {
namespace {

using test::at_end;
using test::live;
using test::spans_of;
using test::stream_of;

#ifdef TC_SANITIZED
constexpr int restarts = 5; // each takes about twenty times as long
#else
constexpr int restarts = 50;
#endif
constexpr int restarts_of_a_walk = restarts * 2 / 5; // each takes longer; all hold at every point

/// Whether a state shows the run: at work, with its outcome, or in a record of its second.
bool shows(const object_state& state, const span& run) {
  std::string revision{run.text("flux.revision")};
  constexpr auto aside = std::chrono::seconds{1}; // controllers write whole seconds
  for (const auto& each : state.conditions)
    if (each.last_transition >= run.start - aside && each.last_transition <= run.end + aside &&
        (state.last_attempted_revision == revision || each.message.find(revision) != std::string::npos))
      return true;
  auto ended = [&](timestamp second) { return second >= run.end - 2 * aside && second <= run.end + aside; };
  return std::any_of(state.applies.begin(), state.applies.end(), [&](const apply_record& each) {
    return each.revision == revision && (ended(each.first_reconciled) || ended(each.last_reconciled));
  });
}

/// Its parent is what its lost parent was under. A run is lost where no state of its object shows it any
/// more: the record of the manifests counts a later reconciliation, and has the revision and second of that.
bool is_under_what_is_left(const span& each, const trace_id& trace,
                           const std::map<test::span_key, span>& whole,
                           const std::map<test::span_key, span>& part,
                           const std::vector<observation_ptr>& seen) {
  auto above = whole.at({trace, each.id}).parent;
  while (above != each.parent) {
    auto lost = whole.find({trace, above});
    if (lost == whole.end() || lost->second.text("flux.span.kind") != "run" || part.contains(lost->first))
      return false;
    for (const auto& fact : seen)
      if (fact->state && fact->object.kind == lost->second.text("k8s.resource.kind") &&
          fact->object.name == lost->second.text("k8s.resource.name") && shows(*fact->state, lost->second))
        return false;
    above = lost->second.parent;
  }
  return true;
}

class restart : public testing::TestWithParam<const char*> {
protected:
  void SetUp() override {
    facts = stream_of(GetParam());
    whole = spans_of(at_end(facts));
    std::mt19937_64 random{2026};
    std::uniform_int_distribution<std::size_t> any{1, facts.size() - 1};
    if (std::getenv("TC_EVERY_RESTART"))
      for (std::size_t from = 1; from < facts.size(); ++from)
        points.insert(from);
    auto wanted = std::string_view{GetParam()}.starts_with("walks/") ? restarts_of_a_walk : restarts;
    while (points.size() < std::min<std::size_t>(wanted, facts.size() - 1))
      points.insert(any(random));
  }

  std::vector<observation_ptr> facts;
  std::map<test::span_key, span> whole;
  std::set<std::size_t> points;
};

/// What began after the restart, under runs that began after it, has been seen from its beginning.
TEST_P(restart, tells_all_that_begins_after_it) {
  for (auto from : points) {
    auto seen = test::seen_after_restart(facts, from);
    auto part = spans_of(at_end(seen));
    auto now = facts[from - 1]->received_at + std::chrono::seconds{1};
    for (const auto& [key, each] : whole) {
      bool began_before = each.start <= now; // it, or a run that brought it about
      for (auto above = whole.find({key.first, each.parent});
           above != whole.end() && above->second.text("flux.span.kind") == "run";
           above = whole.find({key.first, above->second.parent}))
        began_before = began_before || above->second.start <= now;
      if (began_before || each.text("flux.span.kind") == "phase")
        continue;
      EXPECT_TRUE(part.contains(key))
          << "missing after a restart at " << from << ": " << each.name << ' ' << each.text("flux.outcome")
          << ' ' << each.text("flux.reason") << ' ' << each.text("flux.attribution");
    }
  }
}

TEST_P(restart, invents_nothing_and_moves_nothing) {
  for (auto from : points) {
    auto seen = test::seen_after_restart(facts, from);
    for (const auto& traces : {at_end(seen), live(seen)}) {
      std::map<trace_id, std::string> change_keys;
      for (const auto& trace : traces)
        change_keys[trace.id] = trace.change_key;
      auto part = spans_of(traces);
      for (const auto& [key, each] : part) {
        SCOPED_TRACE(each.name + " [" + change_keys[key.first] + "] after a restart at " +
                     std::to_string(from));
        auto found = whole.find(key);
        if (found == whole.end()) {
          ADD_FAILURE() << "invented, or in another trace: " << key.first.to_hex() << ' '
                        << each.text("flux.outcome");
          continue;
        }
        const auto& known = found->second;
        for (const char* name : {"flux.span.kind", "flux.outcome", "flux.reason", "flux.change.key"})
          EXPECT_EQ(each.text(name), known.text(name)) << name;
        EXPECT_TRUE(is_under_what_is_left(each, key.first, whole, part, seen))
            << "each.parent was " << test::name_of(whole.at({key.first, known.parent}));
        auto off = [](timestamp left, timestamp right) {
          return std::to_string(std::chrono::duration<double>(left - right).count());
        };
        auto now = facts[from - 1]->received_at;
        if (known.start > now) {
          EXPECT_LE(std::chrono::abs(each.start - known.start), std::chrono::milliseconds{150})
              << off(each.start, known.start);
          EXPECT_LE(std::chrono::abs(each.end - known.end), std::chrono::milliseconds{150})
              << off(each.end, known.end);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(recordings, restart, testing::ValuesIn(test::all_recordings()),
                         test::recording_name);
INSTANTIATE_TEST_SUITE_P(walks, restart, testing::ValuesIn(test::walks()), test::recording_name);

} // namespace
} // namespace tc::trace
