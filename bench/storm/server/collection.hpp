#pragma once

// One resource of the stand-in API server: the watch events there were, how many of them are visible by now,
// and the objects as of that. Texts of events are kept by others (mapped files, or a store of written
// objects).

#include "kube/resources.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tc::storm {

class collection {
public:
  /// A watch event in the form in which it is sent: {"type":"…","object":…} and a line feed.
  struct event {
    std::string_view line;
    std::uint64_t version = 0; ///< the object's resourceVersion
    std::uint32_t object = 0;  ///< which object, for name_of()
    std::uint32_t place = 0;   ///< in the order of the whole storm
  };
  /// The objects at one moment, as places in the log, in order of their names.
  using snapshot = std::vector<std::uint32_t>;

  /// Events up to `version` cannot be asked for.
  collection(kube::resource_ref resource, std::uint64_t version)
      : resource_(std::move(resource)), oldest_(version), version_(version) {}

  const kube::resource_ref& resource() const { return resource_; }

  /// Adds an event that nobody sees yet. `name` is "namespace/name".
  void append(const std::string& name, std::string_view line, std::uint64_t version, std::uint32_t place);
  bool has_hidden() const { return visible_ < log_.size(); }
  /// Makes the next event visible. `of_start`: it belongs to the state that is older than every version.
  void show_next(bool of_start = false);

  std::size_t visible() const { return visible_; }
  const event& at(std::size_t place) const { return log_[place]; }
  const std::string& name_of(const event& of) const { return names_[of.object]; }

  /// The version of the last visible event.
  std::uint64_t version() const { return version_; }
  void set_version(std::uint64_t version) { oldest_ = version_ = version; }
  /// Compaction: nothing that is visible now can be asked for again.
  void forget() { oldest_ = version_; }
  bool has_forgotten(std::uint64_t version) const { return version < oldest_; }
  /// Returns the first event after that version.
  std::size_t after(std::uint64_t version) const;

  /// Returns the event that an object's state is from, or nullptr.
  const event* find(const std::string& name) const;
  /// Returns the objects of a namespace, or all for "".
  snapshot objects(std::string_view namespace_name) const;

private:
  static constexpr std::uint32_t none = 0xffff'ffff;

  kube::resource_ref resource_;
  std::vector<event> log_;
  std::size_t visible_ = 0;
  std::size_t of_start_ = 0; ///< events whose versions are in no order
  std::uint64_t oldest_;
  std::uint64_t version_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::string> names_;
  std::vector<std::uint32_t> latest_; ///< by object: a place in the log, or none
};

/// Returns the object in a watch event's line.
std::string_view object_of(std::string_view line);
/// Returns whether a "namespace/name" is of that namespace; "" has all.
bool is_in_namespace(std::string_view name, std::string_view namespace_name);

} // namespace tc::storm
