#pragma once

// Text as encoders, addresses and error messages need it: valid UTF-8, JSON string literals, %XX escapes. No
// formats of whole requests.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tc::exporting {

/// Returns whether `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates).
bool is_valid_utf8(std::string_view text);

/// Returns `text` with each byte that is not part of well-formed UTF-8 replaced by U+FFFD. A message that a
/// controller cut inside a character would otherwise make receivers refuse the whole request.
std::string to_valid_utf8(std::string_view text);

/// Appends `text` as a JSON string literal with its quotes; malformed UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// Returns at most `limit` bytes of `text` on one line, valid UTF-8, control characters as spaces: how the
/// words of a foreign server go into an error message.
std::string printable_excerpt(std::string_view text, std::size_t limit);

/// Returns `text` with ASCII letters in lower case.
std::string ascii_lower(std::string_view text);

/// Returns `text` with %XX replaced by the bytes they stand for; nothing when an escape is broken.
std::optional<std::string> percent_decoded(std::string_view text);

} // namespace tc::exporting
