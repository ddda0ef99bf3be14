#pragma once

// Whether the process still works, for /healthz: the controller actor tells its books once a second, and
// nobody supervises it. Thread-safe.

#include <chrono>
#include <mutex>
#include <string>

namespace tc::runtime {

class liveness {
public:
  using clock = std::chrono::steady_clock;
  /// Silent for so long, the controller actor is stuck. Long enough for a storm's backlog.
  static constexpr auto longest_silence = std::chrono::minutes{2};

  explicit liveness(clock::time_point now) : told_(now) {}

  /// The controller actor has told its books.
  void told(clock::time_point now) {
    std::lock_guard guard{mutex_};
    told_ = now;
  }

  /// The controller actor has ended although nobody asked it to.
  void failed(std::string reason) {
    std::lock_guard guard{mutex_};
    failure_ = "the controller actor has ended: " + std::move(reason);
  }

  bool has_failed() const {
    std::lock_guard guard{mutex_};
    return !failure_.empty();
  }

  /// Returns "" or why the process should be started anew.
  std::string problem(clock::time_point now) const {
    std::lock_guard guard{mutex_};
    if (!failure_.empty())
      return failure_;
    return now - told_ > longest_silence ? "the controller actor has not answered for two minutes" : "";
  }

private:
  mutable std::mutex mutex_;
  clock::time_point told_;
  std::string failure_;
};

} // namespace tc::runtime
