#include "bench/settled_traces.hpp"

#include "actors/virtual_system.hpp"
#include "bench/everything_traced.hpp"
#include "bench/multiplied_recording.hpp"
#include "export/otlp_encoder.hpp"
#include "export/sink.hpp"
#include "kube/decode/decode.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace tc::bench {

namespace {

/// Takes everything and keeps the traces.
class keeping_sink : public exporting::span_sink {
public:
  explicit keeping_sink(std::vector<completed_trace_ptr>& kept) : kept_(kept) {
    // nop
  }

  void send(std::shared_ptr<const exporting::encoded_batch> batch, done_function done) override {
    for (const auto& share : batch->shares)
      if (share.first == 0)
        kept_.push_back(share.trace);
    done({});
  }
  std::shared_ptr<const exporting::span_encoder> encoder() const override { return encoder_; }
  std::string description() const override { return "a list"; }

private:
  std::vector<completed_trace_ptr>& kept_;
  std::shared_ptr<const exporting::span_encoder> encoder_ =
      std::make_shared<exporting::otlp_protobuf_encoder>();
};

void play(const std::string& name, std::size_t copies, std::vector<completed_trace_ptr>& kept) {
  std::vector<multiplied_recording> group(
      copies, multiplied_recording(TC_SOURCE_DIR "/tests/recordings/" + name + "/stream.jsonl.gz"));
  const auto& first = group.front();
  for (std::size_t c = 0; c < group.size(); ++c)
    group[c].make_copy(c, duration{0});

  actors::controller_setup setup;
  setup.began = first.received_at(0, duration{0});
  setup.events = std::make_shared<actors::trace_events>();
  actors::virtual_system system(std::move(setup));
  auto exporter = std::make_shared<exporter_setup>();
  exporter->sink = std::make_shared<keeping_sink>(kept);
  trace_everything(system, exporter);

  kube::decoder decoder;
  for (std::size_t i = 0; i < first.lines(); ++i) {
    auto at = first.received_at(i, duration{0});
    for (auto& copy : group)
      if (auto decoded = decoder.decode_watch(copy.line(i), at, first.initial(i)); decoded && *decoded)
        system.observe(std::move(**decoded), std::max(at, system.now()));
  }
  system.settle(std::chrono::hours{1});
}

} // namespace

std::vector<completed_trace_ptr> settled_traces(std::size_t copies) {
  std::vector<completed_trace_ptr> out;
  for (const char* name : {"s01-three-kustomizations", "s02-helm", "s03-failures"})
    play(name, copies, out);
  return out;
}

} // namespace tc::bench
