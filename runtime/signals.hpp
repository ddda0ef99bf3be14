#pragma once

// How the process meets signals: SIGTERM and SIGINT ask it to end, once; a second one ends it at once. Also
// what a process that holds tokens and writes to sockets wants of the system.

#include <functional>
#include <memory>

namespace tc::runtime {

/// Watches SIGTERM and SIGINT for as long as it lives, then restores what was. At most one may live at a
/// time, because handlers belong to the process.
class signal_watch {
public:
  /// Calls `on_request` with the signal's number at the first signal, on a thread of its own, so that it may
  /// lock and block. A second signal ends the process with exit code 128 + signal, whatever the callback is
  /// doing.
  explicit signal_watch(std::function<void(int signal)> on_request);
  ~signal_watch();

  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;

private:
  class state;
  std::unique_ptr<state> state_;
};

/// A closed connection or pipe is an error of the write, not the end of the process.
void ignore_broken_pipes();

/// No core dumps: memory holds credentials.
void forbid_core_dumps();

} // namespace tc::runtime
