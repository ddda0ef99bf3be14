#pragma once

// Requests to one cluster: adds server, TLS and credentials to a request that names only its path. What the
// paths are is known to reflector.hpp, discovery.hpp and api_client.hpp.

#include "kube/access.hpp"
#include "runtime/http_client/http_loop.hpp"

#include <memory>

namespace tc::kube {

/// An open request. Forgetting it does not end the request.
class cluster_request {
public:
  /// Ends the request early: its on_done is called with http_failure::cancelled. When called on the loop's
  /// thread, no on_head or on_data follows.
  void cancel();

private:
  friend class cluster;
  struct impl;
  std::shared_ptr<impl> impl_;
};

/// Thread-safe. The loop must outlive it.
class cluster {
public:
  cluster(runtime::http_loop& loop, std::shared_ptr<access_source> access);

  /// Sends a request whose `url` is a path with query ("/api/v1/…"). Its tls and proxy are those of the
  /// cluster. Without access to the cluster on_done gets http_failure::invalid with the reason.
  cluster_request send(runtime::http_request request);

  runtime::http_loop& loop() const { return *loop_; }
  const access_source& access() const { return *access_; }

private:
  runtime::http_loop* loop_;
  std::shared_ptr<access_source> access_;
};

} // namespace tc::kube
