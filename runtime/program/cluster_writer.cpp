#include "runtime/program/cluster_writer.hpp"

#include "runtime/http_client/base64.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace tc::runtime {

namespace {

constexpr std::chrono::milliseconds request_limit{30'000};

/// What the API server says in the Status object of an error, else the HTTP status.
std::string reason_of(const http_result& result) {
  if (result.failure != http_failure::none)
    return result.error;
  auto status = nlohmann::json::parse(result.body, nullptr, false);
  if (status.is_object() && status.contains("message") && status["message"].is_string())
    return status["message"].get<std::string>();
  return "HTTP status " + std::to_string(result.status);
}

} // namespace

tl::expected<secret_data, std::string> read_secret_json(std::string_view json) {
  auto object = nlohmann::json::parse(json, nullptr, false);
  if (!object.is_object() || !object.contains("kind") || object["kind"] != "Secret")
    return tl::unexpected(std::string{"the API server's answer is not a Secret"});
  secret_data out;
  if (!object.contains("data") || !object["data"].is_object())
    return out;
  for (const auto& [key, value] : object["data"].items()) {
    auto decoded = value.is_string() ? decode_base64(value.get_ref<const std::string&>()) : std::nullopt;
    if (!decoded)
      return tl::unexpected("key '" + key + "' is not base64");
    out[key] = std::move(*decoded);
  }
  return out;
}

void cluster_writer::use_trace_resource(const kube::resource_ref& resource) {
  std::lock_guard guard{mutex_};
  trace_ = resource;
}

void cluster_writer::patch_trace_status(const std::string& namespace_name, const std::string& name,
                                        std::string body, std::function<void(std::string error)> done) {
  http_request request;
  request.method = "PATCH";
  {
    std::lock_guard guard{mutex_};
    request.url =
        kube::object_path(trace_, namespace_name, name, "status") + "?fieldManager=trace-controller";
  }
  request.headers = {"Content-Type: application/merge-patch+json", "Accept: application/json"};
  request.body = std::move(body);
  request.total_timeout = request_limit;
  request.on_done = [done = std::move(done)](const http_result& result) {
    // Gone, or refused as another object of the same name: nothing is to be written.
    done(result.ok() || result.status == 404 || result.status == 409 ? std::string{} : reason_of(result));
  };
  target_.send(std::move(request));
}

void cluster_writer::post_event(const std::string& namespace_name, std::string body,
                                std::function<void(std::string error)> done) {
  http_request request;
  request.method = "POST";
  request.url = kube::collection_path({"", "v1", "Event", "events"}, namespace_name);
  request.headers = {"Content-Type: application/json", "Accept: application/json"};
  request.body = std::move(body);
  request.total_timeout = request_limit;
  request.on_done = [done = std::move(done)](const http_result& result) {
    done(result.ok() ? std::string{} : reason_of(result));
  };
  target_.send(std::move(request));
}

void cluster_writer::read_secret(const std::string& namespace_name, const std::string& name,
                                 std::function<void(provider_registry::secret_result)> done) {
  http_request request;
  request.url = kube::object_path({"", "v1", "Secret", "secrets"}, namespace_name, name);
  request.headers = {"Accept: application/json"};
  request.total_timeout = request_limit;
  request.on_done = [done = std::move(done)](const http_result& result) {
    if (!result.ok()) {
      done(tl::unexpected(secret_failure{result.status == 404, result.status == 403, reason_of(result)}));
      return;
    }
    auto data = read_secret_json(result.body);
    if (data)
      done(std::move(*data));
    else
      done(tl::unexpected(secret_failure{false, false, data.error()}));
  };
  target_.send(std::move(request));
}

} // namespace tc::runtime
