#pragma once

// From what the reflectors tell to what the actors want: decodes objects, collects observations into batches,
// keeps Trace and Provider resources apart, and knows when the first lists are complete. Runs on the HTTP
// client's thread; what it finds goes out through functions that only hand things over.

#include "kube/decode/decode.hpp"
#include "kube/reflector_sink.hpp"
#include "messages/actors.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace tc::runtime {

class cluster_feed : public kube::reflector_sink {
public:
  struct outputs {
    std::function<void(observation_batch_ptr, timestamp)> observations;
    std::function<void(trace_resource, std::string_view json)> trace;
    std::function<void(std::string uid)> trace_gone;
    std::function<void(provider_resource)> provider;
    std::function<void(std::string namespace_name, std::string name)> provider_gone;
    /// An object could not be read: its kind, its name, the problem.
    std::function<void(std::string_view kind, std::string_view object, std::string_view problem)> broken;
    /// A Trace's spec cannot be read although the API server took it. What is known of it comes with the
    /// reason; its UID is empty when not even that can be read.
    std::function<void(trace_resource refused, const kube::decode_error&)> bad_trace;
    std::function<void(const kube::resource_ref&, kube::reflector_status, std::string_view reason)> state;
    /// Every kind has been listed, or is not served, or refused; or is gone on without: `without` names
    /// those. Called once.
    std::function<void(const std::string& without)> synced;
    /// The Traces have been listed, or cannot be. May be called again. Optional.
    std::function<void()> traces_known;
    /// All of that kind ("Kind.group") up to that resource version has been handed over. Optional.
    std::function<void(const std::string& kind, const std::string& version)> position;
    /// Called for each object that is taken in, for metrics.
    std::function<void(std::string_view kind, std::string_view source)> counted;
  };

  cluster_feed(outputs out, std::size_t batch_size, std::size_t kinds);

  void on_object(const kube::resource_ref& resource, kube::watch_type type, std::string_view object_json,
                 timestamp received_at, arrival how) override;
  void on_synced(const kube::resource_ref& resource) override;
  void on_bookmark(const kube::resource_ref& resource, std::string_view object_json,
                   timestamp received_at) override;
  void on_position(const kube::resource_ref& resource, std::string_view resource_version) override;
  void on_error(const kube::resource_ref& resource, std::string_view object,
                std::string_view problem) override;
  void on_state(const kube::resource_ref& resource, kube::reflector_status status,
                std::string_view reason) override;

  /// Goes on without the kinds whose first list is still not complete: one that the API server cannot list
  /// must not keep the others from being traced. Returns false, and goes on waiting, while not even the
  /// Traces and a kind of source have been listed: then it is the API server that does not answer. On the
  /// thread of the reflectors.
  bool wait_no_longer();

  /// Hands over what has been collected; called when the loop is idle.
  void flush();

  /// Returns the kinds whose first list is not complete, for /readyz. Thread-safe.
  std::string waiting_for() const;
  bool is_synced() const;

private:
  void check_synced(const std::string& without = {});

  outputs out_;
  kube::decoder decoder_;
  std::size_t batch_size_;
  std::shared_ptr<observation_batch> batch_;
  timestamp latest_;

  mutable std::mutex mutex_; ///< guards what the probes look at
  std::size_t kinds_;
  std::map<std::string, bool> done_; ///< by "Kind.group": its first list is complete, or cannot be had
  bool synced_ = false;
};

} // namespace tc::runtime
