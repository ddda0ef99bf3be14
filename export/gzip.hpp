#pragma once

// gzip, as HTTP's Content-Encoding has it. Whole texts only, no streams.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tc::exporting {

/// Spans repeat the same keys over and over: the fastest level already saves most of the bytes.
inline constexpr int default_gzip_level = 1;

/// Returns `text` as one gzip member. `level` is zlib's: 1 (fast) to 9 (small).
std::string gzip(std::string_view text, int level = default_gzip_level);

/// Returns the content of a gzip text; nothing when it is damaged or grows past `limit` bytes.
std::optional<std::string> gunzip(std::string_view text, std::size_t limit);

} // namespace tc::exporting
