#include "kube/decode/kinds.hpp"
#include "messages/kinds.hpp"

#include <algorithm>

namespace tc::kube {

namespace {

/// An inventory ID is "<namespace>_<name>_<group>_<kind>"; ':' in a name is written "__" (fluxcd/cli-utils).
std::optional<object_id> parse_inventory_id(std::string_view id) {
  auto first = id.find('_');
  auto last = id.rfind('_');
  if (first == std::string_view::npos || last <= first)
    return {};
  auto before = id.substr(0, last).rfind('_');
  if (before == std::string_view::npos || before <= first)
    return {};
  object_id result;
  result.namespace_name = id.substr(0, first);
  result.kind = id.substr(last + 1);
  result.group = id.substr(before + 1, last - before - 1);
  auto name = id.substr(first + 1, before - first - 1);
  for (std::size_t at = 0; at < name.size(); ++at) {
    bool colon = name.substr(at, 2) == "__";
    result.name += colon ? ':' : name[at];
    at += colon ? 1 : 0;
  }
  return result;
}

} // namespace

void read_kustomization(const node& root, const object_id& self, object_state& out) {
  auto spec = root.at("spec");
  auto status = root.at("status");
  if (auto reference = spec.at("sourceRef"); reference.present())
    out.source_ref = read_reference(reference, self.namespace_name);
  spec.at("dependsOn").for_each([&](const node& entry) {
    out.depends_on.push_back(read_reference(entry, self.namespace_name, self.kind));
  });
  spec.at("postBuild").at("substituteFrom").for_each([&](const node& entry) {
    out.values_from.push_back(read_reference(entry, self.namespace_name, "ConfigMap"));
  });
  out.waits = spec.at("wait").boolean();
  spec.at("healthChecks").for_each([&](const node&) { out.waits = true; });
  out.last_attempted_revision = status.at("lastAttemptedRevision").text();
  out.last_applied_revision = status.at("lastAppliedRevision").text();
  out.last_applied_origin_revision = status.at("lastAppliedOriginRevision").text();
  status.at("history").for_each([&](const node& entry) {
    apply_record read;
    read.digest = entry.at("digest").text();
    read.first_reconciled = entry.at("firstReconciled").time();
    read.last_reconciled = entry.at("lastReconciled").time();
    read.last_duration = entry.at("lastReconciledDuration").go_duration().value_or(duration{});
    read.last_status = entry.at("lastReconciledStatus").text();
    read.total = entry.at("totalReconciliations").integer();
    auto metadata = entry.at("metadata");
    read.revision = metadata.at("revision").text();
    read.origin_revision = metadata.at("originRevision").text();
    out.applies.push_back(std::move(read));
  });
  status.at("inventory").at("entries").for_each([&](const node& entry) {
    if (auto id = parse_inventory_id(entry.at("id").text()))
      out.inventory.push_back(std::move(*id));
  });
}

} // namespace tc::kube
