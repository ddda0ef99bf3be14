#include "bench/storm/cluster.hpp"

#include "messages/ids.hpp"

#include <algorithm>
#include <iterator>

namespace tc::storm {

namespace {

/// Which fields a manager owns, in the form of managedFields: every leaf but those that lists have.
json fields_of(const json& value) {
  json out = json::object();
  for (const auto& [name, child] : value.items())
    out["f:" + name] = child.is_object() && name != "values" ? fields_of(child) : json::object();
  return out;
}

} // namespace

object_key key_of(const json& object) {
  return {object.at("kind"), object.at("metadata").value("namespace", ""), object.at("metadata").at("name")};
}

std::string digest_of(const std::string& text) {
  static constexpr char digit[] = "0123456789abcdef";
  std::string out = "sha256:";
  for (auto byte : sha256(text)) {
    out += digit[byte >> 4];
    out += digit[byte & 15];
  }
  return out;
}

std::string second_of(timestamp at) {
  return to_rfc3339(std::chrono::floor<std::chrono::seconds>(at));
}

std::string cluster::new_uid() {
  return random_.hex(8) + '-' + random_.hex(4) + "-4" + random_.hex(3) + "-8" + random_.hex(3) + '-' +
         random_.hex(12);
}

void cluster::managed(json& object, const std::string& manager, const char* operation,
                      const char* subresource) {
  auto& list = object["metadata"]["managedFields"];
  auto of = std::find_if(list.begin(), list.end(), [&](const json& one) {
    return one["manager"] == manager && one.value("subresource", "") == subresource;
  });
  json fields;
  if (*subresource) {
    fields = {{"f:status", fields_of(object.value("status", json::object()))}};
  } else {
    fields = {{"f:spec", fields_of(object.value("spec", json::object()))}};
    if (object["metadata"].contains("labels"))
      fields["f:metadata"] = {{"f:labels", fields_of(object["metadata"]["labels"])}};
  }
  json entry = {{"manager", manager},
                {"operation", operation},
                {"apiVersion", object["apiVersion"]},
                {"time", second_of(time_.now())},
                {"fieldsType", "FieldsV1"},
                {"fieldsV1", std::move(fields)}};
  if (*subresource)
    entry["subresource"] = subresource;
  if (of == list.end())
    list.push_back(std::move(entry));
  else
    *of = std::move(entry);
}

json& cluster::create(json object, const std::string& manager) {
  auto key = key_of(object);
  auto& meta = object["metadata"];
  meta["uid"] = new_uid();
  meta["generation"] = 1;
  meta["creationTimestamp"] = second_of(time_.now());
  meta["resourceVersion"] = next_resource_version();
  meta["managedFields"] = json::array();
  managed(object, manager, "Apply", "");
  auto& kept = objects_.insert_or_assign(key, std::move(object)).first->second;
  tell("ADDED", kept);
  return kept;
}

void cluster::apply(const object_key& key, const std::string& manager,
                    const std::function<void(json&)>& change) {
  auto& object = objects_.at(key);
  auto spec = object["spec"];
  change(object);
  auto& meta = object["metadata"];
  if (object["spec"] != spec)
    meta["generation"] = meta["generation"].get<std::int64_t>() + 1;
  meta["resourceVersion"] = next_resource_version();
  managed(object, manager, "Apply", "");
  tell("MODIFIED", object);
}

void cluster::patch_status(const object_key& key, const std::string& manager,
                           const std::function<void(json&)>& change) {
  auto& object = objects_.at(key);
  change(object["status"]);
  object["metadata"]["resourceVersion"] = next_resource_version();
  managed(object, manager, "Update", "status");
  tell("MODIFIED", object);
}

void cluster::start_watching() {
  watched_ = true;
  for (auto one = objects_.begin(); one != objects_.end(); ++one) {
    tell("ADDED", one->second);
    if (auto next = std::next(one); next == objects_.end() || next->first.kind != one->first.kind)
      tell("BOOKMARK", {{"apiVersion", one->second["apiVersion"]},
                        {"kind", one->first.kind},
                        {"metadata",
                         {{"resourceVersion", std::to_string(version_)},
                          {"annotations", {{"k8s.io/initial-events-end", "true"}}}}}});
  }
  tell("BOOKMARK", {{"apiVersion", "v1"},
                    {"kind", "Event"},
                    {"metadata",
                     {{"resourceVersion", std::to_string(version_)},
                      {"annotations", {{"k8s.io/initial-events-end", "true"}}}}}});
}

} // namespace tc::storm
