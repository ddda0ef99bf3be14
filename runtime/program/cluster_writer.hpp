#pragma once

// The few requests that the controller makes beside its watches: the status of Traces, and the Secrets that
// Providers name. Values of Secrets appear in no message.

#include "kube/api_client.hpp"
#include "messages/actors.hpp"
#include "runtime/program/provider_registry.hpp"

#include <functional>
#include <mutex>
#include <string>

namespace tc::runtime {

class cluster_writer {
public:
  /// `clock` is the wall clock.
  cluster_writer(kube::cluster& target, std::function<timestamp()> clock) : api_(target, std::move(clock)) {}

  /// In which version the cluster serves Trace. Thread-safe, as the others are.
  void use_trace_resource(const kube::resource_ref& resource);

  /// Patches the status of the Trace that `about` names with a JSON Patch that tests its UID; `done` gets ""
  /// or the error, on the loop's thread. A Trace that is gone, or that another one of its name replaced, is
  /// no error: nothing is to be written.
  void patch_trace_status(const trace_status& about, std::string json_patch,
                          std::function<void(std::string error)> done);

  /// Reads all Traces of a namespace ("" for all) that a label selector ("" for any) takes, as they are at
  /// this moment and not as a watch has them, and calls `each` with the JSON of each. `done` gets "" or why
  /// not all could be read; a cluster that knows no Traces has none.
  void list_traces(const std::string& namespace_name, const std::string& label_selector,
                   std::function<void(const std::string& trace_json)> each,
                   std::function<void(const std::string& error)> done);

  /// Posts a core/v1 Event; `done` gets "" or why not.
  void post_event(const std::string& namespace_name, std::string event_json,
                  std::function<void(std::string error)> done);

  /// Reads a Secret; `done` is called on the loop's thread.
  void read_secret(const std::string& namespace_name, const std::string& name,
                   std::function<void(provider_registry::secret_result)> done);

private:
  kube::resource_ref trace_resource_ref();
  void list_page(const std::string& path, const std::string& from,
                 std::function<void(const std::string& trace_json)> each,
                 std::function<void(const std::string& error)> done);

  kube::api_client api_;
  std::mutex mutex_;
  kube::resource_ref trace_{"notification.toolkit.fluxcd.io", "v1", "Trace", "traces"};
};

} // namespace tc::runtime
