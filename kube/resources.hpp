#pragma once

// Which resources are watched, and in which API versions they can be read. Which of these versions a cluster
// serves is found out in kube/discovery.hpp.

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace tc::kube {

/// A resource in the version in which a cluster serves it.
struct resource_ref {
  std::string group; ///< "" for core
  std::string version;
  std::string kind;
  std::string plural; ///< as in URLs

  auto operator<=>(const resource_ref&) const = default;
  /// Returns "group/version", or "v1" for core.
  std::string api_version() const;
  /// Returns "Kind.group", a name for logs and metrics.
  std::string to_string() const;
};

/// A kind that we can read.
struct watched_kind {
  std::string_view group;
  std::string_view kind;
  std::string_view plural;
  /// Versions that we decode, preferred first; "" ends the list.
  std::array<std::string_view, 4> versions;

  auto operator<=>(const watched_kind&) const = default;
};

/// Returns every kind that concerns us, those of Flux in the versions of Flux 2.3 to 2.9.
std::span<const watched_kind> watched_kinds();

/// Returns the entry of a kind ("" as group takes the first of that kind), or nullptr.
const watched_kind* find_watched_kind(std::string_view group, std::string_view kind);

/// Returns the path of the collection: "/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL", or without the
/// namespace for all namespaces.
std::string collection_path(const resource_ref& resource, std::string_view namespace_name);

/// Returns the path of one object; `subresource` may be "".
std::string object_path(const resource_ref& resource, std::string_view namespace_name, std::string_view name,
                        std::string_view subresource = {});

/// Returns the text with everything but unreserved characters percent-encoded (RFC 3986).
std::string url_encode(std::string_view text);

} // namespace tc::kube
