#pragma once

// What a test of the whole process needs around it: an API server that holds a few objects, serves their
// watches and takes status patches; and a change of a bundled recording, moved to the present.

#include "tests/support/scripted_server.hpp"

#include <nlohmann/json.hpp>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tc::testing {

class cluster_in_miniature {
public:
  explicit cluster_in_miniature(std::optional<server_tls> tls = std::nullopt);

  /// Creates or changes an object, and tells the watches. It needs apiVersion, kind, namespace and name.
  void put(nlohmann::json object);
  /// Creates or changes a Secret in flux-system. Secrets are only ever read.
  void put_secret(const std::string& name, std::map<std::string, std::string> data);
  /// Waits until the status of the only Trace is as wanted. Returns false after generous_limit.
  bool wait_for_status(const std::function<bool(const nlohmann::json& status)>& wanted);
  /// Waits for the first Event that is posted, and returns it; null after generous_limit.
  nlohmann::json wait_for_event();
  /// Returns the status that was patched last.
  nlohmann::json status() const;

  std::string url() const { return server_->url(); }
  const scripted_server& server() const { return *server_; }

private:
  std::vector<nlohmann::json> events_;

  struct collection {
    std::string api_version;
    std::string kind;
    std::map<std::string, nlohmann::json> objects; ///< by "namespace/name"
    std::vector<std::shared_ptr<body_stream>> watches;
  };

  scripted_response answer(const scripted_request& request);
  scripted_response watch(collection& what, const scripted_request& request);
  scripted_response patch(const scripted_request& request);
  void store(collection& what, nlohmann::json object);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::map<std::string, std::string>> secrets_;
  std::map<std::string, collection> collections_; ///< by the path of all namespaces
  int version_ = 100;
  nlohmann::json status_ = nlohmann::json::object();
  std::unique_ptr<scripted_server> server_; ///< last: ends before what its handler uses
};

/// A Trace that follows the Kustomizations in flux-system, and settles after a second.
nlohmann::json trace_object();
/// The Provider that it names.
nlohmann::json provider_object(const std::string& address);

/// The objects of the first change of recording s01, in order, with every time moved so that the last one is
/// now; into `events` go the HTTP events about it, moved likewise.
std::vector<nlohmann::json> first_change(std::vector<nlohmann::json>* events = nullptr);
/// Its key.
inline constexpr const char* first_change_key = "sha1:fdebf75391e99d6a3825f256b845c9008b460e53";

} // namespace tc::testing
