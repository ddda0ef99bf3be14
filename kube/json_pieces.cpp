#include "kube/json_pieces.hpp"

#include <algorithm>
#include <array>

namespace tc::kube {

// -- line_splitter ------------------------------------------------------------

void line_splitter::feed(std::string_view piece, const std::function<bool(std::string_view)>& on_line,
                         const std::function<bool(std::size_t)>& on_oversize) {
  while (!piece.empty()) {
    auto end = piece.find('\n');
    auto part = piece.substr(0, end);
    if (skipped_ > 0 || buffer_.size() + part.size() > max_line_) {
      skipped_ += buffer_.size() + part.size();
      buffer_.clear();
      buffer_.shrink_to_fit();
    } else if (end == std::string_view::npos || !buffer_.empty()) {
      buffer_.append(part);
    }
    if (end == std::string_view::npos)
      return;
    piece.remove_prefix(end + 1);
    bool go_on = true;
    if (skipped_ > 0) {
      auto size = skipped_;
      skipped_ = 0;
      go_on = on_oversize(size);
    } else if (!buffer_.empty()) {
      auto line = std::move(buffer_);
      buffer_.clear();
      go_on = on_line(line);
      if (buffer_.empty() && line.capacity() <= std::size_t{256} << 10) {
        line.clear();
        buffer_ = std::move(line); // its memory serves the next line
      }
    } else if (!part.empty()) {
      go_on = on_line(part);
    }
    if (!go_on)
      return;
  }
}

void line_splitter::clear() {
  buffer_.clear();
  skipped_ = 0;
}

// -- list_splitter ------------------------------------------------------------

namespace {

using byte_set = std::array<bool, 256>;

constexpr byte_set set_of(std::string_view bytes) {
  byte_set result{};
  for (unsigned char c : bytes)
    result[c] = true;
  return result;
}

constexpr auto in_string_set = set_of("\"\\");
constexpr auto structure_set = set_of("\"{}[],");

/// Returns how many bytes come before the first of the set.
std::size_t next_of(const byte_set& set, std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && !set[static_cast<unsigned char>(text[at])])
    ++at;
  return at;
}

} // namespace

void list_splitter::feed(std::string_view piece, const std::function<void(std::string_view)>& on_item,
                         const std::function<void(std::size_t)>& on_oversize) {
  while (!piece.empty() && !complete_) {
    // Most bytes are the inside of items: they are kept in runs up to the next byte that could matter.
    if (depth_ >= 2 && !reading_key_) {
      auto run = escaped_ ? 0 : next_of(in_string_ ? in_string_set : structure_set, piece);
      if (run > 0) {
        keep(piece.substr(0, run));
        piece.remove_prefix(run);
        continue;
      }
    }
    byte(piece.front(), on_item, on_oversize);
    piece.remove_prefix(1);
  }
}

void list_splitter::byte(char c, const std::function<void(std::string_view)>& on_item,
                         const std::function<void(std::size_t)>& on_oversize) {
  if (in_string_) {
    bool ends = c == '"' && !escaped_;
    escaped_ = c == '\\' && !escaped_;
    if (ends)
      in_string_ = false;
    if (reading_key_) {
      if (ends)
        reading_key_ = false;
      else
        key_ += c;
    } else {
      keep({&c, 1});
    }
    return;
  }
  switch (c) {
  case '"':
    in_string_ = true;
    if (depth_ == 1 && expect_key_) {
      reading_key_ = true;
      expect_key_ = false;
      key_.clear();
    } else {
      keep({&c, 1});
    }
    return;
  case '{':
  case '[':
    ++depth_;
    if (depth_ == 1) {
      expect_key_ = true;
    } else if (depth_ == 2 && c == '[') {
      in_array_ = true;
      value_.clear();
      size_ = 0;
      has_items_ = has_items_ || key_ == "items";
    } else {
      keep({&c, 1});
    }
    return;
  case '}':
  case ']':
    if (depth_ == 0)
      return; // not a list at all
    if (depth_ == 2 && in_array_) {
      value_ended(on_item, on_oversize);
      in_array_ = false;
      --depth_;
      return;
    }
    if (depth_ > 1)
      keep({&c, 1});
    --depth_;
    if (depth_ == 0) {
      value_ended(on_item, on_oversize);
      complete_ = true;
    }
    return;
  case ',':
    if (depth_ == 1) {
      value_ended(on_item, on_oversize);
      expect_key_ = true;
    } else if (depth_ == 2 && in_array_) {
      value_ended(on_item, on_oversize);
    } else {
      keep({&c, 1});
    }
    return;
  case ':':
    if (depth_ == 1)
      return;
    break;
  default:
    break;
  }
  keep({&c, 1});
}

void list_splitter::value_ended(const std::function<void(std::string_view)>& on_item,
                                const std::function<void(std::size_t)>& on_oversize) {
  auto text = std::string_view{value_};
  while (!text.empty() &&
         (text.front() == ' ' || text.front() == '\n' || text.front() == '\r' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() &&
         (text.back() == ' ' || text.back() == '\n' || text.back() == '\r' || text.back() == '\t'))
    text.remove_suffix(1);
  if (in_items()) {
    if (size_ > max_item_)
      on_oversize(size_);
    else if (!text.empty())
      on_item(text);
  } else if (depth_ <= 1 && key_ == "metadata" && !text.empty()) {
    metadata_ = text;
  } else if (depth_ <= 1 && key_ == "items" && text == "null") {
    has_items_ = true; // how Go writes an empty list
  }
  value_.clear();
  size_ = 0;
}

void list_splitter::keep(std::string_view text) {
  bool wanted = key_ == "items" || key_ == "metadata";
  if (!wanted)
    return;
  size_ += text.size();
  if (size_ <= max_item_)
    value_.append(text);
}

// -- one member ---------------------------------------------------------------

namespace {

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t'))
    ++at;
  return at;
}

/// Returns where the value that starts at `at` ends.
std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    auto c = text[at];
    if (c == '"') {
      ++at;
      while (at < text.size() && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
      ++at;
      if (depth == 0)
        return std::min(at, text.size());
      continue;
    }
    if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0)
        return at; // the end of what holds this value
      --depth;
      if (depth == 0)
        return at + 1;
    } else if (c == ',' && depth == 0) {
      return at;
    }
    ++at;
  }
  return text.size();
}

} // namespace

std::optional<std::string_view> raw_member(std::string_view object, std::string_view key) {
  auto at = skip_space(object, 0);
  if (at >= object.size() || object[at] != '{')
    return std::nullopt;
  at = skip_space(object, at + 1);
  while (at < object.size() && object[at] == '"') {
    auto key_end = skip_value(object, at);
    auto found = object.substr(at + 1, key_end - at - 2);
    at = skip_space(object, key_end);
    if (at >= object.size() || object[at] != ':')
      return std::nullopt;
    at = skip_space(object, at + 1);
    auto end = skip_value(object, at);
    if (found == key) {
      auto value = object.substr(at, end - at);
      while (!value.empty() && skip_space(value, value.size() - 1) == value.size())
        value.remove_suffix(1);
      return value;
    }
    at = skip_space(object, end);
    if (at < object.size() && object[at] == ',')
      at = skip_space(object, at + 1);
  }
  return std::nullopt;
}

std::string with_type(std::string_view object, std::string_view kind, std::string_view api_version) {
  auto brace = object.find('{');
  if (brace == std::string_view::npos)
    return std::string{object};
  std::string result{object.substr(0, brace + 1)};
  bool empty = skip_space(object, brace + 1) < object.size() && object[skip_space(object, brace + 1)] == '}';
  auto add = [&](std::string_view name, std::string_view value) {
    result.append("\"").append(name).append("\":\"").append(value).append("\"");
    if (!empty)
      result += ',';
    else if (name == "kind" && !api_version.empty())
      result += ',';
  };
  if (!kind.empty())
    add("kind", kind);
  if (!api_version.empty())
    add("apiVersion", api_version);
  return result.append(object.substr(brace + 1));
}

} // namespace tc::kube
