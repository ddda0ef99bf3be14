#pragma once

// Keeps one resource in view: runs the list-watch protocol of reflector_state.hpp on the HTTP client's
// thread. Needs no thread of its own.

#include "kube/cluster.hpp"
#include "kube/discovery.hpp"
#include "kube/reading_order.hpp"
#include "kube/reflector_sink.hpp"
#include "kube/reflector_state.hpp"

#include <functional>
#include <memory>
#include <string>

namespace tc::kube {

/// What several reflectors share. All of it must outlive them; so must the cluster's loop.
struct reflector_context {
  cluster& target;
  discovery& versions;
  reflector_sink& sink;
  std::function<timestamp()> clock; ///< wall clock
  /// Whether the sink can take more: else the API server is made to wait. Optional.
  std::function<bool()> may_read = {};
  /// Shared with other reflectors on the same loop: whose watch is read first. Optional.
  reading_order* order = nullptr;
};

class reflector {
public:
  /// `kind` must be one of watched_kinds() or live as long as the reflector.
  reflector(reflector_context context, const watched_kind& kind, reflector_options options);
  /// Calls stop().
  ~reflector();
  reflector(const reflector&) = delete;
  reflector& operator=(const reflector&) = delete;

  /// Begins, from any thread. Once. `trusting`: from where an earlier process was; else with a list.
  void start(bool trusting = true);

  /// Ends it, from any thread. When it returns the sink is not called any more. A second call does nothing.
  void stop();

  /// Returns where it stands; from any thread.
  struct snapshot {
    resource_ref resource; ///< with version and plural once they are known
    reflector_status status = reflector_status::stopped;
    std::string reason; ///< of the status, for people
    bool synced = false;
    std::size_t objects = 0;
    reflector_counts counts;
  };
  snapshot look() const;

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace tc::kube
