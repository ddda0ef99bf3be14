#pragma once

// What a request to the API server can come to other than success, as callers need to tell it apart.

#include "runtime/http_client/http_loop.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tc::kube {

enum class api_failure : std::uint8_t {
  not_found,         ///< 404
  forbidden,         ///< 403: RBAC
  unauthorized,      ///< 401, also after the credentials were renewed
  conflict,          ///< 409: somebody else has changed or made it
  gone,              ///< 410: too old
  invalid,           ///< 400, 422: the request is wrong
  too_many_requests, ///< 429
  server,            ///< 5xx and other statuses
  transport,         ///< no complete response
  access,            ///< no way to the cluster: kubeconfig, certificate, plugin
  cancelled,
};

/// Returns the enumerator's name.
std::string_view to_string(api_failure failure);

/// Holds no part of a request's or a response's body but the API server's own message, which names no values
/// of Secrets.
struct api_error {
  api_failure kind = api_failure::transport;
  int status = 0;      ///< HTTP status, 0 for none
  std::string reason;  ///< as the API server's Status says, for example "AlreadyExists"
  std::string message; ///< for people: what was asked and why it failed
  std::optional<std::chrono::seconds> retry_after;

  /// Returns whether the same request may succeed later.
  bool is_temporary() const {
    return kind == api_failure::too_many_requests || kind == api_failure::server ||
           kind == api_failure::transport;
  }
};

/// Returns the error of a result, or nothing when it is a success. `what` begins the message: "GET
/// /api/v1/…".
std::optional<api_error> to_api_error(const runtime::http_result& result, std::string_view what,
                                      std::chrono::system_clock::time_point now);

} // namespace tc::kube
