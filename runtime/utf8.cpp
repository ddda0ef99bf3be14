#include "runtime/utf8.hpp"

#include <algorithm>
#include <iterator>

namespace tc::runtime {

namespace {

constexpr char32_t replacement = 0xFFFD;

struct range {
  char32_t first;
  char32_t last;
};

// The blocks of Unicode's EastAsianWidth.txt with class W or F, coarsely; emoji included.
constexpr range wide_ranges[] = {
    {0x1100, 0x115F}, {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},
    {0xA000, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};

// Combining marks, zero width spaces and joiners, variation selectors.
constexpr range empty_ranges[] = {
    {0x0300, 0x036F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}};

template <std::size_t Count>
bool is_in(char32_t value, const range (&ranges)[Count]) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [value](const range& x) { return value >= x.first && value <= x.last; });
}

std::size_t columns_of(char32_t value) {
  return is_in(value, empty_ranges) ? 0 : is_in(value, wide_ranges) ? 2 : 1;
}

/// Returns the bytes at the front of `text` that fit into `columns`.
std::string_view front_columns(std::string_view text, std::size_t columns) {
  std::size_t taken = 0;
  std::size_t used = 0;
  while (taken < text.size()) {
    auto next = first_code_point(text.substr(taken));
    if (used + columns_of(next.value) > columns)
      break;
    used += columns_of(next.value);
    taken += next.length;
  }
  return text.substr(0, taken);
}

/// Returns the bytes at the back of `text` that fit into `columns`.
std::string_view back_columns(std::string_view text, std::size_t columns) {
  auto total = display_columns(text);
  while (total > columns) {
    auto next = first_code_point(text);
    total -= columns_of(next.value);
    text.remove_prefix(next.length);
  }
  return text;
}

} // namespace

code_point first_code_point(std::string_view text) {
  if (text.empty())
    return {};
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto lead = byte(0);
  if (lead < 0x80)
    return {lead, 1, true};
  std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length)
    return {replacement, 1, false};
  char32_t value = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0u) != 0x80)
      return {replacement, 1, false};
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < least[length] || value > 0x10FFFF || is_surrogate)
    return {replacement, 1, false};
  return {value, length, true};
}

std::size_t display_columns(std::string_view text) {
  std::size_t out = 0;
  while (!text.empty()) {
    auto next = first_code_point(text);
    out += columns_of(next.value);
    text.remove_prefix(next.length);
  }
  return out;
}

std::string cut_to_bytes(std::string text, std::size_t limit) {
  if (text.size() <= limit)
    return text;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U)
    --limit;
  text.resize(limit);
  return text;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    auto next = first_code_point(text);
    // 0x80 to 0x9F are the C1 controls, 0x202A to 0x202E and 0x2066 to 0x2069 turn the direction of the line.
    bool is_control = next.value < 0x20 || (next.value >= 0x7F && next.value <= 0x9F) ||
                      (next.value >= 0x2028 && next.value <= 0x202E) ||
                      (next.value >= 0x2066 && next.value <= 0x2069);
    if (!next.is_valid)
      out += '?';
    else if (is_control)
      out += ' ';
    else
      out += text.substr(0, next.length);
    text.remove_prefix(next.length);
  }
  return out;
}

std::string shorten_middle(std::string_view text, std::size_t columns, std::string_view ellipsis) {
  if (display_columns(text) <= columns)
    return std::string{text};
  auto dots = display_columns(ellipsis);
  if (columns <= dots)
    return std::string{front_columns(ellipsis, columns)};
  auto left = (columns - dots + 1) / 2;
  auto right = columns - dots - left;
  return std::string{front_columns(text, left)} + std::string{ellipsis} +
         std::string{back_columns(text, right)};
}

std::string shorten_end(std::string_view text, std::size_t columns, std::string_view ellipsis) {
  if (display_columns(text) <= columns)
    return std::string{text};
  auto dots = display_columns(ellipsis);
  if (columns <= dots)
    return std::string{front_columns(ellipsis, columns)};
  return std::string{front_columns(text, columns - dots)} + std::string{ellipsis};
}

} // namespace tc::runtime
