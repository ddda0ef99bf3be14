#include "export/text.hpp"

#include <cstdint>
#include <cstring>

namespace tc::exporting {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD"; // U+FFFD

/// Returns the length of the well-formed sequence at `pos`, or 0 when there is none.
std::size_t sequence_length(std::string_view text, std::size_t pos) {
  auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  auto first = byte(pos);
  if (first < 0x80)
    return 1;
  std::size_t length = 0;
  // The first continuation byte has a narrower range after some lead bytes; the others are 80..BF.
  std::uint8_t low = 0x80, high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0)
      low = 0xA0;
    if (first == 0xED)
      high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0)
      low = 0x90;
    if (first == 0xF4)
      high = 0x8F;
  } else {
    return 0;
  }
  if (pos + length > text.size() || byte(pos + 1) < low || byte(pos + 1) > high)
    return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (byte(pos + i) < 0x80 || byte(pos + i) > 0xBF)
      return 0;
  return length;
}

/// Nearly all text is, and short: eight bytes at a time, the last eight once more rather than one by one.
bool is_ascii(std::string_view text) {
  constexpr std::uint64_t high_bits = 0x8080808080808080;
  std::uint64_t all = 0;
  std::uint64_t word = 0;
  if (text.size() < sizeof word) {
    for (char c : text)
      all |= static_cast<std::uint8_t>(c);
    return (all & high_bits) == 0;
  }
  for (std::size_t pos = 0; pos + sizeof word <= text.size(); pos += sizeof word) {
    std::memcpy(&word, text.data() + pos, sizeof word);
    all |= word;
  }
  std::memcpy(&word, text.data() + text.size() - sizeof word, sizeof word);
  return ((all | word) & high_bits) == 0;
}

bool is_well_formed(std::string_view text) {
  for (std::size_t pos = 0; pos < text.size();) {
    auto length = sequence_length(text, pos);
    if (length == 0)
      return false;
    pos += length;
  }
  return true;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

} // namespace

bool is_valid_utf8(std::string_view text) {
  return is_ascii(text) || is_well_formed(text);
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t pos = 0; pos < text.size();) {
    auto length = sequence_length(text, pos);
    out += length == 0 ? replacement : text.substr(pos, length);
    pos += length == 0 ? 1 : length;
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  // Runs of plain characters are copied at once; most strings are one run.
  std::size_t run = 0, pos = 0;
  auto flush = [&] { out.append(text.substr(run, pos - run)); };
  while (pos < text.size()) {
    auto c = static_cast<std::uint8_t>(text[pos]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++pos;
      continue;
    }
    if (c >= 0x80) {
      if (auto length = sequence_length(text, pos); length != 0) {
        pos += length;
        continue;
      }
      flush();
      out += replacement;
      run = ++pos;
      continue;
    }
    flush();
    switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += hex[c >> 4];
      out += hex[c & 15];
    }
    run = ++pos;
  }
  flush();
  out += '"';
}

std::string printable_excerpt(std::string_view text, std::size_t limit) {
  bool cut = text.size() > limit;
  auto out = to_valid_utf8(text.substr(0, limit));
  for (auto& c : out)
    if (static_cast<std::uint8_t>(c) < 0x20 || c == 0x7F)
      c = ' ';
  while (!out.empty() && out.back() == ' ')
    out.pop_back();
  if (cut)
    out += "...";
  return out;
}

std::string ascii_lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
      return std::nullopt;
    out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
    i += 2;
  }
  return out;
}

} // namespace tc::exporting
