// A watch that fails for a while: of what happened meanwhile the lists after it show the last states only.
// Whatever was missed, no run is invented and none is in a wrong trace.

#include "tests/support/outage.hpp"
#include "tests/trace/recorded.hpp"

#include <random>
#include <set>

namespace tc::trace {
namespace {

using test::at_end;
using test::live;
using test::spans_of;
using test::stream_of;

#ifdef TC_SANITIZED
constexpr std::uint64_t outages = 10; // each takes about twenty times as long
#else
constexpr std::uint64_t outages = 300;
#endif

/// What a span says, without when. IDs of runs whose outcome was missed are others; what ran under what in
/// which trace is not.
struct statement {
  trace_id trace;
  std::string kind; ///< of the span
  std::string object;
  std::string action;
  std::string outcome;
  auto operator<=>(const statement&) const = default;
};

/// Where the parent was missed, a span hangs higher up.
struct reading {
  std::map<statement, int> spans; ///< how often
  std::map<statement, int> runs;  ///< of each object in each trace, whatever their outcome
  std::map<statement, std::set<std::string>> parents; ///< whatever the outcome
  std::set<std::pair<trace_id, std::string>> objects;

  bool shows(const trace_id& trace, const std::set<std::string>& any_of) const {
    return std::any_of(any_of.begin(), any_of.end(), [&](const std::string& each) {
      return objects.contains({trace, each});
    });
  }
};

reading read(const std::vector<completed_trace>& traces) {
  reading result;
  auto spans = spans_of(traces);
  for (const auto& [key, each] : spans) {
    if (each.text("flux.span.kind") == "phase")
      continue;
    statement made{key.first, std::string{each.text("flux.span.kind")}, test::name_of(each),
                   each.text("flux.action") == "delete" ? "delete" : "",
                   std::string{each.text("flux.outcome")}};
    ++result.spans[made];
    result.objects.emplace(key.first, made.object);
    made.outcome.clear();
    ++result.runs[made];
    auto parent = spans.find({key.first, each.parent});
    result.parents[made].insert(parent == spans.end() ? std::string{"none"} : test::name_of(parent->second));
  }
  return result;
}

std::string to_string(const statement& of) {
  return of.kind + ' ' + of.object + ' ' + of.action + ' ' + of.outcome;
}

/// Nothing is in a trace where it was not, and none hangs under what it did not.
void expect_nothing_elsewhere(const reading& part, const reading& whole) {
  for (const auto& [what, parents] : part.parents) {
    auto known = whole.parents.find(what);
    if (known == whole.parents.end()) {
      ADD_FAILURE() << "invented: " << to_string(what) << " in " << what.trace.to_hex();
      continue;
    }
    for (const auto& parent : parents)
      if (!known->second.contains(parent) && part.shows(what.trace, known->second))
        ADD_FAILURE() << to_string(what) << " is under " << parent << " in " << what.trace.to_hex();
  }
}

/// No more runs than there were, and no outcomes that there were not. How a run ended may have been missed.
void expect_no_more_runs(const reading& part, const reading& whole) {
  auto count_in = [](const std::map<statement, int>& in, const statement& what) {
    auto found = in.find(what);
    return found == in.end() ? 0 : found->second;
  };
  for (const auto& [what, times] : part.runs)
    if (what.kind == "run" && times > count_in(whole.runs, what))
      ADD_FAILURE() << "a run too many: " << to_string(what) << " in " << what.trace.to_hex();
  for (const auto& [what, times] : part.spans)
    if (what.kind == "run" && (what.outcome == "succeeded" || what.outcome == "failed") &&
        times > count_in(whole.spans, what))
      ADD_FAILURE() << "another outcome: " << to_string(what) << " in " << what.trace.to_hex();
}

class outage_of_the_watches : public testing::TestWithParam<const char*> {};

TEST_P(outage_of_the_watches, invents_no_run_and_moves_nothing) {
  auto facts = stream_of(GetParam());
  auto whole = read(at_end(facts));
  std::mt19937_64 random{7};
  std::uniform_int_distribution<std::size_t> anywhere{1, facts.size()};
  for (std::uint64_t each = 0; each < outages; ++each) {
    auto from = anywhere(random);
    auto to = anywhere(random);
    if (to < from)
      std::swap(from, to);
    if (each % 2 == 0)
      to = std::min(to, from + 1 + each % 40); // short ones
    if (from == to)
      continue;
    auto seen = test::seen_with_outage(facts, from, to);
    SCOPED_TRACE("outage from " + std::to_string(from) + " to " + std::to_string(to));
    auto in_the_end = read(at_end(seen));
    expect_nothing_elsewhere(in_the_end, whole);
    expect_no_more_runs(in_the_end, whole);
    // What was sent before the outage was over keeps the ID it had, without an outcome: it may come again.
    expect_nothing_elsewhere(read(live(seen)), whole);
  }
}

INSTANTIATE_TEST_SUITE_P(recordings, outage_of_the_watches, testing::ValuesIn(test::recordings),
                         test::recording_name);

} // namespace
} // namespace tc::trace
