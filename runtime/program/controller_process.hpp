#pragma once

// The running controller as one object: started, asked to stop, drained. Holds the threads (the HTTP
// client's, the probe server's, the actors' pool) and ends them in the right order.

#include "kube/cluster.hpp"
#include "runtime/logging.hpp"
#include "runtime/options.hpp"

#include <tl/expected.hpp>

#include <memory>
#include <string>

namespace tc::runtime {

class controller_process {
public:
  /// The error names the flag or file and the remedy.
  static tl::expected<std::unique_ptr<controller_process>, std::string>
  start(const run_options& options, std::shared_ptr<kube::access_source> access, const logger& log);
  ~controller_process();
  controller_process(const controller_process&) = delete;
  controller_process& operator=(const controller_process&) = delete;

  /// Thread-safe; `signal` is logged.
  void request_stop(int signal);
  /// Returns once a stop was requested.
  void wait_for_stop();
  /// Stops watching, gives what has settled until --shutdown-timeout to reach its backend, logs what was
  /// left, and ends. Returns whether nothing that had settled was left.
  bool drain();
  /// Returns whether the controller actor ended by itself; the process should be started anew.
  bool has_failed() const;

private:
  struct impl;
  explicit controller_process(std::unique_ptr<impl> made);

  std::unique_ptr<impl> impl_;
};

} // namespace tc::runtime
