#pragma once

// The API server of a storm, as far as a watcher can tell: objects with their resource versions, generations
// and field managers, and the watch event of each change.

#include "bench/storm/chance.hpp"
#include "bench/storm/timeline.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>

namespace tc::storm {

using json = nlohmann::json;

struct object_key {
  std::string kind, namespace_name, name;
  bool operator<(const object_key& other) const {
    return std::tie(kind, namespace_name, name) < std::tie(other.kind, other.namespace_name, other.name);
  }
  json to_json() const { return {{"kind", kind}, {"namespace", namespace_name}, {"name", name}}; }
};

class cluster {
public:
  /// Told of each watch event: when, "ADDED" or "MODIFIED", the object.
  using watcher = std::function<void(timestamp, const char*, const json&)>;

  cluster(timeline& time, chance& random, watcher watching)
      : time_(time), random_(random), watching_(std::move(watching)) {}

  /// Creates an object; `manager` is the field manager that applies its spec.
  json& create(json object, const std::string& manager);
  /// Changes the spec, labels or annotations of an object by a server-side apply of `manager`.
  void apply(const object_key& key, const std::string& manager, const std::function<void(json&)>& change);
  /// Changes the status of an object as `manager`.
  void patch_status(const object_key& key, const std::string& manager,
                    const std::function<void(json&)>& change);
  json& get(const object_key& key) { return objects_.at(key); }
  bool has(const object_key& key) const { return objects_.count(key) != 0; }
  /// Tells the watcher of all objects as a list would, and of everything that changes from now on.
  void start_watching();

  std::string next_resource_version() { return std::to_string(++version_); }
  std::string new_uid();
  void tell(const char* type, const json& object) {
    if (watched_)
      watching_(time_.now(), type, object);
  }

private:
  void managed(json& object, const std::string& manager, const char* operation, const char* subresource);

  timeline& time_;
  chance& random_;
  watcher watching_;
  std::map<object_key, json> objects_;
  std::uint64_t version_ = 1000;
  bool watched_ = false;
};

object_key key_of(const json& object);
/// "sha256:" and the digest of the text.
std::string digest_of(const std::string& text);
/// The second that an API server or a controller would write.
std::string second_of(timestamp at);

} // namespace tc::storm
