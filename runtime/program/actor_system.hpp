#pragma once

// CAF's actor system, configured from the pool options.

#include "messages/actors.hpp"
#include "runtime/options.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <memory>

namespace tc::runtime {

class actor_runtime {
public:
  explicit actor_runtime(const pool_options& pool);

  caf::actor_system& system() { return *system_; }
  /// Waits for every actor to end; nothing may be spawned after.
  void stop() { system_.reset(); }

private:
  struct config : caf::actor_system_config {
    explicit config(const pool_options& pool);
  };

  config config_;
  std::unique_ptr<caf::actor_system> system_;
};

} // namespace tc::runtime
