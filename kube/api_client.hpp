#pragma once

// Single requests to the API server: read an object, patch a status, create or replace an object, read a
// Secret by its name. Watching is reflector.hpp's. Nothing is repeated here except once after a 401, with
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

/// Thread-safe. Callbacks run on the loop's thread, exactly once each. The cluster must outlive it.
class api_client {
public:
  /// `clock` is the wall clock. `field_manager` names us as the owner of what we write.
  api_client(cluster& target, std::function<timestamp()> clock,
             std::string field_manager = "trace-controller");

  /// Reads one object.
  void get(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
           api_callback done);

  /// Creates an object.
  void create(const resource_ref& resource, std::string_view namespace_name, std::string object_json,
              api_callback done);

  /// Puts an object in the place of the one whose metadata.resourceVersion it has. If that has been changed
  /// meanwhile, nothing is, and the failure is `conflict`.
  void replace(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
               std::string object_json, api_callback done);

  /// Patches the status subresource with a JSON Patch (RFC 6902): the only kind that can refuse another
  /// object of the same name, with a "test" of /metadata/uid. A failed test is `invalid`, HTTP 422.
  void patch_status(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
                    std::string json_patch, api_callback done);

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

} // namespace tc::kube
