#pragma once

// Where the API server is and how to be let in: what kubeconfig.hpp and in_cluster.hpp find out, and what
// every request to the cluster asks for anew, because tokens and certificates change while the process runs.

#include "runtime/http_client/http_loop.hpp"

#include <tl/expected.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tc::kube {

/// All that a request needs beside its path.
struct cluster_access {
  std::string server; ///< "https://host:6443", without a slash at the end
  std::shared_ptr<const runtime::tls_options> tls;
  std::vector<std::string> headers; ///< Authorization, Impersonate-User and the like
  std::optional<std::string> proxy; ///< nothing: as the environment says
};

/// Why there is no access. The message names the input, the place in it and the remedy, and never a secret.
struct access_error {
  std::string message;
};

using access_result = tl::expected<cluster_access, access_error>;

class access_source {
public:
  virtual ~access_source() = default;

  /// Calls `done` exactly once: before it returns, or later on another thread when a credential plugin has to
  /// run. May be called from any thread; cheap, so that it can be asked for every request.
  virtual void get(std::function<void(access_result)> done) = 0;

  /// The server answered 401: what can be renewed is renewed for the next get().
  virtual void refused() = 0;

  /// Returns the namespace of the context or of the service account, "" when none is given.
  virtual std::string default_namespace() const = 0;

  /// Returns a word on where it comes from, for the log at the start: "kubeconfig FILE, context NAME".
  virtual std::string description() const = 0;
};

/// Access that never changes; for tests.
class fixed_access : public access_source {
public:
  explicit fixed_access(cluster_access access) : access_(std::move(access)) {}
  void get(std::function<void(access_result)> done) override { done(access_); }
  void refused() override {}
  std::string default_namespace() const override { return {}; }
  std::string description() const override { return access_.server; }

private:
  cluster_access access_;
};

} // namespace tc::kube
