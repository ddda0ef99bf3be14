#include "kube/api_client.hpp"

#include "runtime/http_client/base64.hpp"

#include <nlohmann/json.hpp>

#include <atomic>
#include <cstdio>

namespace tc::kube {

using nlohmann::json;

namespace {

constexpr std::size_t max_event_message = 1024;
constexpr std::chrono::seconds request_limit{30};
constexpr auto json_type = "application/json";

const resource_ref events{"", "v1", "Event", "events"};
const resource_ref secrets{"", "v1", "Secret", "secrets"};

/// Cuts at the border of a UTF-8 character.
std::string shortened(std::string text, std::size_t limit) {
  if (text.size() <= limit)
    return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U)
    --limit;
  text.resize(limit);
  return text;
}

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
      broken.message = what + ": the value of \"" + key + "\" is not base64";
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

  void send(std::shared_ptr<call> what) {
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
  std::atomic<std::uint64_t> event_count{0};
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

void api_client::list(const resource_ref& resource, std::string_view namespace_name,
                      std::string_view label_selector, api_callback done) {
  auto path = collection_path(resource, namespace_name);
  if (!label_selector.empty())
    path += "?labelSelector=" + url_encode(label_selector);
  send("GET", std::move(path), {}, {}, std::move(done));
}

void api_client::create(const resource_ref& resource, std::string_view namespace_name,
                        std::string object_json, api_callback done) {
  send("POST",
       collection_path(resource, namespace_name) + "?fieldManager=" + url_encode(impl_->field_manager),
       std::move(object_json), json_type, std::move(done));
}

void api_client::replace(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
                         std::string object_json, api_callback done) {
  send("PUT",
       object_path(resource, namespace_name, name) + "?fieldManager=" + url_encode(impl_->field_manager),
       std::move(object_json), json_type, std::move(done));
}

namespace {

std::pair<std::string, std::string> patch_query(patch_type type, const std::string& field_manager) {
  auto query = "?fieldManager=" + url_encode(field_manager);
  if (type == patch_type::apply)
    return {query + "&force=true", "application/apply-patch+yaml"}; // JSON is YAML
  return {query, "application/merge-patch+json"};
}

} // namespace

void api_client::patch(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
                       patch_type type, std::string patch_json, api_callback done) {
  auto [query, content_type] = patch_query(type, impl_->field_manager);
  send("PATCH", object_path(resource, namespace_name, name) + query, std::move(patch_json), content_type,
       std::move(done));
}

void api_client::patch_status(const resource_ref& resource, std::string_view namespace_name,
                              std::string_view name, patch_type type, std::string patch_json,
                              api_callback done) {
  auto [query, content_type] = patch_query(type, impl_->field_manager);
  send("PATCH", object_path(resource, namespace_name, name, "status") + query, std::move(patch_json),
       content_type, std::move(done));
}

void api_client::create_event(const event_to_create& event, api_callback done) {
  auto now = impl_->clock();
  char suffix[40];
  std::snprintf(suffix, sizeof suffix, "%llx%02llx",
                static_cast<unsigned long long>(now.time_since_epoch().count()),
                static_cast<unsigned long long>(impl_->event_count.fetch_add(1) & 0xFFU));
  auto body = event_json(event, now, impl_->field_manager, suffix);
  create(events, event.namespace_name.empty() ? "default" : event.namespace_name, std::move(body),
         std::move(done));
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

std::string event_json(const event_to_create& event, timestamp now, std::string_view reporter,
                       std::string_view name_suffix) {
  auto seconds = to_rfc3339(std::chrono::floor<std::chrono::seconds>(now));
  auto namespace_name = event.namespace_name.empty() ? std::string{"default"} : event.namespace_name;
  json involved = {{"apiVersion", event.about.api_version()},
                   {"kind", event.about.kind},
                   {"name", event.name},
                   {"uid", event.uid}};
  if (!event.namespace_name.empty())
    involved["namespace"] = event.namespace_name;
  json metadata = {{"name", shortened(event.name, 200) + '.' + std::string{name_suffix}},
                   {"namespace", namespace_name}};
  if (!event.annotations.empty())
    metadata["annotations"] = event.annotations;
  json root = {{"apiVersion", "v1"},
               {"kind", "Event"},
               {"metadata", metadata},
               {"involvedObject", involved},
               {"type", event.type},
               {"reason", event.reason},
               {"message", shortened(event.message, max_event_message)},
               {"source", {{"component", reporter}}},
               {"reportingComponent", reporter},
               {"reportingInstance", reporter},
               {"firstTimestamp", seconds},
               {"lastTimestamp", seconds},
               {"count", 1}};
  return root.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace tc::kube
