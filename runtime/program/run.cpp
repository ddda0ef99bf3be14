// `trace-controller run`: the controller. Wires the cluster's watches, the actors and the backends together.

#include "runtime/program/commands.hpp"
#include "runtime/program/controller_process.hpp"
#include "runtime/program/find_cluster.hpp"
#include "runtime/signals.hpp"
#include "version.hpp"

#include <cstdio>

namespace tc::runtime {

int run(const run_options& options) {
  ignore_broken_pipes();
  forbid_core_dumps();
  // Before the first line of the log: a wrong kubeconfig is one line on standard error.
  auto access = find_cluster(options.cluster);
  if (!access) {
    std::fprintf(stderr, "trace-controller run: %s\n", access.error().c_str());
    return 2;
  }
  logger log(options.logging);
  log.info("trace-controller starts", {{"version", version}});
  log.info("effective options", effective_values(options));
  auto process = controller_process::start(options, std::move(*access), log);
  if (!process) {
    std::fprintf(stderr, "trace-controller run: %s\n", process.error().c_str());
    return 2;
  }
  {
    signal_watch signals([&](int signal) { (*process)->request_stop(signal); });
    (*process)->wait_for_stop();
  }
  return (*process)->drain() && !(*process)->has_failed() ? 0 : 1;
}

} // namespace tc::runtime
