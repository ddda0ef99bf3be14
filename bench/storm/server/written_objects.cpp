#include "bench/storm/server/written_objects.hpp"

#include "messages/time.hpp"

#include <sstream>

namespace tc::storm {

namespace {

/// Far from the versions of a storm: nobody may take one for the other.
constexpr std::uint64_t first_version = 1'000'000'000;

std::string full_name(const json& object) {
  const auto& meta = object.at("metadata");
  auto space = meta.value("namespace", "");
  return (space.empty() ? "" : space + '/') + meta.value("name", "");
}

std::string now_text() {
  return to_rfc3339(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

} // namespace

json failure_status(int code, const std::string& reason, const std::string& message) {
  return {{"kind", "Status"},   {"apiVersion", "v1"}, {"status", "Failure"},
          {"message", message}, {"reason", reason},   {"code", code}};
}

written_objects::written_objects(kube::resource_ref resource)
    : events_(std::move(resource), first_version), version_(first_version) {}

const json* written_objects::find(const std::string& name) const {
  auto found = objects_.find(name);
  return found == objects_.end() ? nullptr : &found->second;
}

void written_objects::tell(const char* type, const std::string& name, const json& object) {
  lines_.push_back(json{{"type", type}}.dump());
  auto& line = lines_.back();
  line.pop_back(); // the brace: the type comes first, as an API server writes it
  line += R"(,"object":)" + object.dump() + "}\n";
  events_.append(name, line, version_, 0);
  events_.show_next();
}

const json& written_objects::put(json object) {
  auto name = full_name(object);
  auto& meta = object["metadata"];
  meta["resourceVersion"] = std::to_string(++version_);
  const auto* before = find(name);
  if (!before) {
    if (!meta.contains("uid"))
      meta["uid"] = "written-" + events_.resource().plural + '-' + std::to_string(++uids_);
    meta["generation"] = 1;
    meta["creationTimestamp"] = now_text();
  } else {
    const auto& old = before->at("metadata");
    meta["uid"] = old.at("uid");
    meta["creationTimestamp"] = old.at("creationTimestamp");
    auto same_spec = before->value("spec", json{}) == object.value("spec", json{});
    meta["generation"] = old.at("generation").get<std::int64_t>() + (same_spec ? 0 : 1);
  }
  auto is_new = before == nullptr;
  auto& kept = objects_[name];
  kept = std::move(object);
  tell(is_new ? "ADDED" : "MODIFIED", name, kept);
  return kept;
}

write_result written_objects::missing(const std::string& name) const {
  return {404, failure_status(404, "NotFound", events_.resource().plural + " \"" + name + "\" not found")};
}

write_result written_objects::create(const std::string& namespace_name, json object) {
  if (!object.is_object() || !object.contains("metadata"))
    return {400, failure_status(400, "BadRequest", "not an object with metadata")};
  if (!namespace_name.empty())
    object["metadata"]["namespace"] = namespace_name;
  auto name = full_name(object);
  if (find(name))
    return {409, failure_status(409, "AlreadyExists",
                                events_.resource().plural + " \"" + name + "\" already exists")};
  return {201, put(std::move(object))};
}

write_result written_objects::replace(const std::string& name, json object) {
  const auto* before = find(name);
  if (!before)
    return missing(name);
  auto wanted = object.is_object() && object.contains("metadata")
                    ? object["metadata"].value("resourceVersion", "")
                    : std::string{};
  if (!wanted.empty() && wanted != before->at("metadata").at("resourceVersion"))
    return {409,
            failure_status(409, "Conflict",
                           "Operation cannot be fulfilled on " + events_.resource().plural + " \"" + name +
                               "\": the object has been modified; please apply your changes to the latest "
                               "version and try again")};
  if (full_name(object) != name)
    return {400, failure_status(400, "BadRequest", "the name of the object does not match the URL")};
  return {200, put(std::move(object))};
}

write_result written_objects::patch(const std::string& name, const std::string& content_type,
                                    const std::string& body, bool is_status) {
  const auto* before = find(name);
  if (!before)
    return missing(name);
  auto change = json::parse(body, nullptr, false);
  auto after = *before;
  if (is_status && !after.contains("status"))
    after["status"] = {{"observedGeneration", -1}}; // the CRD's default
  if (content_type.find("json-patch") != std::string::npos) {
    try {
      after.patch_inplace(change);
    } catch (const json::exception&) {
      return {422, failure_status(422, "Invalid",
                                  "the server rejected our request due to an error in our request")};
    }
  } else if (change.is_object()) {
    after.merge_patch(change);
  } else {
    return {400, failure_status(400, "BadRequest", "not a patch")};
  }
  if (after.at("metadata").at("resourceVersion") != before->at("metadata").at("resourceVersion"))
    return {409, failure_status(409, "Conflict",
                                "Operation cannot be fulfilled on \"" + name +
                                    "\": the object has been modified")};
  if (is_status) {
    auto status = std::move(after["status"]);
    after = *before;
    after["status"] = std::move(status);
  }
  if (after == *before)
    return {200, after}; // nothing changes, and no watch is told
  return {200, put(std::move(after))};
}

write_result written_objects::remove(const std::string& name) {
  auto found = objects_.find(name);
  if (found == objects_.end())
    return missing(name);
  auto object = std::move(found->second);
  objects_.erase(found);
  object["metadata"]["resourceVersion"] = std::to_string(++version_);
  tell("DELETED", name, object);
  return {200, {{"kind", "Status"}, {"apiVersion", "v1"}, {"status", "Success"}}};
}

bool labels_fit(const json& object, const std::string& selector) {
  auto labels =
      object.contains("metadata") ? object["metadata"].value("labels", json::object()) : json::object();
  std::istringstream parts{selector};
  for (std::string part; std::getline(parts, part, ',');) {
    auto is = part.find('=');
    auto negated = is != std::string::npos ? is > 0 && part[is - 1] == '!' : part.starts_with('!');
    if (is == std::string::npos) {
      if (labels.contains(part.substr(negated ? 1 : 0)) == negated)
        return false;
      continue;
    }
    auto key = part.substr(0, negated ? is - 1 : is);
    auto value = part.substr(part.find_last_of('=') + 1);
    if ((labels.value(key, std::string{}) == value && labels.contains(key)) == negated)
      return false;
  }
  return true;
}

} // namespace tc::storm
