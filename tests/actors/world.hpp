#pragma once

// A recording, the actors in virtual time and a backend that remembers what it got: what tests of the actors
// share.

#include "actors/virtual_system.hpp"
#include "export/otlp_json.hpp"
#include "tests/support/recording.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tc::actors::test {

/// Returns the observations of a bundled recording.
inline std::vector<observation_ptr> recorded(const std::string& name) {
  return tc::test::load_stream(std::string{TC_SOURCE_DIR} + "/tests/recordings/" + name + "/stream.jsonl.gz");
}

/// A backend in memory.
class remembering_sink : public exporting::span_sink {
public:
  void send(std::shared_ptr<const exporting::encoded_batch> batch, done_function done) override {
    auto answer = answers ? answers(++attempts) : exporting::attempt_result{};
    if (answer.outcome == exporting::attempt_outcome::delivered)
      for (const auto& share : batch->shares)
        for (std::size_t i = share.first; i < share.first + share.count; ++i) {
          const auto& value = share.trace->spans[i];
          auto [place, added] = spans.try_emplace(share.trace->id.to_hex() + value.id.to_hex(), value);
          if (!added) {
            ++repeated;
            if (!(place->second == value))
              ++changed;
          }
        }
    done(answer);
  }
  std::shared_ptr<const exporting::span_encoder> encoder() const override { return encoder_; }
  std::string description() const override { return "memory"; }

  std::function<exporting::attempt_result(int attempt)> answers; ///< empty: all is taken
  std::map<std::string, span> spans;                             ///< by trace and span ID
  int attempts = 0;
  int repeated = 0; ///< spans that came again
  int changed = 0;  ///< of these, with other content

private:
  std::shared_ptr<const exporting::span_encoder> encoder_ = std::make_shared<exporting::otlp_json_encoder>();
};

inline exporter_setup_ptr setup_for(std::shared_ptr<exporting::span_sink> sink) {
  auto out = std::make_shared<exporter_setup>();
  out->sink = std::move(sink);
  out->random = [] { return 0.5; };
  return out;
}

inline trace_resource_ptr everything(std::string name = "all") {
  trace_resource out;
  out.namespace_name = "flux-system";
  out.uid = name;
  out.name = std::move(name);
  out.provider_name = "backend";
  return std::make_shared<trace_resource>(std::move(out));
}

inline provider_binding_ptr binding_to(exporter_setup_ptr setup) {
  auto out = std::make_shared<provider_binding>();
  out->namespace_name = "flux-system";
  out->name = "backend";
  out->setup = std::move(setup);
  return out;
}

/// The actors, with time in seconds: fewer messages, so that a test can look at each.
struct world {
  explicit world(timestamp began, std::function<void(controller_setup&)> adjust = {}) {
    controller_setup setup;
    setup.began = began;
    setup.events = std::make_shared<trace_events>();
    if (adjust)
      adjust(setup);
    system = std::make_unique<virtual_system>(std::move(setup), std::chrono::seconds{1});
  }

  void play(const std::vector<observation_ptr>& facts) {
    for (const auto& fact : facts)
      system->observe(fact, std::max(fact->received_at, system->now()));
  }

  std::shared_ptr<remembering_sink> backend = std::make_shared<remembering_sink>();
  std::unique_ptr<virtual_system> system;
};

/// Fails the current test unless the books add up.
void expect_balance(const controller_books& books);

} // namespace tc::actors::test
