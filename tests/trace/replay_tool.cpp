// trace_replay STREAM [--posts FILE] [--shuffle SEED] [--no-stream-events] [--tree]
//
// Adds a whole recording to one ledger and prints the trace of every change as OTLP/JSON, for check-truth to
// judge.

#include "tests/support/live_replay.hpp"
#include "tests/support/outage.hpp"
#include "tests/support/recording.hpp"
#include "tests/support/restart.hpp"
#include "tests/trace/otlp_json.hpp"
#include "trace/assemble.hpp"
#include "trace/explain.hpp"
#include "trace/shedding.hpp"

#include <algorithm>
#include <cstring>
#include <iostream>
#include <random>

namespace {

void print_tree(const tc::completed_trace& trace) {
  std::map<tc::span_id, std::vector<const tc::span*>> children;
  for (const auto& each : trace.spans)
    children[each.parent].push_back(&each);
  auto begin = trace.spans.empty() ? tc::timestamp{} : trace.spans.front().start;
  std::function<void(const tc::span&, int)> print = [&](const tc::span& each, int depth) {
    auto ms = [&](tc::timestamp at) { return std::chrono::duration<double>(at - begin).count(); };
    std::cerr << std::string(2 * depth, ' ') << each.name << "  [" << ms(each.start) << " .. " << ms(each.end)
              << "] " << each.text("flux.outcome") << ' ' << each.text("flux.reason") << ' '
              << each.text("flux.attribution") << '\n';
    for (const auto* child : children[each.id])
      print(*child, depth + 1);
  };
  std::cerr << trace.change_key << "  " << trace.revision << "  " << trace.outcome << '\n';
  for (const auto* root : children[tc::span_id{}])
    print(*root, 1);
}

/// Leaves out what an overloaded process does, in stretches of some thousand observations.
void shed_at_times(std::vector<tc::observation_ptr>& facts, tc::trace::shed_level level, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  tc::trace::shedding shedding;
  std::size_t until = 0;
  std::size_t at = 0;
  bool now = false;
  auto before = facts.size();
  std::erase_if(facts, [&](const tc::observation_ptr& each) {
    if (at++ == until) {
      now = !now;
      until += 500 + random() % 5000;
      shedding.forget();
    }
    return now && shedding.leaves_out(*each, level);
  });
  std::cerr << before - facts.size() << " of " << before << " are left out\n";
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: trace_replay STREAM [--posts FILE] [--shuffle SEED] [--restart LINE] "
                 "[--outage FROM TO] [--shed LEVEL SEED] [--live] [--late KIND SECONDS] [--tree]\n";
    return 2;
  }
  std::vector<tc::observation_ptr> facts = tc::test::load_stream(argv[1]);
  bool tree = false;
  bool live = false;
  std::string late_kind;
  std::string explained; // a name
  tc::duration lag{};
  for (int at = 2; at < argc; ++at) {
    if (std::strcmp(argv[at], "--posts") == 0 && at + 1 < argc) {
      auto more = tc::test::load_posts(argv[++at]);
      facts.insert(facts.end(), more.begin(), more.end());
    } else if (std::strcmp(argv[at], "--shuffle") == 0 && at + 1 < argc) {
      std::mt19937_64 random{std::stoull(argv[++at])};
      std::shuffle(facts.begin(), facts.end(), random);
    } else if (std::strcmp(argv[at], "--tree") == 0) {
      tree = true;
    } else if (std::strcmp(argv[at], "--restart") == 0 && at + 1 < argc) {
      facts = tc::test::seen_after_restart(facts, std::stoull(argv[++at]));
    } else if (std::strcmp(argv[at], "--outage") == 0 && at + 2 < argc) {
      auto from = std::stoull(argv[++at]);
      facts = tc::test::seen_with_outage(facts, from, std::stoull(argv[++at]));
    } else if (std::strcmp(argv[at], "--no-objects") == 0) {
      std::erase_if(facts, [](const tc::observation_ptr& each) { return each->state.has_value(); });
    } else if (std::strcmp(argv[at], "--no-events") == 0) {
      std::erase_if(
          facts, [](const tc::observation_ptr& each) { return each->kind == tc::observation_kind::event; });
    } else if (std::strcmp(argv[at], "--late") == 0 && at + 2 < argc) {
      late_kind = argv[++at];
      lag = std::chrono::seconds{std::stoll(argv[++at])};
    } else if (std::strcmp(argv[at], "--explain") == 0 && at + 1 < argc) {
      explained = argv[++at];
    } else if (std::strcmp(argv[at], "--shed") == 0 && at + 2 < argc) {
      auto level = static_cast<tc::trace::shed_level>(std::stoi(argv[++at]));
      shed_at_times(facts, level, std::stoull(argv[++at]));
    } else if (std::strcmp(argv[at], "--live") == 0) {
      live = true;
    }
  }
  std::vector<tc::completed_trace> traces;
  if (live) {
    auto handed_in_at = [&](const tc::observation_ptr& fact) {
      const auto& kind = fact->message ? "Event" : fact->object.kind;
      return kind == late_kind ? fact->received_at + lag : fact->received_at;
    };
    std::stable_sort(facts.begin(), facts.end(), [&](const auto& left, const auto& right) {
      return handed_in_at(left) < handed_in_at(right);
    });
    tc::test::live_replay replay;
    for (const auto& fact : facts)
      replay.observe(fact, handed_in_at(fact));
    replay.finish();
    traces = replay.exported();
    for (const auto& line : replay.log())
      std::cerr << line << '\n';
  } else {
    tc::trace::ledger ledger;
    for (const auto& fact : facts)
      ledger.add(fact);
    if (!explained.empty())
      for (const auto& [object, known] : ledger.objects())
        if (object.name == explained && !known.states.empty())
          std::cerr << object.to_string() << '\n' << tc::trace::explain(ledger, object, {});
    traces = tc::trace::assemble_all(ledger, {});
  }
  for (const auto& trace : traces) {
    std::cout << tc::test::otlp_json(trace).dump() << '\n';
    if (tree)
      print_tree(trace);
  }
}
