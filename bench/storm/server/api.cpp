#include "bench/storm/server/api.hpp"

#include "export/gzip.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace tc::storm {

namespace {

constexpr std::size_t most_lists = 64;
/// An API server packs from 128 KiB on.
constexpr std::size_t gzip_from = std::size_t{128} << 10;

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(&text[i + 1], &text[i] + 3, value, 16).ptr == &text[i] + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::uint64_t number_in(const std::string& text) {
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::string value_of(const std::map<std::string, std::string>& query, const char* name) {
  auto found = query.find(name);
  return found == query.end() ? std::string{} : found->second;
}

api_answer failure(int code, const std::string& reason, const std::string& message) {
  return {code, failure_status(code, reason, message).dump(), false, nullptr, 0};
}

api_answer expired() {
  return failure(410, "Expired", "The resourceVersion for the provided list or watch is too old.");
}

/// The collection's path without a namespace.
std::string path_of(const kube::resource_ref& resource) {
  return kube::collection_path(resource, "");
}

} // namespace

std::map<std::string, std::string> parse_query(std::string_view query) {
  std::map<std::string, std::string> out;
  while (!query.empty()) {
    auto end = query.find('&');
    auto part = query.substr(0, end);
    auto is = part.find('=');
    out[decoded(part.substr(0, is))] = is == std::string_view::npos ? "" : decoded(part.substr(is + 1));
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
  }
  return out;
}

api::api(recorded_storm& storm) : storm_(storm) {
  for (auto& each : storm_.collections)
    events_by_path_[path_of(each->resource())] = each.get();
  auto write_to = [&](kube::resource_ref resource) {
    written_.push_back(std::make_unique<written_objects>(resource));
    auto path = path_of(resource);
    written_by_path_[path] = written_.back().get();
    events_by_path_[path] = &written_.back()->events();
  };
  write_to({"", "v1", "Secret", "secrets"});
  write_to({"coordination.k8s.io", "v1", "Lease", "leases"});
  for (const auto& kind : kube::watched_kinds()) {
    kube::resource_ref resource{std::string{kind.group}, std::string{kind.versions.front()},
                                std::string{kind.kind}, std::string{kind.plural}};
    auto is_played = std::any_of(storm_.collections.begin(), storm_.collections.end(), [&](const auto& each) {
      return each->resource().kind == resource.kind && each->resource().group == resource.group;
    });
    if (is_played)
      continue;
    if (resource.group == "notification.toolkit.fluxcd.io") {
      write_to(std::move(resource));
      continue;
    }
    empty_.push_back(std::make_unique<collection>(resource, storm_.version));
    events_by_path_[path_of(resource)] = empty_.back().get();
  }
}

std::optional<std::string> api::put(json object) {
  for (auto& each : written_)
    if (each->events().resource().kind == object.value("kind", "")) {
      object["apiVersion"] = each->events().resource().api_version();
      if (each->events().resource().kind == "Secret" && object.contains("stringData"))
        return "a Secret needs data, not stringData";
      each->put(std::move(object));
      return std::nullopt;
    }
  return "no resource of kind '" + object.value("kind", "") + "' can be put there";
}

void api::show_next() {
  auto& events = *storm_.collections[storm_.course[shown_]];
  events.show_next();
  ++shown_;
}

void api::forget() {
  for (auto& each : storm_.collections)
    each->forget();
  for (auto& each : written_)
    each->events().forget();
  lists_.clear();
}

std::optional<api::place> api::find(const std::string& path) {
  // /api/v1/… or /apis/GROUP/VERSION/…, then [namespaces/NAMESPACE/]PLURAL[/NAME[/SUBRESOURCE]]
  std::vector<std::string> parts;
  for (std::size_t at = 1; at <= path.size();) {
    auto end = std::min(path.find('/', at), path.size());
    parts.push_back(decoded(std::string_view{path}.substr(at, end - at)));
    at = end + 1;
  }
  std::size_t next = parts.empty() || parts[0] == "api" ? 2 : 3;
  if (parts.size() <= next)
    return std::nullopt;
  std::string root;
  for (std::size_t i = 0; i < next; ++i)
    root += '/' + parts[i];
  place out;
  if (parts[next] == "namespaces" && parts.size() > next + 2) {
    out.namespace_name = parts[next + 1];
    next += 2;
  }
  auto found = events_by_path_.find(root + '/' + parts[next]);
  if (found == events_by_path_.end())
    return std::nullopt;
  out.events = found->second;
  if (auto written = written_by_path_.find(found->first); written != written_by_path_.end())
    out.written = written->second;
  if (parts.size() > next + 1)
    out.name = (out.namespace_name.empty() ? "" : out.namespace_name + '/') + parts[next + 1];
  if (parts.size() > next + 2)
    out.subresource = parts[next + 2];
  return out;
}

std::vector<const kube::resource_ref*> api::resources() const {
  std::vector<const kube::resource_ref*> out;
  for (const auto& [path, events] : events_by_path_)
    out.push_back(&events->resource());
  return out;
}

api_answer api::discover(const std::string& path) const {
  if (path == "/version")
    return {200, R"({"major":"1","minor":"36","gitVersion":"v1.36.0-stand-in"})", false, nullptr, 0};
  if (path == "/healthz" || path == "/livez" || path == "/readyz")
    return {200, "ok", false, nullptr, 0};
  std::set<std::string> versions;
  json named = json::array();
  for (const auto* each : resources()) {
    if (!each->group.empty() && path == "/apis/" + each->group)
      versions.insert(each->version);
    if (path == (each->group.empty() ? "/api/" : "/apis/") + each->api_version())
      named.push_back({{"name", each->plural}, {"kind", each->kind}, {"namespaced", true}});
  }
  if (!versions.empty()) {
    json out = {
        {"kind", "APIGroup"}, {"apiVersion", "v1"}, {"name", path.substr(6)}, {"versions", json::array()}};
    for (const auto& each : versions)
      out["versions"].push_back({{"groupVersion", path.substr(6) + '/' + each}, {"version", each}});
    return {200, out.dump(), false, nullptr, 0};
  }
  if (!named.empty())
    return {200, json{{"kind", "APIResourceList"}, {"apiVersion", "v1"}, {"resources", named}}.dump(), false,
            nullptr, 0};
  return failure(404, "NotFound", "the server could not find the requested resource");
}

api_answer api::answer(const api_request& request) {
  auto at = find(request.path);
  if (!at)
    return discover(request.path);
  auto answered = [&] {
    if (request.method != "GET")
      return write(*at, request);
    if (!at->name.empty())
      return read(*at);
    if (value_of(request.query, "watch") == "true" || value_of(request.query, "watch") == "1")
      return watch(*at, request);
    return list(*at, request);
  }();
  if (request.takes_gzip && answered.body.size() >= gzip_from) {
    answered.body = exporting::gzip(answered.body);
    answered.is_gzip = true;
  }
  return answered;
}

api_answer api::list(const place& at, const api_request& request) {
  auto limit = number_in(value_of(request.query, "limit"));
  auto token = value_of(request.query, "continue");
  auto selector = value_of(request.query, "labelSelector");
  std::size_t begin = 0;
  auto under_way = lists_.end();
  if (token.empty()) {
    ++counts_.lists;
    lists_.push_back({++list_number_, at.events->objects(at.namespace_name), at.events->version()});
    under_way = std::prev(lists_.end());
    if (!selector.empty())
      std::erase_if(under_way->objects, [&](std::uint32_t each) {
        return !labels_fit(json::parse(object_of(at.events->at(each).line)), selector);
      });
    if (lists_.size() > most_lists)
      lists_.pop_front();
  } else {
    auto colon = token.find(':');
    under_way =
        std::find_if(lists_.begin(), lists_.end(),
                     [number = number_in(token)](const paged_list& each) { return each.number == number; });
    if (colon == std::string::npos || under_way == lists_.end()) {
      ++counts_.expired;
      return expired();
    }
    begin = number_in(token.substr(colon + 1));
  }
  ++counts_.pages;
  const auto& objects = under_way->objects;
  auto end = limit == 0 ? objects.size() : std::min(objects.size(), begin + limit);
  api_answer out;
  out.body = R"({"kind":")" + at.events->resource().kind + R"(List","apiVersion":")" +
             at.events->resource().api_version() + R"(","metadata":{"resourceVersion":")" +
             std::to_string(under_way->version) + '"';
  if (end < objects.size())
    out.body += R"(,"continue":")" + std::to_string(under_way->number) + ':' + std::to_string(end) +
                R"(","remainingItemCount":)" + std::to_string(objects.size() - end);
  out.body += R"(},"items":[)";
  for (auto i = begin; i < end; ++i) {
    if (i > begin)
      out.body += ',';
    out.body += object_of(at.events->at(objects[i]).line);
  }
  out.body += "]}\n";
  if (end == objects.size())
    lists_.erase(under_way);
  return out;
}

api_answer api::watch(const place& at, const api_request& request) {
  watcher::request wanted;
  wanted.namespace_name = at.namespace_name;
  wanted.initial_events = value_of(request.query, "sendInitialEvents") == "true";
  wanted.bookmarks = value_of(request.query, "allowWatchBookmarks") == "true";
  wanted.version = number_in(value_of(request.query, "resourceVersion"));
  if (auto selector = value_of(request.query, "labelSelector"); !selector.empty())
    wanted.selects = [selector](std::string_view object) {
      return labels_fit(json::parse(object), selector);
    };
  if (!wanted.initial_events && wanted.version == 0)
    wanted.initial_events = true;
  if (!wanted.initial_events && at.events->has_forgotten(wanted.version)) {
    ++counts_.expired;
    return expired();
  }
  ++counts_.watches;
  api_answer out;
  out.watch = std::make_unique<watcher>(*at.events, std::move(wanted));
  out.watch_seconds = static_cast<std::int64_t>(number_in(value_of(request.query, "timeoutSeconds")));
  return out;
}

api_answer api::read(const place& at) {
  if (const auto* found = at.events->find(at.name))
    return {200, std::string{object_of(found->line)}, false, nullptr, 0};
  return failure(404, "NotFound", at.events->resource().plural + " \"" + at.name + "\" not found");
}

api_answer api::write(const place& at, const api_request& request) {
  if (!at.written) {
    if (request.method == "POST" && at.events->resource().kind == "Event") {
      ++counts_.events_created;
      return {201, request.body, false, nullptr,
              0}; // taken, and not shown: the storm's Events are those of its recording
    }
    return failure(405, "MethodNotAllowed", "the storm alone writes " + at.events->resource().plural);
  }
  auto made = [&]() -> write_result {
    if (request.method == "POST")
      return at.written->create(at.namespace_name, json::parse(request.body, nullptr, false));
    if (request.method == "PUT")
      return at.written->replace(at.name, json::parse(request.body, nullptr, false));
    if (request.method == "PATCH") {
      counts_.status_patches += at.subresource == "status" ? 1 : 0;
      return at.written->patch(at.name, request.content_type, request.body, at.subresource == "status");
    }
    if (request.method == "DELETE")
      return at.written->remove(at.name);
    return {405, failure_status(405, "MethodNotAllowed", request.method)};
  }();
  counts_.conflicts += made.status == 409 ? 1 : 0;
  return {made.status, made.body.dump(), false, nullptr, 0};
}

} // namespace tc::storm
