#pragma once

// Forwards the HTTP events that were received to somebody else, usually notification-controller: byte for
// byte, in order for each object, tried again while the receiver is away, and never felt by the sender. How
// each delivery went is told, as a fact about the object of the event.

#include "export/retry.hpp"
#include "messages/observation.hpp"
#include "runtime/http_client/http_loop.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

namespace tc::runtime {

/// An event to be forwarded.
struct forwarded_event {
  std::vector<std::string> headers; ///< "Name: value"
  std::string body;
  observation_ptr fact; ///< what it says; null when it is about a kind that is not followed
};

/// All functions belong to one thread, that of the HTTP client, on which its requests end too.
class event_tee {
public:
  struct settings {
    std::string url;
    std::function<void(http_request)> send;
    std::function<void(duration wait, std::function<void()> then)> later;
    std::function<timestamp()> clock;
    std::function<double()> random; ///< uniform in [0, 1)
    /// How a delivery ended: a notification about the event's object. Optional.
    std::function<void(observation_ptr)> told;
    /// Counts: "forwarded", "retried", "refused", "gave_up" or "overflow". Optional.
    std::function<void(const std::string& outcome)> counted;
    exporting::backoff_policy backoff{};
    /// An event older than that helps nobody. Flux's own client gives up after 15 seconds.
    duration give_up_after = std::chrono::minutes{15};
    std::size_t most_events = 16'384;
    std::size_t most_bytes = std::size_t{64} << 20;
    std::size_t most_requests = 32; ///< at the same time
  };

  explicit event_tee(settings with);

  void forward(forwarded_event event);
  /// Returns how many events wait or are on their way. Thread-safe.
  std::size_t waiting() const { return events_; }

private:
  struct entry {
    forwarded_event event;
    timestamp began; ///< of the first attempt; unknown before
    timestamp accepted;
    unsigned failures = 0;
  };
  struct lane {
    std::deque<entry> entries; ///< the first one is being delivered
    bool is_busy = false;      ///< a request or a wait is under way
  };

  void begin(const std::string& key);
  void ended(const std::string& key, const http_result& result);
  void finish(const std::string& key, const std::string& outcome, const std::string& error);
  void begin_next();
  void count(const std::string& outcome) const;

  settings with_;
  std::string receiver_;                        ///< the host, for people
  std::unordered_map<std::string, lane> lanes_; ///< by object
  std::deque<std::string> ready_;               ///< lanes that wait for a free request
  std::size_t requests_ = 0;
  std::atomic<std::size_t> events_{0};
  std::size_t bytes_ = 0;
};

} // namespace tc::runtime
