#pragma once

// What a reflector tells its owner. Implemented by the watcher's side and by `record`; called on the HTTP
// client's thread, so an implementation copies what it needs, hands it over, and returns.

#include "kube/resources.hpp"
#include "messages/arrival.hpp"
#include "messages/time.hpp"

#include <cstdint>
#include <string_view>

namespace tc::kube {

enum class watch_type : std::uint8_t { added, modified, deleted, bookmark };

/// Returns "ADDED", "MODIFIED", "DELETED" or "BOOKMARK".
constexpr std::string_view to_string(watch_type type) {
  switch (type) {
  case watch_type::added:
    return "ADDED";
  case watch_type::modified:
    return "MODIFIED";
  case watch_type::deleted:
    return "DELETED";
  case watch_type::bookmark:
    return "BOOKMARK";
  }
  return "";
}

/// What a reflector is doing; for readiness, metrics and logs.
enum class reflector_status : std::uint8_t {
  stopped,
  resolving, ///< asks which version is served
  absent,    ///< the cluster does not serve the kind (its CRD is not installed); asked again now and then
  listing,   ///< reads the present state
  watching,  ///< up to date and following
  forbidden, ///< RBAC refuses; tried again now and then
  failing,   ///< anything else is wrong; tried again with growing delays
};

/// Returns the enumerator's name.
std::string_view to_string(reflector_status status);

class reflector_sink {
public:
  virtual ~reflector_sink() = default;

  /// An object appeared, changed or went. `object_json` is valid for the duration of the call. From a watch
  /// it is exactly what the API server sent. From a list it is that with apiVersion and kind put in where
  /// they lack. A deletion that was missed is told with apiVersion, kind and the last known metadata (without
  /// managedFields) only, as of a later list.
  virtual void on_object(const resource_ref& resource, watch_type type, std::string_view object_json,
                         timestamp received_at, arrival how) = 0;

  /// The first list is complete: every object that existed has been told. Once in a reflector's life; without
  /// a list when it goes on from what an earlier process knew.
  virtual void on_synced(const resource_ref& resource) = 0;

  /// A bookmark, exactly as sent: nothing changed up to its resourceVersion.
  virtual void on_bookmark(const resource_ref& resource, std::string_view object_json,
                           timestamp received_at) = 0;

  /// Every object of the kind, as it was at that resource version, has been told: a list is complete, or a
  /// bookmark came. Objects of a watch that are told after it move that on.
  virtual void on_position(const resource_ref& /*resource*/, std::string_view /*resource_version*/) {
    // nop
  }

  /// One object could not be used and was skipped. `object` is "namespace/name" as far as known, else "".
  virtual void on_error(const resource_ref& resource, std::string_view object, std::string_view problem) = 0;

  /// The status changed; `reason` is for people and "" when all is well. The resource's version and plural
  /// are empty until they are known.
  virtual void on_state(const resource_ref& resource, reflector_status status, std::string_view reason) = 0;
};

} // namespace tc::kube
