#pragma once

// Points in time and spans of time as the cluster and OTLP write them.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tc {

/// UTC with nanoseconds; the same type as caf::timestamp. The epoch itself means "unknown".
using timestamp = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using duration = std::chrono::nanoseconds;

inline constexpr bool is_known(timestamp at) {
  return at != timestamp{};
}

/// Parses RFC 3339 ("2026-11-21T08:06:38.723284Z", any number of fraction digits, "Z" or an offset).
/// Returns nothing when the text is not of that form.
std::optional<timestamp> parse_rfc3339(std::string_view text);

/// Returns RFC 3339 in UTC, with as many fraction digits (0, 3, 6, 9) as the value needs.
std::string to_rfc3339(timestamp at);

/// Parses a Go duration ("1.211438s", "350.1ms", "1m2.5s", "9m30.273030378s", "0s", leading "-").
/// Returns nothing when the text is not of that form or overflows.
std::optional<duration> parse_go_duration(std::string_view text);

/// Returns the duration as Go's Duration.String() writes it ("1m30s", "250ms").
std::string to_go_duration(duration value);

} // namespace tc
