#include "runtime/program/actor_system.hpp"

namespace tc::runtime {

actor_runtime::config::config(const pool_options& pool) {
  add_message_types<caf::id_block::trace_controller>();
  if (pool.scheduler_threads > 0)
    set("scheduler.max-threads", pool.scheduler_threads);
  set("scheduler.policy",
      pool.policy == scheduler_policy::sharing ? caf::atom("sharing") : caf::atom("stealing"));
  if (pool.scheduler_throughput > 0)
    set("scheduler.max-throughput", pool.scheduler_throughput);
  set("logger.file-verbosity", caf::atom("quiet"));
  set("logger.console-verbosity", caf::atom("quiet"));
}

actor_runtime::actor_runtime(const pool_options& pool)
    : config_(pool), system_(std::make_unique<caf::actor_system>(config_)) {
  // nop
}

} // namespace tc::runtime
