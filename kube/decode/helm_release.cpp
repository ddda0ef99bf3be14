#include "kube/decode/kinds.hpp"
#include "messages/kinds.hpp"

namespace tc::kube {

void read_helm_release(const node& root, const object_id& self, object_state& out) {
  auto spec = root.at("spec");
  auto status = root.at("status");
  if (auto reference = spec.at("chartRef"); reference.present())
    out.chart_ref = read_reference(reference, self.namespace_name);
  auto chart_template = spec.at("chart"); // named, since its children refer to it
  auto chart = chart_template.at("spec");
  out.chart = chart.at("chart").text();
  out.chart_version = chart.at("version").text();
  if (auto reference = chart.at("sourceRef"); reference.present())
    out.source_ref = read_reference(reference, self.namespace_name);
  spec.at("dependsOn").for_each([&](const node& entry) {
    out.depends_on.push_back(read_reference(entry, self.namespace_name, self.kind));
  });
  spec.at("valuesFrom").for_each([&](const node& entry) {
    out.values_from.push_back(read_reference(entry, self.namespace_name, "ConfigMap"));
  });
  out.helm_chart = status.at("helmChart").text();
  out.last_attempted_revision = status.at("lastAttemptedRevision").text();
  out.last_applied_revision = status.at("lastAppliedRevision").text();
  out.last_attempted_revision_digest = status.at("lastAttemptedRevisionDigest").text();
  out.last_attempted_config_digest = status.at("lastAttemptedConfigDigest").text();
  if (out.last_attempted_config_digest.empty()) // v2beta1
    out.last_attempted_config_digest = status.at("lastAttemptedValuesChecksum").text();
  out.last_attempted_generation = status.at("lastAttemptedGeneration").integer();
  out.last_action = status.at("lastAttemptedReleaseAction").text();
  out.last_action_duration = status.at("lastAttemptedReleaseActionDuration").go_duration();
  out.failures = status.at("failures").integer();
  out.install_failures = status.at("installFailures").integer();
  out.upgrade_failures = status.at("upgradeFailures").integer();
  status.at("history").for_each([&](const node& entry) {
    release_record read;
    read.chart_name = entry.at("chartName").text();
    read.chart_version = entry.at("chartVersion").text();
    read.config_digest = entry.at("configDigest").text();
    read.oci_digest = entry.at("ociDigest").text();
    read.status = entry.at("status").text();
    read.action = entry.at("action").text();
    read.version = entry.at("version").integer();
    read.first_deployed = entry.at("firstDeployed").time();
    read.last_deployed = entry.at("lastDeployed").time();
    read.deleted = entry.at("deleted").time();
    out.releases.push_back(std::move(read));
  });
}

} // namespace tc::kube
