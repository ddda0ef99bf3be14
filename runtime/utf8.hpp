#pragma once

// The little of Unicode that a terminal and a log line need: decoding, columns, shortening. No normalisation,
// no grapheme clusters beyond combining marks.

#include <cstddef>
#include <string>
#include <string_view>

namespace tc::runtime {

struct code_point {
  char32_t value = 0;     ///< U+FFFD for bytes that are not UTF-8
  std::size_t length = 0; ///< bytes read, 0 only at the end of the text
  bool is_valid = false;
};

/// Decodes the first character of `text`; a byte that begins none is read alone.
code_point first_code_point(std::string_view text);

/// Returns how many terminal columns the text takes: 2 for East Asian wide characters, 0 for combining marks.
std::size_t display_columns(std::string_view text);

/// Returns the beginning of `text`, at most `limit` bytes, without the half of a character at its end.
std::string cut_to_bytes(std::string text, std::size_t limit);

/// Returns `text` without anything that would move a terminal's cursor or change its colors: control
/// characters become spaces, bytes that are not UTF-8 become "?".
std::string printable(std::string_view text);

/// Returns `text` in at most `columns` columns; what is too long loses its middle to `ellipsis`.
std::string shorten_middle(std::string_view text, std::size_t columns, std::string_view ellipsis);

/// Returns `text` in at most `columns` columns; what is too long loses its end to `ellipsis`.
std::string shorten_end(std::string_view text, std::size_t columns, std::string_view ellipsis);

} // namespace tc::runtime
