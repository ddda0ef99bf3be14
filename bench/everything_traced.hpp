#pragma once

// What each bench of the actors begins with: one Trace that selects everything, and the Provider it names.

#include "actors/virtual_system.hpp"

#include <memory>
#include <utility>

namespace tc::bench {

/// Applies the Provider "bench/sink" with this exporter, and the Trace "bench/bench" that names it.
inline void trace_everything(actors::virtual_system& system, std::shared_ptr<exporter_setup> exporter) {
  exporter->random = [] { return 0.5; };
  auto binding = std::make_shared<provider_binding>();
  binding->namespace_name = "bench";
  binding->name = "sink";
  binding->setup = std::move(exporter);
  system.apply(std::move(binding));
  trace_resource everything;
  everything.namespace_name = "bench";
  everything.name = everything.uid = "bench";
  everything.provider_name = "sink";
  system.apply(std::make_shared<trace_resource>(everything));
}

} // namespace tc::bench
