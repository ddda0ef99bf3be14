// What a second core is worth: watch events in memory through the decoder and the actors, on the scheduler
// that `run` has, to a sink that drops them; this process held to one core, and to two. In turns.
//
// usage: two_cores_bench [COPIES] [ROUNDS]     figures as JSON on standard output

#include "actors/controller.hpp"
#include "bench/measured_apart.hpp"
#include "bench/multiplied_recording.hpp"
#include "export/otlp_encoder.hpp"
#include "export/sink.hpp"
#include "kube/decode/decode.hpp"
#include "messages/backlog.hpp"
#include "runtime/program/actor_system.hpp"

#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sched.h>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace tc;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr std::size_t side_by_side = 25;
constexpr duration tick = 100ms;

void hold_to_cores(std::size_t count) {
  cpu_set_t all, some;
  CPU_ZERO(&all);
  CPU_ZERO(&some);
  ::sched_getaffinity(0, sizeof(all), &all);
  for (int cpu = 0; cpu < CPU_SETSIZE && count > 0; ++cpu)
    if (CPU_ISSET(cpu, &all)) {
      CPU_SET(cpu, &some);
      --count;
    }
  if (count > 0 || ::sched_setaffinity(0, sizeof(some), &some) != 0)
    throw std::runtime_error("there are not so many cores");
}

bool all_delivered(const controller_books& books) {
  for (const auto& [name, trace] : books.traces)
    if (trace.changes_pending > 0 || trace.observations == 0)
      return false;
  for (const auto& [name, exporter] : books.exporters)
    if (exporter.spans_pending > 0)
      return false;
  return !books.traces.empty();
}

bench::figures play(std::size_t cores, std::size_t copies) {
  hold_to_cores(cores);
  std::vector<bench::multiplied_recording> group(
      side_by_side, bench::multiplied_recording{TC_SOURCE_DIR "/tests/recordings/s02-helm/stream.jsonl.gz"});
  const auto& first = group.front();
  runtime::pool_options pool;
  pool.scheduler_threads = cores;
  runtime::actor_runtime actors{pool};
  auto waiting = std::make_shared<backlog>();
  actors::controller_setup setup;
  setup.began = first.received_at(0, duration{0});
  setup.events = std::make_shared<actors::trace_events>();
  setup.watching.waiting = waiting;
  auto root = actors.system().spawn(actors::controller, std::move(setup));
  caf::scoped_actor self{actors.system()};
  auto exporter = std::make_shared<exporter_setup>();
  exporter->sink =
      std::make_shared<exporting::null_sink>(std::make_shared<exporting::otlp_protobuf_encoder>());
  exporter->random = [] { return 0.5; };
  auto binding = std::make_shared<provider_binding>();
  binding->namespace_name = "bench";
  binding->name = "sink";
  binding->setup = std::move(exporter);
  auto everything = std::make_shared<trace_resource>();
  everything->namespace_name = "bench";
  everything->name = everything->uid = "bench";
  everything->provider_name = "sink";
  self->send(root, apply_atom_v, provider_binding_ptr{std::move(binding)});
  self->send(root, apply_atom_v, trace_resource_ptr{std::move(everything)});
  self->send(root, synced_atom_v);

  kube::decoder decoder;
  clock_type::duration taken{};
  std::size_t observations = 0;
  timestamp now = first.received_at(0, duration{0});
  auto pass = [&](timestamp until) {
    for (; now + tick <= until; self->send(root, tick_atom_v, now))
      now += tick;
  };
  auto read_on = [&] {
    while (waiting->size() >= pool.max_observations_waiting)
      std::this_thread::sleep_for(200us);
  };
  auto apart = std::chrono::ceil<std::chrono::seconds>(first.length()) + 30s;
  auto groups = (copies + side_by_side - 1) / side_by_side;
  for (std::size_t g = 0; g < groups; ++g) {
    auto shift = static_cast<int>(g) * apart;
    for (std::size_t c = 0; c < group.size(); ++c)
      group[c].make_copy(g * side_by_side + c, shift);
    auto began = clock_type::now();
    auto batch = std::make_shared<observation_batch>();
    auto flush = [&] {
      if (batch->empty())
        return;
      read_on();
      self->send(root, observe_atom_v, backlog::counted(waiting, std::move(batch)), now);
      batch = std::make_shared<observation_batch>();
    };
    for (std::size_t i = 0; i < first.lines(); ++i) {
      auto at = first.received_at(i, shift);
      if (now + tick <= at)
        flush();
      pass(at);
      for (auto& copy : group)
        if (auto decoded = decoder.decode_watch(copy.line(i), at, first.initial(i) && g == 0);
            decoded && *decoded) {
          batch->push_back(std::move(**decoded));
          ++observations;
          if (batch->size() >= pool.batch_size)
            flush();
        }
    }
    flush();
    bool done = false;
    while (g + 1 == groups && !done) {
      // As fast as they are handled, or ticks pile up before an actor that is at work.
      std::this_thread::sleep_for(200us);
      if (waiting->size() > 0)
        continue;
      pass(now + 500ms);
      self->request(root, caf::infinite, books_atom_v)
          .receive([&](const controller_books_ptr& books) { done = all_delivered(*books); },
                   [](const caf::error&) { throw std::runtime_error("the controller actor has ended"); });
    }
    taken += clock_type::now() - began;
  }
  self->send_exit(root, caf::exit_reason::user_shutdown);
  return {{"observations_per_s",
           static_cast<double>(observations) / std::chrono::duration<double>(taken).count()}};
}

} // namespace

int main(int argc, char** argv) {
  std::size_t copies = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 200;
  std::size_t rounds = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 5;
  if (std::thread::hardware_concurrency() < 2) {
    std::fprintf(stderr, "two_cores_vs_one is skipped: there is one core\n");
    std::cout << "{}\n";
    return 0;
  }
  std::vector<double> ratios, rates;
  for (std::size_t round = 0; round < rounds; ++round) {
    auto one = bench::measured_apart([copies] { return play(1, copies); });
    auto two = bench::measured_apart([copies] { return play(2, copies); });
    rates.push_back(one["observations_per_s"]);
    ratios.push_back(two["observations_per_s"] / one["observations_per_s"]);
    std::fprintf(stderr, "one core: %.0f observations a second, two: %.2f times as many\n", rates.back(),
                 ratios.back());
  }
  std::sort(ratios.begin(), ratios.end());
  std::sort(rates.begin(), rates.end());
  std::cout << nlohmann::json{{"two_cores_vs_one",
                               {{"value", ratios[rounds / 2]},
                                {"goal", 1.7},
                                {"better", "higher"},
                                {"unit", "ratio"}}},
                              {"one_core_observations_per_s",
                               {{"value", rates[rounds / 2]}, {"better", "higher"}, {"unit", "1/s"}}}}
                   .dump(2)
            << '\n';
}
