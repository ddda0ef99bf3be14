#pragma once

// The few requests that the controller makes beside its watches: the status of Traces, and the Secrets that
// Providers name. Values of Secrets appear in no message.

#include "kube/cluster.hpp"
#include "kube/resources.hpp"
#include "runtime/program/provider_registry.hpp"

#include <functional>
#include <mutex>
#include <string>

namespace tc::runtime {

class cluster_writer {
public:
  explicit cluster_writer(kube::cluster& target) : target_(target) {}

  /// In which version the cluster serves Trace. Thread-safe, as the others are.
  void use_trace_resource(const kube::resource_ref& resource);

  /// Merge-patches the status; `done` gets "" or the error, on the loop's thread. A Trace that is gone is no
  /// error.
  void patch_trace_status(const std::string& namespace_name, const std::string& name, std::string body,
                          std::function<void(std::string error)> done);

  /// Reads a Secret; `done` is called on the loop's thread.
  /// Posts a core/v1 Event; `done` gets "" or why not.
  void post_event(const std::string& namespace_name, std::string body,
                  std::function<void(std::string error)> done);

  void read_secret(const std::string& namespace_name, const std::string& name,
                   std::function<void(provider_registry::secret_result)> done);

private:
  kube::cluster& target_;
  std::mutex mutex_;
  kube::resource_ref trace_{"notification.toolkit.fluxcd.io", "v1", "Trace", "traces"};
};

/// Returns the decoded data of a Secret's JSON. The error holds no value.
tl::expected<secret_data, std::string> read_secret_json(std::string_view json);

} // namespace tc::runtime
