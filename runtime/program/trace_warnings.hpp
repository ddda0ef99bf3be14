#pragma once

// Warnings about a Trace as Kubernetes Events on it, for `kubectl describe`. At most one a minute for each
// Trace: a backend that refuses everything must not flood the API server. What is held back is counted in the
// next.

#include "messages/trace_spec.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace tc::runtime {

class trace_warnings {
public:
  static constexpr duration spacing = std::chrono::minutes{1};
  /// Posts a core/v1 Event, as JSON, into a namespace.
  using poster = std::function<void(const std::string& namespace_name, std::string event_json)>;

  trace_warnings(poster post, std::function<timestamp()> clock)
      : post_(std::move(post)), clock_(std::move(clock)) {}

  /// Tells of something that was lost; `reason` is in CamelCase, `message` holds no secret. Thread-safe, as
  /// gone() is.
  void warn(const trace_resource& about, const std::string& reason, std::string message);
  /// Forgets a deleted Trace.
  void gone(const std::string& uid);

private:
  struct state {
    timestamp next;
    std::size_t held_back = 0;
  };

  poster post_;
  std::function<timestamp()> clock_;
  std::mutex mutex_;
  std::map<std::string, state> states_; ///< by UID
};

} // namespace tc::runtime
