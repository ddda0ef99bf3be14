#include "kube/lease.hpp"

#include <nlohmann/json.hpp>

#include <chrono>

namespace tc::kube {

using nlohmann::json;

namespace {

/// metav1.MicroTime has always six digits, and a server that decodes it refuses others.
std::string micro_time(timestamp at) {
  auto whole = std::chrono::floor<std::chrono::seconds>(at);
  auto part = std::chrono::duration_cast<std::chrono::microseconds>(at - whole).count();
  auto digits = std::to_string(part);
  auto text = to_rfc3339(whole);
  text.pop_back(); // the Z
  return text + '.' + std::string(6 - digits.size(), '0') + digits + 'Z';
}

timestamp time_in(const json& spec, const char* name) {
  auto found = spec.find(name);
  if (found == spec.end() || !found->is_string())
    return {};
  return parse_rfc3339(found->get_ref<const std::string&>()).value_or(timestamp{});
}

std::int64_t number_in(const json& spec, const char* name) {
  auto found = spec.find(name);
  return found != spec.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

std::string text_in(const json& object, const char* name) {
  auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

tl::expected<lease_record, std::string> read_lease(json object) {
  if (!object.is_object() || !object.contains("metadata") || !object["metadata"].is_object())
    return tl::unexpected<std::string>("the response is no Lease");
  auto& metadata = object["metadata"];
  lease_record out;
  out.resource_version = text_in(metadata, "resourceVersion");
  if (out.resource_version.empty())
    return tl::unexpected<std::string>("the Lease has no resourceVersion");
  metadata.erase("managedFields"); // the server's own
  out.metadata = metadata.dump();
  auto spec = object.value("spec", json::object());
  if (!spec.is_object())
    return tl::unexpected<std::string>("the spec of the Lease is no object");
  out.holder = text_in(spec, "holderIdentity");
  out.seconds = number_in(spec, "leaseDurationSeconds");
  out.transitions = number_in(spec, "leaseTransitions");
  out.acquired = time_in(spec, "acquireTime");
  out.renewed = time_in(spec, "renewTime");
  return out;
}

} // namespace

const resource_ref& lease_resource() {
  static const resource_ref out{"coordination.k8s.io", "v1", "Lease", "leases"};
  return out;
}

tl::expected<lease_record, std::string> parse_lease(std::string_view text) {
  return read_lease(json::parse(text, nullptr, false));
}

tl::expected<std::map<std::string, lease_record>, std::string> parse_lease_list(std::string_view text) {
  auto list = json::parse(text, nullptr, false);
  if (!list.is_object() || !list.contains("items") || !list["items"].is_array())
    return tl::unexpected<std::string>("the response is no list of Leases");
  std::map<std::string, lease_record> out;
  for (auto& each : list["items"]) {
    auto name = each.is_object() && each.contains("metadata") ? text_in(each["metadata"], "name") : "";
    if (auto lease = read_lease(std::move(each)); lease && !name.empty())
      out.emplace(std::move(name), std::move(*lease));
  }
  return out;
}

std::string to_json(const lease_record& lease, std::string_view namespace_name, std::string_view name) {
  auto metadata = lease.metadata.empty() ? json::object() : json::parse(lease.metadata, nullptr, false);
  if (!metadata.is_object())
    metadata = json::object();
  metadata["name"] = name;
  metadata["namespace"] = namespace_name;
  if (!lease.resource_version.empty())
    metadata["resourceVersion"] = lease.resource_version;
  json spec{{"holderIdentity", lease.holder},
            {"leaseDurationSeconds", lease.seconds},
            {"leaseTransitions", lease.transitions}};
  if (is_known(lease.acquired))
    spec["acquireTime"] = micro_time(lease.acquired);
  if (is_known(lease.renewed))
    spec["renewTime"] = micro_time(lease.renewed);
  return json{{"apiVersion", "coordination.k8s.io/v1"},
              {"kind", "Lease"},
              {"metadata", std::move(metadata)},
              {"spec", std::move(spec)}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace tc::kube
