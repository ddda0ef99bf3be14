// A process that starts in the midst of a recording: it sees the objects as a list shows them then, and the
// rest live. What it makes of that is part of what the whole recording gives, and nothing else.

#include "tests/support/restart.hpp"
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
constexpr int restarts = 5; // each takes about twenty times as long
#else
constexpr int restarts = 50;
#endif

class restart : public testing::TestWithParam<const char*> {
protected:
  void SetUp() override {
    facts = stream_of(GetParam());
    whole = spans_of(at_end(facts));
    std::mt19937_64 random{2026};
    std::uniform_int_distribution<std::size_t> any{1, facts.size() - 1};
    while (points.size() < std::min<std::size_t>(restarts, facts.size() - 1))
      points.insert(any(random));
  }

  std::vector<observation_ptr> facts;
  std::map<test::span_key, span> whole;
  std::set<std::size_t> points;
};

TEST_P(restart, invents_nothing_and_moves_nothing) {
  for (auto from : points) {
    auto seen = test::seen_after_restart(facts, from);
    for (const auto& traces : {at_end(seen), live(seen)})
      for (const auto& [key, each] : spans_of(traces)) {
        SCOPED_TRACE(each.name + " after a restart at " + std::to_string(from));
        auto found = whole.find(key);
        if (found == whole.end()) {
          ADD_FAILURE() << "invented, or in another trace: " << key.first.to_hex() << ' '
                        << each.text("flux.outcome");
          continue;
        }
        const auto& known = found->second;
        for (const char* name : {"flux.span.kind", "flux.outcome", "flux.reason", "flux.change.key"})
          EXPECT_EQ(each.text(name), known.text(name)) << name;
        EXPECT_EQ(each.parent, known.parent) << whole.at({key.first, known.parent}).name;
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

INSTANTIATE_TEST_SUITE_P(recordings, restart, testing::ValuesIn(test::recordings), test::recording_name);

} // namespace
} // namespace tc::trace
