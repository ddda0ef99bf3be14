#include "kube/discovery.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <unordered_map>

namespace tc::kube {

using nlohmann::json;

namespace {

std::string text(const json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

} // namespace

std::optional<std::vector<std::string>> parse_group_versions(std::string_view body) {
  auto root = json::parse(body, nullptr, false);
  if (!root.is_object() || !root.contains("versions") || !root["versions"].is_array())
    return std::nullopt;
  std::vector<std::string> result;
  for (const auto& entry : root["versions"])
    if (entry.is_object())
      result.push_back(text(entry, "version"));
  return result;
}

std::optional<std::vector<std::pair<std::string, std::string>>> parse_resource_list(std::string_view body) {
  auto root = json::parse(body, nullptr, false);
  if (!root.is_object() || !root.contains("resources") || !root["resources"].is_array())
    return std::nullopt;
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& entry : root["resources"]) {
    if (!entry.is_object())
      continue;
    auto plural = text(entry, "name");
    if (plural.find('/') == std::string::npos)
      result.emplace_back(text(entry, "kind"), std::move(plural));
  }
  return result;
}

struct discovery::impl : std::enable_shared_from_this<discovery::impl> {
  /// A response body; nothing for 404; else why there is none.
  using body = tl::expected<std::optional<std::string>, std::string>;

  struct page {
    bool asked = false;
    timestamp valid_until;
    body content;
    std::vector<std::function<void(const body&)>> waiting;
  };

  impl(cluster& c, std::function<timestamp()> now, duration k) : target(c), clock(std::move(now)), keep(k) {}

  /// Calls `done` with the page, from memory when it is fresh. Several who ask at a time share one request.
  void fetch(const std::string& path, std::function<void(const body&)> done) {
    auto& entry = pages[path];
    if (!entry.asked && clock() < entry.valid_until) {
      auto copy = entry.content;
      target.loop().post([self = weak_from_this(), done = std::move(done), copy = std::move(copy)] {
        if (self.lock())
          done(copy);
      });
      return;
    }
    entry.waiting.push_back(std::move(done));
    if (std::exchange(entry.asked, true))
      return;
    runtime::http_request request;
    request.url = path;
    request.headers = {"Accept: application/json"};
    request.total_timeout = std::chrono::seconds{30};
    request.on_done = [weak = weak_from_this(), path](runtime::http_result result) {
      if (auto self = weak.lock())
        self->arrived(path, std::move(result));
    };
    target.send(std::move(request));
  }

  void arrived(const std::string& path, runtime::http_result result) {
    auto& entry = pages[path];
    entry.asked = false;
    if (result.failure != runtime::http_failure::none)
      entry.content = tl::unexpected(result.error);
    else if (result.status == 404)
      entry.content = std::nullopt;
    else if (!result.ok())
      entry.content = tl::unexpected("GET " + path + " answered HTTP " + std::to_string(result.status));
    else
      entry.content = std::optional{std::move(result.body)};
    // A failure is not kept: whoever asks again has waited already.
    entry.valid_until = entry.content ? clock() + keep : timestamp{};
    auto content = entry.content;
    auto waiting = std::move(entry.waiting);
    entry.waiting.clear();
    for (auto& done : waiting)
      done(content);
  }

  void resolve(const watched_kind& kind, std::function<void(answer)> done) {
    if (kind.group.empty()) {
      try_versions(kind, {kind.versions.begin(), kind.versions.end()}, std::move(done));
      return;
    }
    auto path = "/apis/" + std::string{kind.group};
    fetch(path, [self = shared_from_this(), kind, path, done = std::move(done)](const body& content) {
      if (!content) {
        done(tl::unexpected(content.error()));
        return;
      }
      if (!*content) {
        done(std::nullopt);
        return;
      }
      auto served = parse_group_versions(**content);
      if (!served) {
        self->pages[path].valid_until = {};
        done(tl::unexpected("GET " + path + " did not answer with an APIGroup"));
        return;
      }
      std::vector<std::string> usable;
      for (auto version : kind.versions)
        if (!version.empty() && std::find(served->begin(), served->end(), version) != served->end())
          usable.emplace_back(version);
      self->try_versions(kind, std::move(usable), done);
    });
  }

  /// A group serves a version as soon as one of its kinds has it, so each version has to be looked into.
  void try_versions(const watched_kind& kind, std::vector<std::string> versions,
                    std::function<void(answer)> done) {
    versions.erase(std::remove(versions.begin(), versions.end(), ""), versions.end());
    if (versions.empty()) {
      done(std::nullopt);
      return;
    }
    resource_ref candidate{std::string{kind.group}, versions.front(), std::string{kind.kind}, {}};
    versions.erase(versions.begin());
    auto path = (kind.group.empty() ? "/api/" : "/apis/") + candidate.api_version();
    fetch(path, [self = shared_from_this(), kind, candidate, versions, path,
                 done = std::move(done)](const body& content) mutable {
      if (!content) {
        done(tl::unexpected(content.error()));
        return;
      }
      if (*content) {
        auto resources = parse_resource_list(**content);
        if (!resources) {
          self->pages[path].valid_until = {};
          done(tl::unexpected("GET " + path + " did not answer with an APIResourceList"));
          return;
        }
        for (auto& [name, plural] : *resources) {
          if (name != candidate.kind)
            continue;
          candidate.plural = plural;
          done(std::optional{candidate});
          return;
        }
      }
      self->try_versions(kind, std::move(versions), std::move(done));
    });
  }

  cluster& target;
  std::function<timestamp()> clock;
  duration keep;
  std::unordered_map<std::string, page> pages;
};

discovery::discovery(cluster& target, std::function<timestamp()> clock, duration keep)
    : impl_(std::make_shared<impl>(target, std::move(clock), keep)) {
  // nop
}

discovery::~discovery() = default;

void discovery::resolve(const watched_kind& kind, std::function<void(answer)> done) {
  impl_->resolve(kind, std::move(done));
}

} // namespace tc::kube
