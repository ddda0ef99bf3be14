#pragma once

// Single requests to the API server: read an object, patch a status, create an Event, read a Secret by its
// name, hold a Lease. Watching is reflector.hpp's. Nothing is repeated here except once after a 401, with
// renewed credentials: what a failure means is for the caller to decide.

#include "kube/api_error.hpp"
#include "kube/cluster.hpp"
#include "kube/resources.hpp"
#include "messages/time.hpp"

#include <tl/expected.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace tc::kube {

/// The response's JSON, or why there is none.
using api_result = tl::expected<std::string, api_error>;
using api_callback = std::function<void(api_result)>;

/// The decoded values of a Secret. Never log them.
using secret_values = std::map<std::string, std::string>;

enum class patch_type : std::uint8_t {
  merge, ///< RFC 7386: what the patch names is replaced
  apply, ///< server-side apply: the patch is all that our field manager owns
};

/// An Event to be recorded on an object.
struct event_to_create {
  resource_ref about; ///< kind of the object
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::string type = "Normal"; ///< or "Warning"
  std::string reason;          ///< a word in upper camel case
  std::string message;         ///< cut to 1024 bytes, the API server's limit
  std::map<std::string, std::string> annotations;
};

/// Thread-safe. Callbacks run on the loop's thread, exactly once each. The cluster must outlive it.
class api_client {
public:
  /// `clock` is the wall clock. `field_manager` names us as the owner of what we write, and as the reporter
  /// of Events.
  api_client(cluster& target, std::function<timestamp()> clock,
             std::string field_manager = "trace-controller");

  /// Reads one object.
  void get(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
           api_callback done);

  /// Lists objects, without pages. For the few of Alerts or Leases, not for what a reflector watches.
  void list(const resource_ref& resource, std::string_view namespace_name, std::string_view label_selector,
            api_callback done);

  /// Creates an object.
  void create(const resource_ref& resource, std::string_view namespace_name, std::string object_json,
              api_callback done);

  /// Replaces an object; its metadata.resourceVersion, if set, guards against a lost update (conflict).
  void replace(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
               std::string object_json, api_callback done);

  /// Patches an object. A patch of type apply needs apiVersion, kind and metadata.name; conflicts with other
  /// field managers are resolved in our favour.
  void patch(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
             patch_type type, std::string patch_json, api_callback done);

  /// Patches the status subresource, {"status": {…}}.
  void patch_status(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
                    patch_type type, std::string patch_json, api_callback done);

  /// Creates a core/v1 Event in the object's namespace ("default" for a cluster-scoped object).
  void create_event(const event_to_create& event, api_callback done);

  /// Reads a Secret and decodes its data.
  void get_secret(std::string_view namespace_name, std::string_view name,
                  std::function<void(tl::expected<secret_values, api_error>)> done);

  /// Sends any request; `path` with query, body as JSON of that content type.
  void send(std::string method, std::string path, std::string body, std::string content_type,
            api_callback done);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

/// Returns the JSON of the Event.
std::string event_json(const event_to_create& event, timestamp now, std::string_view reporter,
                       std::string_view name_suffix);

} // namespace tc::kube
