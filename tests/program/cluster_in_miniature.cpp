#include "tests/program/cluster_in_miniature.hpp"

#include "messages/time.hpp"
#include "runtime/http_client/base64.hpp"
#include "tests/support/recording.hpp"

#include <regex>

using nlohmann::json;

namespace tc::testing {

namespace {

constexpr const char* flux_group = ".toolkit.fluxcd.io";

std::string path_of(const std::string& api_version, const std::string& plural) {
  return "/apis/" + api_version + '/' + plural;
}

/// Moves every RFC 3339 time by whole seconds.
std::string moved(const std::string& text, std::chrono::seconds by) {
  static const std::regex time{R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)"};
  std::string out;
  auto from = text.cbegin();
  for (std::sregex_iterator at{text.begin(), text.end(), time}, end; at != end; ++at) {
    out.append(from, (*at)[0].first);
    out += to_rfc3339(parse_rfc3339((*at)[0].str()).value() + by);
    from = (*at)[0].second;
  }
  return out.append(from, text.cend());
}

} // namespace

cluster_in_miniature::cluster_in_miniature(std::optional<server_tls> tls) {
  for (const auto& [group, kind, plural] : {std::tuple{"source", "GitRepository", "gitrepositories"},
                                            {"kustomize", "Kustomization", "kustomizations"},
                                            {"notification", "Trace", "traces"},
                                            {"notification", "Provider", "providers"}}) {
    auto api_version = std::string{group} + flux_group + "/v1";
    collections_[path_of(api_version, plural)] = {api_version, kind, {}, {}};
  }
  server_ = std::make_unique<scripted_server>(
      [this](const scripted_request& request) { return answer(request); }, std::move(tls));
}

void cluster_in_miniature::put(json object) {
  std::lock_guard guard{mutex_};
  for (auto& [path, what] : collections_)
    if (what.api_version == object.at("apiVersion") && what.kind == object.at("kind")) {
      store(what, std::move(object));
      return;
    }
  throw std::runtime_error{"no such kind: " + object.dump()};
}

void cluster_in_miniature::put_secret(const std::string& name, std::map<std::string, std::string> data) {
  std::lock_guard guard{mutex_};
  secrets_[name] = std::move(data);
}

void cluster_in_miniature::store(collection& what, json object) {
  auto& metadata = object["metadata"];
  metadata["resourceVersion"] = std::to_string(++version_);
  auto name = metadata.at("namespace").get<std::string>() + '/' + metadata.at("name").get<std::string>();
  auto known = what.objects.count(name) != 0;
  auto event = json{{"type", known ? "MODIFIED" : "ADDED"}, {"object", object}}.dump() + '\n';
  what.objects[name] = std::move(object);
  for (auto& one : what.watches)
    one->push(event);
}

scripted_response cluster_in_miniature::answer(const scripted_request& request) {
  std::lock_guard guard{mutex_};
  if (request.method == "PATCH")
    return patch(request);
  if (request.method == "POST" && request.path() == "/api/v1/namespaces/flux-system/events") {
    events_.push_back(json::parse(request.body));
    changed_.notify_all();
    return scripted_response::json(request.body, 201);
  }
  auto path = request.path();
  for (const auto& [name, data] : secrets_)
    if (path == "/api/v1/namespaces/flux-system/secrets/" + name) {
      json secret{{"apiVersion", "v1"},
                  {"kind", "Secret"},
                  {"metadata", {{"namespace", "flux-system"}, {"name", name}}},
                  {"data", json::object()}};
      for (const auto& [key, value] : data)
        secret["data"][key] = runtime::encode_base64(value);
      return scripted_response::json(secret.dump());
    }
  if (auto found = collections_.find(path); found != collections_.end()) {
    if (request.query("watch") == "true")
      return watch(found->second, request);
    json list{{"apiVersion", found->second.api_version},
              {"kind", found->second.kind + "List"},
              {"metadata", {{"resourceVersion", std::to_string(version_)}}},
              {"items", json::array()}};
    for (const auto& [name, object] : found->second.objects)
      list["items"].push_back(object);
    return scripted_response::json(list.dump());
  }
  // Discovery: /apis/GROUP, then /apis/GROUP/VERSION.
  json resources = json::array();
  for (const auto& [collection_path, what] : collections_) {
    if (path == "/apis/" + what.api_version.substr(0, what.api_version.find('/')))
      return scripted_response::json(R"({"kind":"APIGroup","versions":[{"version":"v1"}]})");
    if (path == "/apis/" + what.api_version)
      resources.push_back(
          {{"name", collection_path.substr(collection_path.rfind('/') + 1)}, {"kind", what.kind}});
  }
  if (!resources.empty())
    return scripted_response::json(json{{"kind", "APIResourceList"}, {"resources", resources}}.dump());
  return scripted_response::json("404 page not found", 404);
}

scripted_response cluster_in_miniature::watch(collection& what, const scripted_request& request) {
  scripted_response out;
  out.headers.emplace_back("Content-Type", "application/json");
  if (request.query("sendInitialEvents") == "true") {
    for (const auto& [name, object] : what.objects)
      out.chunks.push_back(json{{"type", "ADDED"}, {"object", object}}.dump() + '\n');
    out.chunks.push_back(json{{"type", "BOOKMARK"},
                              {"object",
                               {{"apiVersion", what.api_version},
                                {"kind", what.kind},
                                {"metadata",
                                 {{"resourceVersion", std::to_string(version_)},
                                  {"annotations", {{"k8s.io/initial-events-end", "true"}}}}}}}}
                             .dump() +
                         '\n');
  }
  out.stream = std::make_shared<body_stream>();
  what.watches.push_back(out.stream);
  return out;
}

scripted_response cluster_in_miniature::patch(const scripted_request& request) {
  auto& traces = collections_.at(path_of(std::string{"notification"} + flux_group + "/v1", "traces"));
  if (traces.objects.empty() || request.path().find("/traces/demo/status") == std::string::npos)
    return scripted_response::json(R"({"kind":"Status","message":"not found"})", 404);
  auto object = traces.objects.begin()->second;
  if (!object.contains("status"))
    object["status"] = {{"observedGeneration", -1}}; // the CRD's default
  try {
    object.patch_inplace(json::parse(request.body));
  } catch (const json::exception&) {
    return scripted_response::json(
        R"({"kind":"Status","code":422,"reason":"Invalid","message":"the server rejected our request due to an error in our request"})",
        422);
  }
  status_ = object.at("status");
  auto text = object.dump();
  store(traces, std::move(object)); // the watch tells the writer too
  changed_.notify_all();
  return scripted_response::json(std::move(text));
}

bool cluster_in_miniature::wait_for_status(const std::function<bool(const json& status)>& wanted) {
  std::unique_lock guard{mutex_};
  return changed_.wait_for(guard, generous_limit, [&] { return wanted(status_); });
}

json cluster_in_miniature::wait_for_event() {
  std::unique_lock guard{mutex_};
  changed_.wait_for(guard, generous_limit, [&] { return !events_.empty(); });
  return events_.empty() ? json{} : events_.front();
}

json cluster_in_miniature::status() const {
  std::lock_guard guard{mutex_};
  return status_;
}

json trace_object() {
  return json::parse(R"({"apiVersion":"notification.toolkit.fluxcd.io/v1","kind":"Trace",
    "metadata":{"namespace":"flux-system","name":"demo","uid":"trace-demo","generation":1},
    "spec":{"providerRef":{"name":"backend"},"settleAfter":"1s",
            "eventSources":[{"kind":"Kustomization","name":"*"}]}})");
}

json provider_object(const std::string& address) {
  auto out = json::parse(R"({"apiVersion":"notification.toolkit.fluxcd.io/v1","kind":"Provider",
    "metadata":{"namespace":"flux-system","name":"backend","uid":"provider-backend","generation":1},
    "spec":{"type":"otlp"}})");
  out["spec"]["address"] = address;
  return out;
}

std::vector<json> first_change(std::vector<json>* events) {
  std::vector<json> lines;
  for (const auto& text : test::read_lines(std::string{TC_SOURCE_DIR} +
                                           "/tests/recordings/s01-three-kustomizations/stream.jsonl.gz")) {
    auto line = json::parse(text);
    const auto& object = line.at("object");
    if (line.at("type") == "BOOKMARK" ||
        (object.at("kind") != "GitRepository" && object.at("kind") != "Kustomization"))
      continue;
    // The next change begins with its artifact.
    auto revision = object.value(json::json_pointer{"/status/artifact/revision"}, std::string{});
    if (!revision.empty() && revision.find(first_change_key) == std::string::npos)
      break;
    lines.push_back(std::move(line));
  }
  auto last = parse_rfc3339(lines.back().at("receivedAt").get<std::string>()).value();
  auto by = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now() - last);
  std::vector<json> out;
  for (const auto& line : lines)
    out.push_back(json::parse(moved(line.at("object").dump(), by)));
  if (events != nullptr)
    for (const auto& text : test::read_lines(std::string{TC_SOURCE_DIR} +
                                             "/tests/recordings/s01-three-kustomizations/posts.jsonl.gz"))
      if (text.find(first_change_key) != std::string::npos)
        events->push_back(json::parse(moved(json::parse(text).at("body").dump(), by)));
  return out;
}

} // namespace tc::testing
