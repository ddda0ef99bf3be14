// Trace and Provider (notification.toolkit.fluxcd.io).

#include "kube/decode/kinds.hpp"
#include "messages/kinds.hpp"

#include <cmath>

namespace tc::kube {

namespace {

template <class Value>
Value read_choice(const node& from, std::initializer_list<std::pair<const char*, Value>> choices) {
  auto written = from.text();
  if (written.empty())
    return choices.begin()->second;
  std::string allowed;
  for (const auto& [name, value] : choices) {
    if (written == name)
      return value;
    allowed += allowed.empty() ? name : std::string{", "} + name;
  }
  from.fail("is '" + written + "', not one of " + allowed);
  return choices.begin()->second;
}

duration read_positive(const node& from, duration fallback) {
  auto read = from.go_duration();
  if (read && *read < duration::zero())
    from.fail("is negative");
  return read.value_or(fallback);
}

std::vector<std::string> read_texts(const node& from) {
  std::vector<std::string> result;
  from.for_each([&](const node& entry) { result.push_back(entry.text()); });
  return result;
}

/// Whether a Trace may name the kind, as the CRD's rule says.
bool is_followed_kind(std::string_view kind) {
  return is_source_kind(kind) || is_workload_kind(kind) || kind == "HelmRepository" ||
         kind == "ArtifactGenerator" || kind == "Kustomization" || kind == "HelmRelease" ||
         kind == "ImageUpdateAutomation";
}

event_source read_event_source(const node& from) {
  event_source read;
  read.kind = from.at("kind").text();
  if (read.kind.empty())
    from.at("kind").fail("is missing");
  if (!is_followed_kind(read.kind)) // a recording's manifests have met no API server
    from.at("kind").fail(
        "is '" + read.kind +
        "', which is not followed; the kinds are those of Flux's sources, "
        "Kustomization, HelmRelease, ImageUpdateAutomation, Deployment, StatefulSet, DaemonSet");
  read.group = group_of(from.at("apiVersion").text());
  if (read.group.empty())
    read.group = usual_group(read.kind);
  read.name = from.at("name").text();
  if (read.name.empty())
    from.at("name").fail("is missing; '*' stands for all");
  read.namespace_name = from.at("namespace").text();
  from.at("matchLabels").for_each_member([&](std::string_view key, const node& value) {
    read.match_labels.emplace(key, value.text());
  });
  if (!read.match_labels.empty() && read.name != "*")
    from.at("matchLabels").fail("needs the name '*'");
  return read;
}

} // namespace

trace_resource read_trace(const node& root) {
  trace_resource read;
  auto metadata = root.at("metadata");
  read.namespace_name = metadata.at("namespace").text();
  read.name = metadata.at("name").text();
  read.uid = metadata.at("uid").text();
  read.generation = metadata.at("generation").integer();
  auto spec = root.at("spec");
  if (!spec.present())
    spec.fail("is missing");
  read.provider_name = spec.at("providerRef").at("name").text();
  if (read.provider_name.empty())
    spec.fail("has no providerRef.name");
  auto sources = spec.at("eventSources");
  sources.for_each([&](const node& entry) { read.event_sources.push_back(read_event_source(entry)); });
  if (read.event_sources.empty())
    sources.fail("is empty; name at least one kind");
  read.inclusion_list = read_texts(spec.at("inclusionList"));
  read.exclusion_list = read_texts(spec.at("exclusionList"));
  auto sampling = spec.at("sampling");
  auto ratio = sampling.at("ratio");
  std::optional<double> written;
  if (ratio.present()) {
    // The API takes a string as well, as Kubernetes APIs avoid floats.
    if (ratio.is_string()) {
      auto text = ratio.text();
      char* end = nullptr;
      written = std::strtod(text.c_str(), &end);
      if (text.empty() || *end != '\0')
        ratio.fail("is not a number");
    } else {
      written = ratio.number(1);
    }
    if (!std::isfinite(*written) || *written < 0 || *written > 1)
      ratio.fail("is not between 0 and 1");
  }
  read.sampling.ratio = written.value_or(1.0);
  read.sampling.keep_errors = sampling.at("keepErrors").boolean();
  read.sampling.keep_slower_than = sampling.at("keepSlowerThan").go_duration();
  read.sampling.keep_changed = sampling.at("keepChanged").boolean();
  read.mode = read_choice<export_mode>(
      spec.at("export"), {{"OnSettle", export_mode::on_settle}, {"Progressive", export_mode::progressive}});
  read.settle_after = read_positive(spec.at("settleAfter"), read.settle_after);
  read.timeout = read_positive(spec.at("timeout"), read.timeout);
  if (read.settle_after >= read.timeout)
    spec.at("settleAfter").fail("is not shorter than the timeout, so no change could settle");
  read.scope = read_choice<trace_scope>(spec.at("scope"),
                                        {{"Change", trace_scope::change}, {"Trace", trace_scope::trace}});
  spec.at("attributes").for_each_member([&](std::string_view key, const node& value) {
    read.attributes.emplace(key, value.text());
  });
  read.suspend = spec.at("suspend").boolean();
  read.include_drift = spec.at("includeDrift").boolean();
  read.include_unused = spec.at("includeUnused").boolean();
  auto status = root.at("status");
  auto exported_last = status.at("lastExportedTrace"); // named, since its children refer to it
  if (auto until = status.at("exportedUntil"); until.present())
    read.exported_until = until.time();
  else if (auto last = exported_last.at("time"); last.present())
    read.exported_until = last.time(); // as written by 0.1 before there was exportedUntil
  return read;
}

provider_resource read_provider(const node& root) {
  provider_resource read;
  auto metadata = root.at("metadata");
  read.namespace_name = metadata.at("namespace").text();
  read.name = metadata.at("name").text();
  read.uid = metadata.at("uid").text();
  read.generation = metadata.at("generation").integer();
  auto spec = root.at("spec");
  read.type = spec.at("type").text();
  if (read.type.empty())
    spec.at("type").fail("is missing");
  read.address = spec.at("address").text();
  read.secret_name = spec.at("secretRef").at("name").text();
  read.cert_secret_name = spec.at("certSecretRef").at("name").text();
  read.proxy_secret_name = spec.at("proxySecretRef").at("name").text();
  if (auto timeout = read_positive(spec.at("timeout"), duration{-1}); timeout >= duration::zero())
    read.timeout = timeout;
  read.suspend = spec.at("suspend").boolean();
  return read;
}

} // namespace tc::kube
