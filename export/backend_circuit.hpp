#pragma once

// Whether a backend is away, and who may ask it next: shared by the delivery queues of all Providers of one
// endpoint, so that a dead backend costs one probe in an interval and not one for each of them. No clock and
// no timer: the queues pass `now`.

#include "export/endpoint.hpp"
#include "export/retry.hpp"
#include "runtime/http_client/http_loop.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tc::exporting {

struct circuit_policy {
  /// After that many failed attempts in a row the backend counts as away.
  unsigned away_after = 3;
  /// Then one attempt at a time probes it: the waits grow from `first_wait`, doubled each time and drawn from
  /// below that, so that many clients do not come at once; from there on one in each interval.
  duration probe_interval = std::chrono::seconds{30};
  duration first_wait = std::chrono::seconds{1};
};

class backend_circuit : public std::enable_shared_from_this<backend_circuit> {
public:
  /// `random` returns numbers uniform in [0, 1).
  backend_circuit(circuit_policy policy, std::function<double()> random)
      : policy_(policy), random_(std::move(random)) {}
  backend_circuit(const backend_circuit&) = delete;
  backend_circuit& operator=(const backend_circuit&) = delete;

  /// The leave to make one attempt; over when it is destroyed, whatever became of the attempt.
  class leave {
  public:
    explicit leave(std::shared_ptr<backend_circuit> of) : of_(std::move(of)) {}
    ~leave() { of_->give_back(); }
    leave(const leave&) = delete;
    leave& operator=(const leave&) = delete;
    backend_circuit& circuit() const { return *of_; }

  private:
    std::shared_ptr<backend_circuit> of_;
  };

  /// Returns a number for one more queue that asks. Thread-safe, as everything here.
  std::uint64_t join();
  /// Returns the leave for an attempt of that queue, or nullptr when it has to wait. Queues that have
  /// something to send take turns as the probe.
  std::unique_ptr<leave> ask(std::uint64_t queue, timestamp now);

  /// The backend answered, be it with a refusal.
  void answered(timestamp now);
  /// An attempt ended without a usable answer.
  void failed(timestamp now);
  /// Somebody has changed how the backend is reached: what was known of it does not count.
  void reset();

  bool is_away() const;
  /// Returns when the next probe is due; in the past when the backend is not away.
  timestamp next_probe() const;
  /// Returns how often the backend has come back.
  std::uint64_t recoveries() const;

private:
  /// How long a queue that asked in vain counts as one that waits for its turn.
  static constexpr duration patience = std::chrono::seconds{1};

  void give_back();
  bool away() const { return failures_ >= policy_.away_after; }

  circuit_policy policy_;
  std::function<double()> random_;
  mutable std::mutex mutex_;
  unsigned failures_ = 0; ///< in a row
  std::size_t open_ = 0;  ///< attempts under way
  timestamp next_probe_{};
  std::uint64_t recoveries_ = 0;
  std::uint64_t queues_ = 0;
  std::uint64_t last_prober_ = 0;
  std::map<std::uint64_t, timestamp>
      asked_; ///< since the backend is away, by those who have not probed since
};

/// What makes two endpoints the same: everything before the request itself. Credentials are not in it, since
/// a backend that refuses them is not away.
struct endpoint_identity {
  std::string url;
  std::optional<std::string> proxy;
  std::shared_ptr<const runtime::tls_options> tls;

  bool operator==(const endpoint_identity& other) const;
};

/// Finds the circuit of an endpoint. Circuits that nobody uses any more are forgotten. For one thread.
class circuit_registry {
public:
  circuit_registry(circuit_policy policy, std::function<double()> random)
      : policy_(policy), random_(std::move(random)) {}

  std::shared_ptr<backend_circuit> circuit_of(const endpoint_identity& endpoint);

private:
  circuit_policy policy_;
  std::function<double()> random_;
  std::vector<std::pair<endpoint_identity, std::weak_ptr<backend_circuit>>> known_;
};

} // namespace tc::exporting
