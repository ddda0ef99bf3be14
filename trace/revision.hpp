#pragma once

// The grammar of Flux revisions (RFC-0005 and what came before it) and the keys that changes are named by.
// Which change an object took is decided in attribution; here is only text.

#include "messages/observation.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tc::trace {

/// A revision, taken apart: "[<pointer>@]<algorithm>:<hex>", split at the last '@'.
struct revision {
  std::string pointer;   ///< branch, tag, ref name or version; "" for none
  std::string algorithm; ///< sha1, sha256, ...; "" when the text has no digest (a chart version)
  std::string hex;       ///< "" when the text has no digest

  bool operator==(const revision&) const = default;
  bool has_digest() const { return !hex.empty(); }
  /// Returns "sha1:<hex>", or "" without a digest.
  std::string digest() const;
  /// Returns whether it names a Git commit (sha1, or 64 digits of SHA-256 that a Git source wrote).
  bool is_sha1() const { return algorithm == "sha1"; }
};

/// Takes a revision apart, also the legacy forms "main/<hex>" and "<hex>". Never fails: a text without a
/// digest is all pointer.
revision parse_revision(std::string_view text);

/// Returns the key of the change that an artifact brings: the origin's commit where it has one, else its
/// digest; `source` names the object whose artifact it is (a HelmChart from a HelmRepository has "chart:"
/// keys). "" when the artifact names no change (the index of a HelmRepository).
std::string change_key_of(const object_id& source, const artifact& content);

/// Returns the key for a revision of a source of which no artifact is known.
std::string change_key_of(const object_id& source, std::string_view revision_text,
                          std::string_view origin_revision);

/// Returns whether change_key_of() of these is that key.
bool has_change_key(const object_id& source, std::string_view revision_text, std::string_view origin_revision,
                    std::string_view key);

/// Returns whether what the source has is a commit, or was made from one: such content is a change by itself,
/// while a chart or an image may have been asked for by a commit.
bool is_commit(const object_id& source, std::string_view key, std::string_view origin_revision);

/// Returns "<key>@<T>", the key of a later incarnation.
std::string incarnation_key(std::string_view key, timestamp since);

/// Returns the key without its incarnation.
std::string_view base_key(std::string_view key);

} // namespace tc::trace
