#pragma once

// The receiver of Flux's HTTP events: answers as notification-controller does, so that a Flux controller can
// be pointed here with its --events-addr, and keeps what concerns us until it is taken. An answer waits for
// nobody: not for an actor, a backend or a disk.

#include "kube/decode/decode.hpp"
#include "kube/watched_file.hpp"
#include "messages/actors.hpp"
#include "runtime/http_server.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace tc::runtime {

class event_intake {
public:
  /// As notification-controller has it.
  static constexpr std::size_t largest_body = std::size_t{3} << 20;
  static constexpr std::size_t largest_header = std::size_t{256} << 10;

  struct settings {
    std::string hmac_key_file; ///< "" = no signature is asked for
    std::string token_file;    ///< "" = no bearer token is asked for
    std::function<timestamp()> clock;
    /// How many events, and bytes of them, may wait until the actors have had them; beyond it senders are
    /// told to come again.
    std::size_t most_waiting = 65'536;
    std::size_t most_waiting_bytes = std::size_t{64} << 20;
    /// Told of each answer: its HTTP status and why, in a word. On the server's thread. Optional.
    std::function<void(int status, const std::string& reason)> answered;
    /// Gets each event that is answered 202, before the answer; `fact` is null when it is about a kind that
    /// is not followed. Must not wait. Optional.
    std::function<void(const server_request&, const observation_ptr& fact)> accepted;
    /// Told of what cannot be read, without any of its text but the place. Optional.
    std::function<void(const std::string& problem)> broken;
  };

  explicit event_intake(settings with);

  /// Answers one request; on the server's thread.
  server_response answer(const server_request& request);

  /// Returns what has come since the last call, null when nothing has. It counts as waiting until nobody
  /// holds the batch any more. Thread-safe.
  observation_batch_ptr take();

private:
  server_response decide(const server_request& request, std::string& reason);
  /// Returns "" or why the sender is not believed.
  std::string distrust(const server_request& request);

  settings with_;
  kube::decoder decoder_;
  kube::watched_file hmac_key_;
  kube::watched_file token_;
  /// What has come and is not done with; outlives the intake in the batches.
  struct load {
    std::atomic<std::size_t> events{0};
    std::atomic<std::size_t> bytes{0};
  };
  std::shared_ptr<load> load_ = std::make_shared<load>();
  std::mutex mutex_;
  observation_batch waiting_;
  std::size_t waiting_bytes_ = 0;
};

} // namespace tc::runtime
