#include "kube/api_error.hpp"

#include "kube/object_meta.hpp"

namespace tc::kube {

namespace {

api_failure kind_of(int status) {
  switch (status) {
  case 400:
  case 422:
    return api_failure::invalid;
  case 401:
    return api_failure::unauthorized;
  case 403:
    return api_failure::forbidden;
  case 404:
    return api_failure::not_found;
  case 409:
    return api_failure::conflict;
  case 410:
    return api_failure::gone;
  case 429:
    return api_failure::too_many_requests;
  default:
    return api_failure::server;
  }
}

} // namespace

std::string_view to_string(api_failure failure) {
  switch (failure) {
  case api_failure::not_found:
    return "not_found";
  case api_failure::forbidden:
    return "forbidden";
  case api_failure::unauthorized:
    return "unauthorized";
  case api_failure::conflict:
    return "conflict";
  case api_failure::gone:
    return "gone";
  case api_failure::invalid:
    return "invalid";
  case api_failure::too_many_requests:
    return "too_many_requests";
  case api_failure::server:
    return "server";
  case api_failure::transport:
    return "transport";
  case api_failure::access:
    return "access";
  case api_failure::cancelled:
    return "cancelled";
  }
  return "";
}

std::optional<api_error> to_api_error(const runtime::http_result& result, std::string_view what,
                                      std::chrono::system_clock::time_point now) {
  using runtime::http_failure;
  if (result.ok())
    return std::nullopt;
  api_error error;
  error.status = result.status;
  error.message = std::string{what} + ": ";
  if (result.failure != http_failure::none) {
    error.kind = result.failure == http_failure::invalid     ? api_failure::access
                 : result.failure == http_failure::cancelled ? api_failure::cancelled
                                                             : api_failure::transport;
    error.message += result.error;
    return error;
  }
  auto status = meta_reader{}.read_status(result.body);
  error.kind = kind_of(result.status);
  error.reason = status.reason;
  error.message += "HTTP " + std::to_string(result.status);
  if (!status.message.empty())
    error.message += ", " + status.message;
  if (auto header = result.header("retry-after"))
    error.retry_after = runtime::parse_retry_after(*header, now);
  if (!error.retry_after && status.retry_after_seconds > 0)
    error.retry_after = std::chrono::seconds{status.retry_after_seconds};
  return error;
}

} // namespace tc::kube
