#include "trace/revision.hpp"

#include <algorithm>
#include <cctype>

namespace tc::trace {

namespace {

bool is_hex(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::string lower(std::string_view text) {
  std::string result{text};
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return result;
}

/// Bare digits are SHA-1 when there are 40 of them and SHA-256 when there are 64.
std::string_view algorithm_of(std::string_view hex) {
  if (!is_hex(hex))
    return "";
  return hex.size() == 40 ? "sha1" : hex.size() == 64 ? "sha256" : "";
}

/// Takes "<algorithm>:<hex>" apart; false when it is not of that form.
bool split_digest(std::string_view text, revision& out) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0)
    return false;
  auto algorithm = text.substr(0, colon);
  auto hex = text.substr(colon + 1);
  if (!is_hex(hex) ||
      !std::all_of(algorithm.begin(), algorithm.end(), [](unsigned char c) { return std::isalnum(c) != 0; }))
    return false;
  out.algorithm = lower(algorithm);
  out.hex = lower(hex);
  return true;
}

} // namespace

std::string revision::digest() const {
  return hex.empty() ? std::string{} : algorithm + ':' + hex;
}

revision parse_revision(std::string_view text) {
  revision result;
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
    result.hex = lower(tail);
    if (slash != std::string_view::npos && text.substr(0, slash) != "HEAD")
      result.pointer = text.substr(0, slash);
    return result;
  }
  result.pointer = text;
  return result;
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
    auto origin = parse_revision(origin_revision);
    if (origin.has_digest())
      return origin.digest();
  }
  auto read = parse_revision(revision_text);
  if (read.has_digest())
    return read.digest();
  if (revision_text.empty())
    return {};
  return "revision:" + source.namespace_name + '/' + source.name + '@' + std::string{revision_text};
}

std::string change_key_of(const object_id& source, const artifact& content) {
  return change_key_of(source, content.revision, content.origin_revision);
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
