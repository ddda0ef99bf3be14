// What an observation goes through, step by step, each in a function of its own whose instructions
// bench/instructions counts with callgrind. The same work in every run; nothing is timed here.
//
// usage: hot_path     says on standard output, as JSON, how many observations each step handles

#include "actors/virtual_system.hpp"
#include "bench/everything_traced.hpp"
#include "bench/multiplied_recording.hpp"
#include "bench/wide_change.hpp"
#include "export/otlp_encoder.hpp"
#include "kube/decode/decode.hpp"
#include "trace/estate.hpp"
#include "trace/settle.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <vector>

namespace {

using namespace tc;

/// What one round of watch events of several estates side by side says.
struct input {
  std::vector<bench::multiplied_recording> copies;

  explicit input(std::size_t count)
      : copies(count,
               bench::multiplied_recording{TC_SOURCE_DIR "/tests/recordings/s02-helm/stream.jsonl.gz"}) {
    for (std::size_t number = 0; number < count; ++number)
      copies[number].make_copy(number, duration{0});
  }

  timestamp began() const { return copies.front().received_at(0, duration{0}); }
};

} // namespace

// Names that callgrind finds.
extern "C" {

[[gnu::noinline]] void measured_decode(const input& lines, std::vector<observation_ptr>& out) {
  kube::decoder decoder;
  for (std::size_t at = 0; at < lines.copies.front().lines(); ++at)
    for (const auto& copy : lines.copies)
      if (auto decoded =
              decoder.decode_watch(copy.line(at), copy.received_at(at, duration{0}), copy.initial(at));
          decoded && *decoded)
        out.push_back(std::move(**decoded));
}

[[gnu::noinline]] void measured_estate(const std::vector<observation_ptr>& facts, std::size_t& changes) {
  trace::estate estate{trace::assembly_options{}};
  for (const auto& fact : facts)
    changes += estate.observe(fact).size();
}

[[gnu::noinline]] void measured_ledger(const std::vector<observation_ptr>& facts, trace::ledger& out) {
  for (const auto& fact : facts)
    out.add(fact);
}

[[gnu::noinline]] void measured_judgement(const trace::ledger& facts, timestamp now, std::size_t& spans) {
  spans +=
      trace::judge_and_assemble(facts, "sha1:" + std::string(40, 'a'), {}, now, true).trace->spans.size();
}

[[gnu::noinline]] void measured_actors(actors::virtual_system& system,
                                       const std::vector<observation_ptr>& facts) {
  for (const auto& fact : facts)
    system.observe(fact, std::max(fact->received_at, system.now()));
  system.settle(std::chrono::hours{1});
}
}

int main() {
  input lines{3};
  std::vector<observation_ptr> facts;
  measured_decode(lines, facts);

  std::size_t changes = 0;
  measured_estate(facts, changes);

  auto wide = bench::wide_change(50);
  trace::ledger ledger;
  measured_ledger(wide, ledger);
  std::size_t spans = 0;
  measured_judgement(ledger, wide.back()->received_at, spans);

  actors::controller_setup setup;
  setup.began = lines.began();
  setup.events = std::make_shared<actors::trace_events>();
  actors::virtual_system system(std::move(setup));
  auto exporter = std::make_shared<exporter_setup>();
  exporter->sink =
      std::make_shared<exporting::null_sink>(std::make_shared<exporting::otlp_protobuf_encoder>());
  bench::trace_everything(system, exporter);
  measured_actors(system, facts);

  std::cout << nlohmann::json{{"decode", facts.size()},
                              {"estate", facts.size()},
                              {"ledger", wide.size()},
                              {"judgement", wide.size()},
                              {"actors", facts.size()}}
                   .dump()
            << '\n';
  return changes > 0 && spans > 0 ? 0 : 1;
}
