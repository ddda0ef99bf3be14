#pragma once

// The resources of the stand-in that clients write: Traces with their status, Providers, Secrets, Leases.
// Rules of the API server that a client can tell: names, resourceVersions, conflicts, JSON Patch and merge
// patch.

#include "bench/storm/server/collection.hpp"

#include <nlohmann/json.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace tc::storm {

using json = nlohmann::json;

/// What a write comes to: an HTTP status, and the object or a Status.
struct write_result {
  int status = 200;
  json body;
};

/// A Status object that says what went wrong.
json failure_status(int code, const std::string& reason, const std::string& message);

class written_objects {
public:
  explicit written_objects(kube::resource_ref resource);

  collection& events() { return events_; }
  const json* find(const std::string& name) const;
  /// Puts an object there, new or changed, without any check.
  const json& put(json object);

  write_result create(const std::string& namespace_name, json object);
  /// With a resourceVersion, only over that version.
  write_result replace(const std::string& name, json object);
  /// `content_type` tells JSON Patch from merge patch. A write to the status leaves the rest as it is.
  write_result patch(const std::string& name, const std::string& content_type, const std::string& body,
                     bool is_status);
  write_result remove(const std::string& name);

private:
  write_result missing(const std::string& name) const;
  void tell(const char* type, const std::string& name, const json& object);

  collection events_;
  std::map<std::string, json> objects_;
  std::deque<std::string> lines_; ///< what the events point into
  std::uint64_t version_;
  std::uint64_t uids_ = 0;
};

/// Returns whether the labels of an object fit a selector of equalities ("a=b,c!=d,e,!f").
bool labels_fit(const json& object, const std::string& selector);

} // namespace tc::storm
