// What a data directory costs: the pipeline of pipeline_bench on the same events, without one and with one at
// each --data-sync. CPU time of the whole process, the journal's thread included.
//
// usage: durability_bench [COPIES] [FOLDER]

#include "actors/virtual_system.hpp"
#include "bench/everything_traced.hpp"
#include "bench/multiplied_recording.hpp"
#include "export/otlp_encoder.hpp"
#include "kube/decode/decode.hpp"
#include "runtime/store/journal.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>

#include <sys/resource.h>

namespace {

using namespace tc;

struct cost {
  double cpu = 0; ///< seconds
  double wall = 0;
  std::size_t observations = 0;
  std::uint64_t bytes = 0; ///< of the store
};

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

std::unique_ptr<store::journal> open_journal(const std::string& folder, store::sync_policy sync) {
  std::filesystem::remove_all(folder);
  store::journal_options with;
  with.path = folder;
  with.database.sync = sync;
  store::journal_outside outside;
  outside.clock = [] { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); };
  auto opened = store::journal::open(std::move(with), std::move(outside));
  if (!opened) {
    std::fprintf(stderr, "%s\n", opened.error().c_str());
    std::exit(1);
  }
  return std::move(*opened);
}

/// `journal` may be null.
cost run(std::size_t copies, store::journal* journal) {
  constexpr std::size_t side_by_side = 50;
  std::vector<bench::multiplied_recording> group(
      side_by_side, bench::multiplied_recording(
                        TC_SOURCE_DIR "/tests/recordings/s01-three-kustomizations/stream.jsonl.gz"));
  auto& first = group.front();
  actors::controller_setup setup;
  setup.began = first.received_at(0, duration{0});
  auto events = std::make_shared<actors::trace_events>();
  auto exporter = std::make_shared<exporter_setup>();
  if (journal) {
    events->handed_out = [journal](const trace_resource& spec, const actors::submission& what) {
      journal->put({{spec.uid, what.number}, what.key, what.whole, what.trace});
    };
    events->finished = [journal](const trace_resource& spec, std::uint64_t number) {
      journal->acknowledged({spec.uid, number});
    };
    events->progressed = [journal](const trace_resource& spec, const actors::trace_horizon& at) {
      journal->note_progress(spec.uid, {at.settled_before, at.settled_until}, at.open_since);
    };
    exporter->settled = [journal](const std::vector<std::uint64_t>& keys) {
      journal->note_sent("bench/sink", keys);
    };
  }
  setup.events = std::move(events);
  actors::virtual_system system(std::move(setup));
  exporter->sink =
      std::make_shared<exporting::null_sink>(std::make_shared<exporting::otlp_protobuf_encoder>());
  bench::trace_everything(system, exporter);

  kube::decoder decoder;
  cost out;
  auto groups = (copies + side_by_side - 1) / side_by_side;
  auto apart = std::chrono::ceil<std::chrono::seconds>(first.length()) + std::chrono::seconds{30};
  for (std::size_t g = 0; g < groups; ++g) {
    auto shift = static_cast<int>(g) * apart;
    for (std::size_t c = 0; c < group.size(); ++c)
      group[c].make_copy(g * side_by_side + c, shift);
    auto cpu = cpu_seconds();
    auto wall = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < first.lines(); ++i) {
      auto at = first.received_at(i, shift);
      std::vector<observation_ptr> batch;
      for (auto& copy : group) {
        auto decoded = decoder.decode_watch(copy.line(i), at, first.initial(i) && g == 0);
        if (!decoded || !*decoded)
          continue;
        batch.push_back(**decoded);
        system.observe(std::move(**decoded), std::max(at, system.now()));
        ++out.observations;
      }
      if (journal)
        journal->add(batch);
    }
    if (g + 1 == groups)
      system.settle(std::chrono::hours{1});
    if (journal && g + 1 == groups)
      journal->flush();
    out.cpu += cpu_seconds() - cpu;
    out.wall += std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
  }
  if (journal)
    out.bytes = journal->books().stored.bytes;
  return out;
}

} // namespace

int main(int argc, char** argv) {
  std::size_t copies = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 500;
  std::string folder = argc > 2 ? argv[2] : "durability_bench.data";
  run(50, nullptr); // warms up
  auto off = run(copies, nullptr);
  nlohmann::json out;
  for (auto [name, sync] : {std::pair{"off", store::sync_policy::off},
                            {"interval", store::sync_policy::interval},
                            {"full", store::sync_policy::full}}) {
    auto journal = open_journal(folder, sync);
    auto on = run(copies, journal.get());
    std::string full = sync == store::sync_policy::full ? "durability_on_vs_off"
                                                        : std::string{"durability_sync_"} + name + "_vs_none";
    out[full] = {{"value", on.cpu / off.cpu}, {"better", "lower"}, {"unit", "ratio"}};
    if (sync != store::sync_policy::full)
      continue;
    out[full]["goal"] = 1.5;
    out["durability_wall_on_vs_off"] = {
        {"value", on.wall / off.wall}, {"better", "lower"}, {"unit", "ratio"}};
    out["durability_us_per_observation"] = {
        {"value", 1e6 * (on.cpu - off.cpu) / static_cast<double>(on.observations)},
        {"better", "lower"},
        {"unit", "us"}};
    out["durability_store_mib"] = {
        {"value", static_cast<double>(on.bytes) / (1 << 20)}, {"better", "lower"}, {"unit", "MiB"}};
  }
  std::filesystem::remove_all(folder);
  std::cout << out.dump(2) << '\n';
  return 0;
}
