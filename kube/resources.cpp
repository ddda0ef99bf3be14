#include "kube/resources.hpp"

namespace tc::kube {

namespace {

constexpr std::string_view source = "source.toolkit.fluxcd.io";
constexpr std::string_view notification = "notification.toolkit.fluxcd.io";

// From the CRDs of Flux: Bucket is v1 since 2.4, OCIRepository since 2.6, the image kinds and
// ExternalArtifact since 2.7.
constexpr watched_kind table[] = {
    {source, "GitRepository", "gitrepositories", {"v1", "v1beta2"}},
    {source, "OCIRepository", "ocirepositories", {"v1", "v1beta2"}},
    {source, "Bucket", "buckets", {"v1", "v1beta2"}},
    {source, "HelmRepository", "helmrepositories", {"v1", "v1beta2"}},
    {source, "HelmChart", "helmcharts", {"v1", "v1beta2"}},
    {source, "ExternalArtifact", "externalartifacts", {"v1"}},
    {"kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations", {"v1", "v1beta2"}},
    {"helm.toolkit.fluxcd.io", "HelmRelease", "helmreleases", {"v2", "v2beta2", "v2beta1"}},
    {"", "Event", "events", {"v1"}},
    {"apps", "Deployment", "deployments", {"v1"}},
    {"apps", "StatefulSet", "statefulsets", {"v1"}},
    {"apps", "DaemonSet", "daemonsets", {"v1"}},
    {"image.toolkit.fluxcd.io",
     "ImageUpdateAutomation",
     "imageupdateautomations",
     {"v1", "v1beta2", "v1beta1"}},
    {"source.extensions.fluxcd.io", "ArtifactGenerator", "artifactgenerators", {"v1", "v1beta1"}},
    {notification, "Alert", "alerts", {"v1", "v1beta3", "v1beta2"}},
    {notification, "Trace", "traces", {"v1", "v1beta1"}},
    {notification, "Provider", "providers", {"v1", "v1beta3", "v1beta2", "v1beta1"}},
};

} // namespace

std::string resource_ref::api_version() const {
  return group.empty() ? version : group + '/' + version;
}

std::string resource_ref::to_string() const {
  return group.empty() ? kind : kind + '.' + group;
}

std::span<const watched_kind> watched_kinds() {
  return table;
}

const watched_kind* find_watched_kind(std::string_view group, std::string_view kind) {
  for (const auto& entry : table)
    if (entry.kind == kind && (group.empty() || entry.group == group))
      return &entry;
  return nullptr;
}

std::string collection_path(const resource_ref& resource, std::string_view namespace_name) {
  auto path = resource.group.empty() ? std::string{"/api/"} : "/apis/" + resource.group + '/';
  path += resource.version;
  if (!namespace_name.empty())
    path.append("/namespaces/").append(url_encode(namespace_name));
  return path.append("/").append(resource.plural);
}

std::string object_path(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
                        std::string_view subresource) {
  auto path = collection_path(resource, namespace_name).append("/").append(url_encode(name));
  if (!subresource.empty())
    path.append("/").append(subresource);
  return path;
}

std::string url_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string result;
  for (unsigned char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                 c == '.' || c == '_' || c == '~';
    if (plain) {
      result += static_cast<char>(c);
    } else {
      result += '%';
      result += digits[c >> 4U];
      result += digits[c & 15U];
    }
  }
  return result;
}

} // namespace tc::kube
