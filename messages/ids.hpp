#pragma once

// Identifiers of traces and spans, and of watched objects. How they are derived from a change lives in
// trace/; here are only the value types and their text forms.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tc {

/// A W3C trace ID: 16 bytes, never all zero in a trace that is exported.
struct trace_id {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const trace_id&) const = default;
  /// Returns whether every byte is zero, which means "no trace".
  bool is_zero() const;
  /// Returns 32 lower-case hexadecimal digits.
  std::string to_hex() const;
  /// Returns nothing unless `text` is exactly 32 hexadecimal digits.
  static std::optional<trace_id> from_hex(std::string_view text);
};

/// A W3C span ID: 8 bytes; all zero stands for "no parent".
struct span_id {
  std::array<std::uint8_t, 8> bytes{};

  auto operator<=>(const span_id&) const = default;
  bool is_zero() const;
  /// Returns 16 lower-case hexadecimal digits.
  std::string to_hex() const;
  /// Returns nothing unless `text` is exactly 16 hexadecimal digits.
  static std::optional<span_id> from_hex(std::string_view text);
};

/// The first bytes of SHA-256 over `text`, as IDs are derived (DESIGN.md, section 5).
std::array<std::uint8_t, 32> sha256(std::string_view text);

/// Names one Kubernetes object within the cluster, whatever its API version and incarnation.
struct object_id {
  std::string group; ///< API group without the version, "" for core
  std::string kind;
  std::string namespace_name; ///< "" for a cluster-scoped object
  std::string name;

  auto operator<=>(const object_id&) const = default;
  /// Returns "Kind/namespace/name", the form that Flux uses in change logs.
  std::string to_string() const;
};

} // namespace tc

template <>
struct std::hash<tc::object_id> {
  std::size_t operator()(const tc::object_id& x) const noexcept;
};

template <>
struct std::hash<tc::trace_id> {
  std::size_t operator()(const tc::trace_id& x) const noexcept;
};

template <>
struct std::hash<tc::span_id> {
  std::size_t operator()(const tc::span_id& x) const noexcept;
};
