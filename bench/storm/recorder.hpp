#pragma once

// The event recorder of a Flux controller: an HTTP event for each, and a core/v1 Event as lossy as client-go
// makes it (shared/reference/flux.md, 1.5): same event again counts up and keeps its old annotations, ten
// like it become one that is combined, and more than a burst of 25 an object are dropped.

#include "bench/storm/cluster.hpp"

#include <deque>
#include <map>
#include <set>
#include <string>

namespace tc::storm {

/// What an HTTP event's line says: when it arrived, and its body.
using post_sink = std::function<void(timestamp, const json& body)>;

class recorder {
public:
  recorder(timeline& time, cluster& objects, std::string controller, post_sink posts)
      : time_(time), objects_(objects), controller_(std::move(controller)), posts_(std::move(posts)) {}

  /// `type` is "Normal", "Warning" or "Trace" (no HTTP event). `metadata` has keys with their group.
  void record(const json& about, const std::string& type, const std::string& reason, std::string message,
              const std::map<std::string, std::string>& metadata);

private:
  struct budget {
    double tokens = 25;
    timestamp at;
  };
  struct similar {
    std::set<std::string> messages;
    timestamp last;
  };

  void record_event(const json& about, const std::string& type, const std::string& reason,
                    std::string message, std::map<std::string, std::string> metadata);

  timeline& time_;
  cluster& objects_;
  std::int64_t serial_ = 0;
  std::string controller_;
  post_sink posts_;
  std::map<object_key, budget> budgets_;
  std::map<std::string, similar> similar_;
  std::map<std::string, json> known_; ///< by what makes two Events the same
};

} // namespace tc::storm
