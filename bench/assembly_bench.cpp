// How the cost of assembly grows with a change: one change of about 10 to 1,000,000 observations, and one
// with 100,000 runs. Memory is what assembly allocates on top of the observations. One thread.
//
// usage: assembly_bench [MOST_OBSERVATIONS]     a table on standard error, the figures as JSON on standard
// output

#include "bench/counted_memory.hpp"
#include "bench/wide_change.hpp"
#include "trace/assemble.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <vector>

namespace {

using namespace tc;
using clock_type = std::chrono::steady_clock;

struct measured {
  std::size_t observations = 0;
  std::size_t traces = 0;
  std::size_t spans = 0;
  std::size_t runs = 0;
  double seconds = 0; ///< median of the repeats
  double held = 0;    ///< bytes of the observations and their ledger
  double peak = 0;    ///< bytes that assembly had at most, its result included

  double ns_per_observation() const { return seconds * 1e9 / static_cast<double>(observations); }
  double ns_per_n_log_n() const { return ns_per_observation() / std::log2(observations); }
  double held_per_observation() const { return held / static_cast<double>(observations); }
  double peak_per_observation() const { return peak / static_cast<double>(observations); }
};

trace::ledger ledger_of(std::size_t kustomizations) {
  trace::ledger result;
  for (auto& each : bench::wide_change(kustomizations))
    result.add(std::move(each));
  return result;
}

measured measure(std::size_t kustomizations) {
  measured result;
  trace::ledger facts;
  clock_type::duration counted_for{};
  {
    bench::counted_memory memory;
    facts = ledger_of(kustomizations);
    result.held = static_cast<double>(memory.now());
  }
  result.observations = facts.size();
  {
    // Apart from the timing, which counting slows a little; it warms the caches, too.
    bench::counted_memory memory;
    auto began = clock_type::now();
    auto traces = trace::assemble_all(facts, {});
    counted_for = clock_type::now() - began;
    result.peak = static_cast<double>(memory.peak());
    result.traces = traces.size();
    for (const auto& each : traces) {
      result.spans += each.spans.size();
      result.runs +=
          static_cast<std::size_t>(std::count_if(each.spans.begin(), each.spans.end(), [](const span& one) {
            return one.text("flux.span.kind") == "run";
          }));
    }
  }
  std::size_t repeats = std::clamp<std::size_t>(100'000 / result.observations, 3, 101) | 1;
  std::vector<double> times;
  // One that takes that long is not worth a second time.
  if (counted_for > std::chrono::seconds{30})
    times.push_back(std::chrono::duration<double>(counted_for).count());
  auto enough = clock_type::now() + std::chrono::seconds{10};
  while (times.empty() ||
         (counted_for <= std::chrono::seconds{30} && times.size() < repeats && clock_type::now() < enough)) {
    auto began = clock_type::now();
    auto traces = trace::assemble_all(facts, {});
    times.push_back(std::chrono::duration<double>(clock_type::now() - began).count());
  }
  auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  result.seconds = *middle;
  std::fprintf(stderr, "%12zu %7zu %9zu %9zu %10.4f %10.0f %12.1f %12.0f %12.0f\n", result.observations,
               result.traces, result.spans, result.runs, result.seconds, result.ns_per_observation(),
               result.ns_per_n_log_n(), result.held_per_observation(), result.peak_per_observation());
  return result;
}

} // namespace

int main(int argc, char** argv) {
  std::size_t most = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1'000'000;
  // Two Kustomizations, one of them with a release, are what repeats.
  auto per_pair = bench::wide_change(2).size() - bench::source_observations;
  auto kustomizations_for = [&](std::size_t observations) {
    return std::max<std::size_t>(1, (observations - bench::source_observations) * 2 / per_pair);
  };

  std::fprintf(stderr, "%12s %7s %9s %9s %10s %10s %12s %12s %12s\n", "observations", "traces", "spans",
               "runs", "seconds", "ns each", "ns/(n lb n)", "B held each", "B peak each");
  nlohmann::json out = nlohmann::json::object();
  measured at_1000;
  bool one_trace = true;
  for (std::size_t wanted = 10; wanted <= most; wanted *= 10) {
    auto made = measure(kustomizations_for(wanted));
    one_trace = one_trace && made.traces == 1;
    if (wanted == 1000)
      at_1000 = made;
    if (wanted == 1'000'000)
      out = {{"assembly_growth_1e6_vs_1e3",
              {{"value", made.ns_per_n_log_n() / at_1000.ns_per_n_log_n()},
               {"goal", 1.5},
               {"better", "lower"},
               {"unit", "ratio"}}},
             {"assembly_peak_bytes_1e6_vs_1e3",
              {{"value", made.peak_per_observation() / at_1000.peak_per_observation()},
               {"better", "lower"},
               {"unit", "ratio"}}},
             {"assembly_peak_bytes_per_observation",
              {{"value", made.peak_per_observation()}, {"better", "lower"}, {"unit", "B"}}},
             {"assembly_ns_per_observation_1e6",
              {{"value", made.ns_per_observation()}, {"better", "lower"}, {"unit", "ns"}}}};
  }
  if (most >= 1'000'000) {
    auto sample = measure(200);
    auto made = measure((100'000 * 200 + sample.runs - 1) / sample.runs);
    one_trace = one_trace && made.traces == 1 && made.runs >= 100'000;
    out["assemble_1e5_runs_s"] = {{"value", made.seconds}, {"goal", 1}, {"better", "lower"}, {"unit", "s"}};
    out["assemble_1e5_runs_observations"] = {{"value", made.observations}, {"unit", "1"}};
  }
  std::cout << out.dump(2) << '\n';
  if (!one_trace)
    std::fprintf(stderr, "not one trace with all the runs: the figures are of something else\n");
  return one_trace ? 0 : 1;
}
