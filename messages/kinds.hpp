#pragma once

// The kinds that Flux and Kubernetes serve and that concern us, with their API groups. What they mean to a
// trace is decided in trace/.

#include <array>
#include <string_view>

namespace tc {

/// Returns the API group in which a kind is usually served ("apps" for Deployment), "" for an unknown kind
/// and for the core group.
constexpr std::string_view usual_group(std::string_view kind) {
  if (kind == "GitRepository" || kind == "OCIRepository" || kind == "Bucket" || kind == "HelmRepository" ||
      kind == "HelmChart" || kind == "ExternalArtifact")
    return "source.toolkit.fluxcd.io";
  if (kind == "ArtifactGenerator")
    return "source.extensions.fluxcd.io";
  if (kind == "Kustomization")
    return "kustomize.toolkit.fluxcd.io";
  if (kind == "HelmRelease")
    return "helm.toolkit.fluxcd.io";
  if (kind == "ImageRepository" || kind == "ImagePolicy" || kind == "ImageUpdateAutomation")
    return "image.toolkit.fluxcd.io";
  if (kind == "Alert" || kind == "Provider" || kind == "Receiver" || kind == "Trace")
    return "notification.toolkit.fluxcd.io";
  if (kind == "Deployment" || kind == "StatefulSet" || kind == "DaemonSet" || kind == "ReplicaSet")
    return "apps";
  return "";
}

/// Returns whether the kind rolls out pods: Deployment, StatefulSet or DaemonSet.
constexpr bool is_workload_kind(std::string_view kind) {
  return kind == "Deployment" || kind == "StatefulSet" || kind == "DaemonSet";
}

/// Returns whether the kind publishes content that others apply: it can be the root of a trace.
constexpr bool is_source_kind(std::string_view kind) {
  return kind == "GitRepository" || kind == "OCIRepository" || kind == "Bucket" || kind == "HelmChart" ||
         kind == "ExternalArtifact";
}

/// The labels by which a controller marks what it applies with its own object's name.
struct applier_labels {
  std::string_view group;
  std::string_view kind;
  std::string_view name;
  std::string_view namespace_name;
};

/// What a release made has its labels; the Kustomization's are on what was applied from plain manifests.
inline constexpr std::array labels_of_appliers{
    applier_labels{"helm.toolkit.fluxcd.io", "HelmRelease", "helm.toolkit.fluxcd.io/name",
                   "helm.toolkit.fluxcd.io/namespace"},
    applier_labels{"kustomize.toolkit.fluxcd.io", "Kustomization", "kustomize.toolkit.fluxcd.io/name",
                   "kustomize.toolkit.fluxcd.io/namespace"},
};

} // namespace tc
