#include "kube/api_client.hpp"

#include "runtime/http_client/base64.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace tc::kube {

using nlohmann::json;

namespace {

constexpr std::chrono::seconds request_limit{30};

const resource_ref secrets{"", "v1", "Secret", "secrets"};

tl::expected<secret_values, api_error> decode_secret(const std::string& body, const std::string& what) {
  auto root = json::parse(body, nullptr, false);
  api_error broken{api_failure::server, 200, "", what + ": the response is no Secret", std::nullopt};
  if (!root.is_object())
    return tl::unexpected(broken);
  secret_values result;
  auto data = root.find("data");
  if (data == root.end() || data->is_null())
    return result;
  if (!data->is_object())
    return tl::unexpected(broken);
  for (const auto& [key, value] : data->items()) {
    auto decoded =
        value.is_string() ? runtime::decode_base64(value.get_ref<const std::string&>()) : std::nullopt;
    if (!decoded) {
      broken.message = what;
      broken.message.append(": the value of \"").append(key).append("\" is not base64");
      return tl::unexpected(broken);
    }
    result.emplace(key, std::move(*decoded));
  }
  return result;
}

} // namespace

struct api_client::impl : std::enable_shared_from_this<api_client::impl> {
  impl(cluster& c, std::function<timestamp()> now, std::string manager)
      : target(c), clock(std::move(now)), field_manager(std::move(manager)) {}

  struct call {
    std::string method;
    std::string path;
    std::string body;
    std::string content_type;
    api_callback done;
    bool repeated = false;
  };

  void send(const std::shared_ptr<call>& what) {
    runtime::http_request request;
    request.method = what->method;
    request.url = what->path;
    request.body = what->body;
    request.headers = {"Accept: application/json"};
    if (!what->body.empty())
      request.headers.push_back("Content-Type: " + what->content_type);
    request.total_timeout = request_limit;
    request.on_done = [self = shared_from_this(), what](runtime::http_result result) {
      if (result.status == 401 && !std::exchange(what->repeated, true)) {
        self->send(what); // the cluster has been told to renew its credentials
        return;
      }
      auto now = std::chrono::time_point_cast<std::chrono::system_clock::duration>(self->clock());
      auto path = what->path.substr(0, what->path.find('?'));
      if (auto error = to_api_error(result, what->method + ' ' + path, now))
        what->done(tl::unexpected(std::move(*error)));
      else
        what->done(std::move(result.body));
    };
    target.send(std::move(request));
  }

  cluster& target;
  std::function<timestamp()> clock;
  std::string field_manager;
};

api_client::api_client(cluster& target, std::function<timestamp()> clock, std::string field_manager)
    : impl_(std::make_shared<impl>(target, std::move(clock), std::move(field_manager))) {
  // nop
}

void api_client::send(std::string method, std::string path, std::string body, std::string content_type,
                      api_callback done) {
  impl_->send(std::make_shared<impl::call>(impl::call{std::move(method), std::move(path), std::move(body),
                                                      std::move(content_type), std::move(done)}));
}

void api_client::get(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
                     api_callback done) {
  send("GET", object_path(resource, namespace_name, name), {}, {}, std::move(done));
}

void api_client::create(const resource_ref& resource, std::string_view namespace_name,
                        std::string object_json, api_callback done) {
  send("POST",
       collection_path(resource, namespace_name) + "?fieldManager=" + url_encode(impl_->field_manager),
       std::move(object_json), "application/json", std::move(done));
}

void api_client::replace(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
                         std::string object_json, api_callback done) {
  send("PUT",
       object_path(resource, namespace_name, name) + "?fieldManager=" + url_encode(impl_->field_manager),
       std::move(object_json), "application/json", std::move(done));
}

void api_client::patch_status(const resource_ref& resource, std::string_view namespace_name,
                              std::string_view name, std::string json_patch, api_callback done) {
  send("PATCH",
       object_path(resource, namespace_name, name, "status") +
           "?fieldManager=" + url_encode(impl_->field_manager),
       std::move(json_patch), "application/json-patch+json", std::move(done));
}

void api_client::get_secret(std::string_view namespace_name, std::string_view name,
                            std::function<void(tl::expected<secret_values, api_error>)> done) {
  auto what = "Secret " + std::string{namespace_name} + '/' + std::string{name};
  get(secrets, namespace_name, name, [what, done = std::move(done)](api_result result) {
    if (result)
      done(decode_secret(*result, what));
    else
      done(tl::unexpected(std::move(result.error())));
  });
}

} // namespace tc::kube
