#include "trace/revision.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

bool is_alphanumeric(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
}

char lower(char c) {
  return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

void append_lower(std::string& to, std::string_view text) {
  auto from = to.size();
  to += text;
  std::transform(to.begin() + static_cast<std::ptrdiff_t>(from), to.end(),
                 to.begin() + static_cast<std::ptrdiff_t>(from), [](char c) { return lower(c); });
}

/// Returns whether the text in lower case is `wanted`.
bool is_lower_of(std::string_view text, std::string_view wanted) {
  return std::equal(text.begin(), text.end(), wanted.begin(), wanted.end(),
                    [](char c, char known) { return lower(c) == known; });
}

std::string lower(std::string_view text) {
  std::string result;
  append_lower(result, text);
  return result;
}

/// Bare digits are SHA-1 when there are 40 of them and SHA-256 when there are 64.
std::string_view algorithm_of(std::string_view hex) {
  if (hex.size() != 40 && hex.size() != 64)
    return "";
  if (!is_hex(hex))
    return "";
  return hex.size() == 40 ? "sha1" : "sha256";
}

/// The parts of a revision as they are written.
struct parts {
  std::string_view pointer;
  std::string_view algorithm;
  std::string_view hex;

  /// Returns whether digest() is that key.
  bool has_digest(std::string_view key) const {
    return !hex.empty() && key.size() == algorithm.size() + 1 + hex.size() && key[algorithm.size()] == ':' &&
           is_lower_of(hex, key.substr(algorithm.size() + 1)) &&
           is_lower_of(algorithm, key.substr(0, algorithm.size()));
  }

  std::string digest() const {
    std::string result;
    if (hex.empty())
      return result;
    result.reserve(algorithm.size() + 1 + hex.size());
    append_lower(result, algorithm);
    result.push_back(':');
    append_lower(result, hex);
    return result;
  }
};

/// Takes "<algorithm>:<hex>" apart; false when it is not of that form.
bool split_digest(std::string_view text, parts& out) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0)
    return false;
  auto algorithm = text.substr(0, colon);
  auto hex = text.substr(colon + 1);
  if (!is_hex(hex) || !is_alphanumeric(algorithm))
    return false;
  out.algorithm = algorithm;
  out.hex = hex;
  return true;
}

parts split_revision(std::string_view text) {
  parts result;
  auto at = text.rfind('@');
  if (at != std::string_view::npos && split_digest(text.substr(at + 1), result)) {
    result.pointer = text.substr(0, at);
    return result;
  }
  if (at == std::string_view::npos && split_digest(text, result))
    return result;
  // Before RFC-0005: "main/<hex>", "HEAD/<hex>" (a commit without a branch), "<hex>"
  auto slash = text.rfind('/');
  auto tail = slash == std::string_view::npos ? text : text.substr(slash + 1);
  if (auto algorithm = algorithm_of(tail); !algorithm.empty()) {
    result.algorithm = algorithm;
    result.hex = tail;
    if (slash != std::string_view::npos && text.substr(0, slash) != "HEAD")
      result.pointer = text.substr(0, slash);
    return result;
  }
  result.pointer = text;
  return result;
}

} // namespace

std::string revision::digest() const {
  return hex.empty() ? std::string{} : algorithm + ':' + hex;
}

revision parse_revision(std::string_view text) {
  auto read = split_revision(text);
  return {std::string{read.pointer}, lower(read.algorithm), lower(read.hex)};
}

std::string change_key_of(const object_id& source, std::string_view revision_text,
                          std::string_view origin_revision) {
  if (source.kind == "HelmRepository") // an index: what its charts are is not in it
    return {};
  if (source.kind == "HelmChart")
    return revision_text.empty()
               ? std::string{}
               : "chart:" + source.namespace_name + '/' + source.name + '@' + std::string{revision_text};
  if (!origin_revision.empty()) {
    // Free text of whoever built the artifact: it counts when it names a commit.
    if (auto origin = split_revision(origin_revision).digest(); !origin.empty())
      return origin;
  }
  if (auto digest = split_revision(revision_text).digest(); !digest.empty())
    return digest;
  if (revision_text.empty())
    return {};
  return "revision:" + source.namespace_name + '/' + source.name + '@' + std::string{revision_text};
}

bool has_change_key(const object_id& source, std::string_view revision_text, std::string_view origin_revision,
                    std::string_view key) {
  if (source.kind != "HelmRepository" && source.kind != "HelmChart") {
    // As change_key_of() has it, without making a text of what nearly always is a digest.
    auto by = split_revision(origin_revision);
    if (by.hex.empty())
      by = split_revision(revision_text);
    if (!by.hex.empty())
      return by.has_digest(key);
  }
  return change_key_of(source, revision_text, origin_revision) == key;
}

std::string change_key_of(const object_id& source, const artifact& content) {
  return change_key_of(source, content.revision, content.origin_revision);
}

bool is_commit(const object_id& source, std::string_view key, std::string_view origin_revision) {
  return key.starts_with("sha1:") || !parse_revision(origin_revision).hex.empty() ||
         source.kind == "GitRepository";
}

std::string incarnation_key(std::string_view key, timestamp since) {
  return std::string{key} + '@' + to_rfc3339(since);
}

std::string_view base_key(std::string_view key) {
  auto at = key.rfind('@');
  if (at == std::string_view::npos || !parse_rfc3339(key.substr(at + 1)))
    return key;
  return key.substr(0, at);
}

} // namespace tc::trace
