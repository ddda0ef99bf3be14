#include "runtime/program/cluster_writer.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace tc::runtime {

namespace {

std::string uid_of(const std::string& object_json) {
  auto object = nlohmann::json::parse(object_json, nullptr, false);
  return object.is_object() && object.contains("metadata") ? object["metadata"].value("uid", "") : "";
}

} // namespace

void cluster_writer::use_trace_resource(const kube::resource_ref& resource) {
  std::lock_guard guard{mutex_};
  trace_ = resource;
}

kube::resource_ref cluster_writer::trace_resource_ref() {
  std::lock_guard guard{mutex_};
  return trace_;
}

void cluster_writer::patch_trace_status(const trace_status& about, std::string json_patch,
                                        std::function<void(std::string error)> done) {
  auto resource = trace_resource_ref();
  auto finish = [this, resource, space = about.namespace_name, name = about.name, uid = about.uid,
                 done = std::move(done)](kube::api_result result) {
    if (result || result.error().kind == kube::api_failure::not_found) {
      done({}); // written, or nobody is there any more
      return;
    }
    if (result.error().kind != kube::api_failure::invalid) {
      done(result.error().message);
      return;
    }
    // The API server says the same when the test of the UID fails and when the status is wrong.
    api_.get(resource, space, name, [uid, done, error = result.error().message](const kube::api_result& now) {
      bool another = now ? uid_of(*now) != uid : now.error().kind == kube::api_failure::not_found;
      done(another ? std::string{} : error);
    });
  };
  api_.patch_status(resource, about.namespace_name, about.name, std::move(json_patch), std::move(finish));
}

void cluster_writer::list_traces(const std::string& namespace_name, const std::string& label_selector,
                                 std::function<void(const std::string& trace_json)> each,
                                 std::function<void(const std::string& error)> done) {
  auto path = kube::collection_path(trace_resource_ref(), namespace_name) + "?limit=500";
  if (!label_selector.empty())
    path += "&labelSelector=" + kube::url_encode(label_selector);
  list_page(path, {}, std::move(each), std::move(done));
}

void cluster_writer::list_page(const std::string& path, const std::string& from,
                               std::function<void(const std::string& trace_json)> each,
                               std::function<void(const std::string& error)> done) {
  auto take = [this, path, each = std::move(each), done = std::move(done)](const kube::api_result& result) {
    if (!result)
      return done(result.error().kind == kube::api_failure::not_found ? "" : result.error().message);
    auto page = nlohmann::json::parse(*result, nullptr, false);
    if (!page.is_object() || !page.contains("items") || !page["items"].is_array())
      return done("the list of Traces is none");
    for (const auto& trace : page["items"])
      each(trace.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    const nlohmann::json::json_pointer place{"/metadata/continue"};
    auto next = page.contains(place) && page[place].is_string() ? page[place].get<std::string>() : "";
    if (next.empty())
      return done({});
    list_page(path, next, each, done);
  };
  api_.send("GET", from.empty() ? path : path + "&continue=" + kube::url_encode(from), {}, {},
            std::move(take));
}

void cluster_writer::post_event(const std::string& namespace_name, std::string event_json,
                                std::function<void(std::string error)> done) {
  api_.create({"", "v1", "Event", "events"}, namespace_name, std::move(event_json),
              [done = std::move(done)](const kube::api_result& result) {
                done(result ? std::string{} : result.error().message);
              });
}

void cluster_writer::read_secret(const std::string& namespace_name, const std::string& name,
                                 std::function<void(provider_registry::secret_result)> done) {
  api_.get_secret(namespace_name, name,
                  [done = std::move(done)](tl::expected<kube::secret_values, kube::api_error> result) {
                    if (result)
                      done(std::move(*result));
                    else
                      done(tl::unexpected(secret_failure{result.error().kind == kube::api_failure::not_found,
                                                         result.error().kind == kube::api_failure::forbidden,
                                                         std::move(result.error().message)}));
                  });
}

} // namespace tc::runtime
