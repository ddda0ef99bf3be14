// How fast the whole pipeline is: watch events in memory, decoded, routed, attributed, assembled, encoded, to
// a sink that drops them. The floor, measured on the same bytes in the same run: simdjson parses them and
// nothing else. One thread.
//
// usage: pipeline_bench [COPIES] [SIDE_BY_SIDE] [RECORDING]

#include "actors/virtual_system.hpp"
#include "bench/everything_traced.hpp"
#include "bench/multiplied_recording.hpp"
#include "export/otlp_encoder.hpp"
#include "kube/decode/decode.hpp"

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <limits>

namespace {

/// Processor time of the one thread that there is: another load on the machine does not count.
struct clock_type {
  using duration = std::chrono::nanoseconds;

  static duration now() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return std::chrono::seconds{used.tv_sec} + duration{used.tv_nsec};
  }
};

double seconds(clock_type::duration value) {
  return std::chrono::duration<double>(value).count();
}

/// A figure of /proc/self/status, in MiB.
double memory_mib(const std::string& name) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name))
      return std::atof(line.c_str() + name.size()) / 1024;
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  using namespace tc;
  std::size_t copies = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 5300;
  std::size_t side_by_side = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 50;
  std::string path =
      argc > 3 ? argv[3] : TC_SOURCE_DIR "/tests/recordings/s01-three-kustomizations/stream.jsonl.gz";
  std::vector<bench::multiplied_recording> group(side_by_side, bench::multiplied_recording(path));
  auto& first = group.front();
  auto groups = (copies + side_by_side - 1) / side_by_side;

  // The floor first: its memory is the least this process can have.
  simdjson::dom::parser parser;
  clock_type::duration floor_time{};
  std::size_t bytes = 0;
  std::size_t lines = 0;
  std::uint64_t checksum = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    auto began = clock_type::now();
    for (std::size_t i = 0; i < first.lines(); ++i)
      for (auto& copy : group) {
        auto line = copy.line(i);
        simdjson::dom::element root;
        if (parser.parse(line.data(), line.size(), false).get(root) == simdjson::SUCCESS)
          checksum += root.is_object();
        bytes += line.size();
        ++lines;
      }
    floor_time += clock_type::now() - began;
  }
  auto floor_mib = memory_mib("VmRSS:");

  actors::controller_setup setup;
  setup.began = first.received_at(0, duration{0});
  std::size_t traces = 0;
  std::size_t spans = 0;
  auto events = std::make_shared<actors::trace_events>();
  events->acknowledged = [&](const completed_trace& trace, const delivery_report&) {
    traces += trace.addition ? 0 : 1;
    spans += trace.spans.size();
  };
  setup.events = std::move(events);
  actors::virtual_system system(std::move(setup));
  auto sink = std::make_shared<exporting::null_sink>(std::make_shared<exporting::otlp_protobuf_encoder>());
  auto exporter = std::make_shared<exporter_setup>();
  exporter->sink = sink;
  bench::trace_everything(system, exporter);

  kube::decoder decoder;
  clock_type::duration pipeline_time{};
  std::size_t observations = 0;
  // Whole seconds, so that the copies' fractions stay as recorded.
  auto apart = std::chrono::ceil<std::chrono::seconds>(first.length()) + std::chrono::seconds{30};
  for (std::size_t g = 0; g < groups; ++g) {
    auto shift = static_cast<int>(g) * apart;
    for (std::size_t c = 0; c < group.size(); ++c)
      group[c].make_copy(g * side_by_side + c, shift);
    auto began = clock_type::now();
    for (std::size_t i = 0; i < first.lines(); ++i) {
      auto at = first.received_at(i, shift);
      for (auto& copy : group) {
        auto decoded = decoder.decode_watch(copy.line(i), at, first.initial(i) && g == 0);
        if (decoded && *decoded) {
          system.observe(std::move(**decoded), std::max(at, system.now()));
          ++observations;
        }
      }
    }
    if (g + 1 == groups)
      system.settle(std::chrono::hours{1});
    pipeline_time += clock_type::now() - began;
    if (g % 10 == 9)
      std::fprintf(stderr, "\r%zu of %zu groups, %zu traces", g + 1, groups, traces);
  }
  std::fprintf(stderr, "\n");

  auto ratio = seconds(floor_time) / seconds(pipeline_time);
  nlohmann::json out{
      {"pipeline_vs_simdjson", {{"value", ratio}, {"goal", 0.5}, {"better", "higher"}, {"unit", "ratio"}}},
      {"pipeline_rss_vs_simdjson",
       {{"value", memory_mib("VmHWM:") / floor_mib}, {"goal", 4}, {"better", "lower"}, {"unit", "ratio"}}},
      {"pipeline_observations_per_s",
       {{"value", static_cast<double>(observations) / seconds(pipeline_time)},
        {"better", "higher"},
        {"unit", "1/s"}}},
      {"pipeline_peak_mib", {{"value", memory_mib("VmHWM:")}, {"better", "lower"}, {"unit", "MiB"}}},
      {"pipeline_traces", {{"value", traces}, {"unit", "1"}}},
      {"pipeline_spans", {{"value", spans}, {"unit", "1"}}},
      {"pipeline_mib_read", {{"value", static_cast<double>(bytes) / (1 << 20)}, {"unit", "MiB"}}},
  };
  std::cout << out.dump(2) << '\n';
  return checksum == lines ? 0 : 1;
}
