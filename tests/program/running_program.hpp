#pragma once

// The program as a process of its own: started, listened to, asked over HTTP, signalled.

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace tc::testing {

class running_program {
public:
  explicit running_program(std::vector<std::string> arguments);
  /// Kills it when it still runs.
  ~running_program();
  running_program(const running_program&) = delete;
  running_program& operator=(const running_program&) = delete;

  void signal(int number);
  pid_t process() const { return process_; }
  /// Waits for its end. Returns the exit status, or 128 and the signal that ended it.
  int exit_status();

  /// Waits until a line on standard error has all of these texts. Returns the line, or "" when the process
  /// ended without it, or after generous_limit.
  std::string wait_for_line(const std::vector<std::string>& texts);
  /// Returns what it wrote to standard error so far.
  std::string log() const;
  /// Waits until it says on which port it serves. Returns 0 when that does not come.
  int port_of(const std::string& flag);

private:
  void read_log(int pipe);

  pid_t process_ = -1;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string log_;
  bool ended_ = false;
  std::thread reader_;
};

/// Returns a kubeconfig whose one context reaches that server with that token.
std::string kubeconfig_for(const std::string& server, const std::string& token);

/// Asks a server on 127.0.0.1. Returns status and body, 0 when there is no answer.
std::pair<int, std::string> get(int port, const std::string& path);
/// The same with a body; `headers` are lines, each with its line end.
std::pair<int, std::string> post(int port, const std::string& body, const std::string& headers = {});

} // namespace tc::testing
