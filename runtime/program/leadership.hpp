#pragma once

// What follows for this process from who holds the lease (kube/lease_election.hpp): when it begins to export,
// that it must stop, what the log and the metric say. No clock and no thread of its own.

#include "kube/lease_election.hpp"
#include "runtime/logging.hpp"

#include <atomic>
#include <functional>
#include <limits>
#include <string>
#include <utility>

namespace tc::runtime {

class leadership {
public:
  /// How long until what the predecessor delivered is asked for once more.
  static constexpr auto pause = std::chrono::seconds{1};

  struct outside {
    std::function<duration()> clock; ///< steady; the one of the election. From any thread
    std::function<void(duration, std::function<void()>)> later;
    /// Has what the predecessor delivered read and passed on; calls back with "" or the error.
    std::function<void(std::function<void(const std::string& error)>)> catch_up;
    std::function<void()> begin; ///< this process exports from now on
    std::function<void()> lost;  ///< it must end, and nothing may wait for it
    std::function<void(bool leads)> shown;
  };

  leadership(outside functions, const logger& log) : outside_(std::move(functions)), log_(log) {
    // nop
  }

  /// Takes a step of the election over. On one thread, that of `later` and `catch_up`.
  void changed(const kube::lease_election& now);

  /// Whether this process may write and send at this moment: asked before each request, because a process
  /// that was stopped for a while is no leader when it wakes. Thread-safe, as the next two are.
  bool leads() const { return outside_.clock().count() < leads_until_.load(); }
  /// Whether `begin` was called, and it has not lost the lease or given it back.
  bool has_begun() const { return begun_.load(); }
  bool is_lost() const { return lost_.load(); }

private:
  void catch_up();

  outside outside_;
  logger log_;
  kube::election_role role_ = kube::election_role::standby;
  std::string holder_;
  std::string problem_;
  std::atomic<duration::rep> leads_until_{std::numeric_limits<duration::rep>::min()};
  std::atomic<bool> begun_{false};
  std::atomic<bool> lost_{false};
};

} // namespace tc::runtime
