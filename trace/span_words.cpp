#include "trace/span_words.hpp"

#include "messages/kinds.hpp"
#include "trace/revision.hpp"

#include <algorithm>

namespace tc::trace {

std::string controller_of(const object_id& object) {
  if (object.group == "source.toolkit.fluxcd.io")
    return object.kind == "ExternalArtifact" ? "source-watcher" : "source-controller";
  if (object.group == "source.extensions.fluxcd.io")
    return "source-watcher";
  if (object.group == "kustomize.toolkit.fluxcd.io")
    return "kustomize-controller";
  if (object.group == "helm.toolkit.fluxcd.io")
    return "helm-controller";
  if (object.group == "image.toolkit.fluxcd.io")
    return "image-automation-controller";
  if (is_workload_kind(object.kind))
    return "kube-controller-manager";
  return object.group;
}

double seconds(duration value) {
  return std::chrono::duration<double>(value).count();
}

namespace {

std::string without_git(std::string url) {
  if (url.ends_with(".git"))
    url.resize(url.size() - 4);
  return url;
}

} // namespace

std::string without_credentials(std::string text) {
  constexpr std::string_view separator = "://";
  for (auto at = text.find(separator); at != std::string::npos; at = text.find(separator, at)) {
    at += separator.size();
    auto end = text.find_first_of("/?# \t\r\n\"'<>()", at);
    auto user = text.rfind('@', end == std::string::npos ? end : end - 1);
    if (user != std::string::npos && user >= at && (end == std::string::npos || user < end))
      text.erase(at, user + 1 - at);
  }
  return text;
}

void hide_credentials(span& on) {
  auto clean = [](std::vector<attribute>& attributes) {
    for (auto& each : attributes)
      if (auto* text = std::get_if<std::string>(&each.value); text && text->find("://") != std::string::npos)
        *text = without_credentials(std::move(*text));
  };
  clean(on.attributes);
  for (auto& each : on.events)
    clean(each.attributes);
  if (on.status_message.find("://") != std::string::npos)
    on.status_message = without_credentials(std::move(on.status_message));
}

/// The words of the semantic conventions for the result of a pipeline and of a task.
std::string result_word(std::string_view outcome) {
  if (outcome == "succeeded")
    return "success";
  if (outcome == "failed")
    return "failure";
  return outcome == "superseded" ? "cancellation" : "error";
}

void put(span& on, const char* key, std::string value) {
  if (!value.empty())
    on.attributes.push_back({key, std::move(value)});
}

void put_content(span& made, const object_id& source, const occurrence& content, const observation* latest) {
  auto read = parse_revision(content.origin_revision.empty() ? content.revision : content.origin_revision);
  if (source.kind == "HelmChart") {
    put(made, "flux.chart", latest ? latest->state->chart : std::string{});
    return;
  }
  if (read.is_sha1() || source.kind == "GitRepository") {
    put(made, "vcs.ref.head.revision", read.hex);
    auto name = read.pointer;
    std::string type = "branch";
    if (latest && source.kind == "GitRepository") {
      if (latest->state->ref_type == "tag" || latest->state->ref_type == "semver")
        type = "tag";
      else if (latest->state->ref_type == "commit" || latest->state->ref_type == "name")
        type.clear();
    }
    if (name.starts_with("refs/heads/"))
      type = "branch";
    else if (name.starts_with("refs/tags/"))
      type = "tag";
    put(made, "vcs.ref.head.name", name);
    if (!name.empty())
      put(made, "vcs.ref.head.type", type);
  }
  if (source.kind == "GitRepository")
    put(made, "vcs.repository.url.full", latest ? without_git(latest->state->url) : std::string{});
  else
    put(made, "vcs.repository.url.full", without_git(content.origin_source));
  if (source.kind == "OCIRepository")
    put(made, "oci.manifest.digest", parse_revision(content.revisions.front()).digest()); // as flux.revision
}

/// "registry/name:tag@sha256:..."
namespace {

void split_image(const std::string& image, std::vector<std::string>& names, std::vector<std::string>& tags,
                 std::vector<std::string>& digests) {
  auto at = image.find('@');
  digests.push_back(at == std::string::npos ? std::string{} : image.substr(at + 1));
  auto rest = image.substr(0, at);
  auto colon = rest.rfind(':');
  auto slash = rest.rfind('/');
  bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
  tags.push_back(tagged ? rest.substr(colon + 1) : std::string{});
  names.push_back(tagged ? rest.substr(0, colon) : rest);
}

} // namespace

void put_images(span& on, const std::vector<std::string>& images) {
  if (images.empty())
    return;
  std::vector<std::string> names;
  std::vector<std::string> tags;
  std::vector<std::string> digests;
  for (const auto& image : images)
    split_image(image, names, tags, digests);
  on.attributes.push_back({"container.image.name", names});
  on.attributes.push_back({"container.image.tags", tags});
  if (std::any_of(digests.begin(), digests.end(), [](const std::string& each) { return !each.empty(); }))
    on.attributes.push_back({"oci.manifest.digest", digests});
}

} // namespace tc::trace
