// What objects of every kind share: metadata, conditions, references, artifacts.

#include "kube/decode/kinds.hpp"
#include "messages/kinds.hpp"

#include <algorithm>

namespace tc::kube {

namespace {

constexpr std::size_t condition_message_limit = 8192;

} // namespace

std::string group_of(std::string_view api_version) {
  auto slash = api_version.find('/');
  return slash == std::string_view::npos ? std::string{} : std::string{api_version.substr(0, slash)};
}

object_id read_reference(const node& reference, std::string_view own_namespace,
                         std::string_view default_kind) {
  object_id result;
  result.kind = reference.at("kind").text();
  if (result.kind.empty())
    result.kind = default_kind;
  result.group = group_of(reference.at("apiVersion").text());
  if (result.group.empty())
    result.group = usual_group(result.kind);
  result.name = reference.at("name").text();
  result.namespace_name = reference.at("namespace").text();
  if (result.namespace_name.empty())
    result.namespace_name = own_namespace;
  return result;
}

void read_metadata(const node& metadata, const object_id& self, object_state& out) {
  out.generation = metadata.at("generation").integer();
  out.created = metadata.at("creationTimestamp").time();
  if (auto deleted = metadata.at("deletionTimestamp"); deleted.present())
    out.deleted = deleted.time();
  metadata.at("labels").for_each_member(
      [&](std::string_view key, const node& value) { out.labels.emplace(key, value.text()); });
  out.requested_at = metadata.at("annotations").at("reconcile.fluxcd.io/requestedAt").text();
  metadata.at("managedFields").for_each([&](const node& entry) {
    if (entry.at("fieldsV1")
            .at("f:metadata")
            .at("f:annotations")
            .at("f:reconcile.fluxcd.io/requestedAt")
            .present())
      out.requested_by = std::max(out.requested_by, entry.at("time").time());
    auto manager = entry.at("manager").text();
    bool applied = entry.at("operation").text() == "Apply" && !entry.at("subresource").present();
    // helm-controller also writes finalizers to HelmReleases, with Update
    if (applied && (manager == "kustomize-controller" || manager == "helm-controller"))
      out.applied_at = std::max(out.applied_at, entry.at("time").time());
    else if (entry.at("fieldsV1").at("f:spec").present()) // drift corrections too; scales are subresources
      out.edited_at = std::max(out.edited_at, entry.at("time").time());
  });
  metadata.at("ownerReferences").for_each([&](const node& owner) {
    out.owners.push_back(read_reference(owner, self.namespace_name));
  });
}

void read_common(const node& root, object_state& out) {
  auto spec = root.at("spec");
  out.suspended = spec.at("suspend").boolean();
  out.interval = spec.at("interval").go_duration();
  out.retry_interval = spec.at("retryInterval").go_duration();
  out.timeout = spec.at("timeout").go_duration();
  auto status = root.at("status");
  out.observed_generation = status.at("observedGeneration").integer();
  out.last_handled_at = status.at("lastHandledReconcileAt").text();
  status.at("conditions").for_each([&](const node& entry) {
    condition read;
    read.type = entry.at("type").text();
    read.status = entry.at("status").text();
    read.reason = entry.at("reason").text();
    read.message = entry.at("message").text_up_to(condition_message_limit);
    read.last_transition = entry.at("lastTransitionTime").time();
    read.observed_generation = entry.at("observedGeneration").integer();
    out.conditions.push_back(std::move(read));
  });
}

} // namespace tc::kube
