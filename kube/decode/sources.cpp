// Sources: GitRepository, OCIRepository, Bucket, HelmRepository, HelmChart, ExternalArtifact, and what makes
// them.

#include "kube/decode/kinds.hpp"

namespace tc::kube {

namespace {

void read_artifact(const node& from, object_state& out) {
  if (!from.present())
    return;
  artifact read;
  read.revision = from.at("revision").text();
  read.digest = from.at("digest").text();
  if (read.digest.empty()) // before v1beta2's digest field
    read.digest = from.at("checksum").text();
  read.last_update = from.at("lastUpdateTime").time();
  auto metadata = from.at("metadata");
  read.origin_revision = metadata.at("org.opencontainers.image.revision").text();
  read.origin_source = metadata.at("org.opencontainers.image.source").text();
  // Free text of whoever pushed the artifact: not a time is no error.
  read.created = parse_rfc3339(metadata.at("org.opencontainers.image.created").text()).value_or(timestamp{});
  out.artifact = std::move(read);
}

void read_ref(const node& ref, object_state& out) {
  // In the order in which source-controller gives them precedence.
  for (const char* key : {"commit", "name", "digest", "semver", "tag", "branch"}) {
    auto value = ref.at(key).text();
    if (!value.empty()) {
      out.ref_type = key;
      out.ref_name = std::move(value);
      return;
    }
  }
}

} // namespace

void read_source(const node& root, const object_id& self, object_state& out) {
  auto spec = root.at("spec");
  auto status = root.at("status");
  read_artifact(status.at("artifact"), out);
  if (self.kind == "Bucket") {
    out.url = spec.at("endpoint").text() + '/' + spec.at("bucketName").text();
  } else {
    out.url = spec.at("url").text();
  }
  if (self.kind == "GitRepository" || self.kind == "OCIRepository")
    read_ref(spec.at("ref"), out);
  if (self.kind == "GitRepository")
    spec.at("include").for_each([&](const node& entry) {
      out.sources.push_back(read_reference(entry.at("repository"), self.namespace_name, "GitRepository"));
    });
  if (self.kind == "HelmChart") {
    out.chart = spec.at("chart").text();
    out.chart_version = spec.at("version").text();
    out.observed_source_revision = status.at("observedSourceArtifactRevision").text();
  }
  if (auto reference = spec.at("sourceRef"); reference.is_object())
    out.source_ref = read_reference(reference, self.namespace_name);
  if (self.kind == "ArtifactGenerator") {
    spec.at("sources").for_each(
        [&](const node& entry) { out.sources.push_back(read_reference(entry, self.namespace_name)); });
    status.at("inventory").for_each([&](const node& entry) {
      out.inventory.push_back(read_reference(entry, self.namespace_name, "ExternalArtifact"));
    });
  }
  if (self.kind == "ImageUpdateAutomation") {
    out.last_push_commit = status.at("lastPushCommit").text();
    out.last_push_time = status.at("lastPushTime").time();
  }
}

} // namespace tc::kube
