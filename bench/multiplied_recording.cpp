#include "bench/multiplied_recording.hpp"

#include "tests/support/recording.hpp"

#include <cctype>
#include <cstdio>
#include <set>

namespace tc::bench {

namespace {

constexpr std::size_t time_width = 19; // 2026-11-21T08:06:38

/// A copy's number in letters and digits that a name may have, of fixed width, beginning with a letter.
std::string name_of_width(std::size_t number, std::size_t width) {
  static constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string out(width, 'a');
  for (auto at = width; at-- > 0;) {
    auto base = at == 0 ? 26 : letters.size();
    out[at] = letters[number % base];
    number /= base;
  }
  return out;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-';
}

} // namespace

multiplied_recording::multiplied_recording(const std::string& path) {
  simdjson::dom::parser parser;
  std::set<std::string> listed;
  std::set<std::string> names;
  for (const auto& line : tc::test::read_lines(path)) {
    auto root = parser.parse(line);
    std::string_view kind = root["object"]["kind"];
    if (std::string_view{root["type"]} == "BOOKMARK") {
      listed.emplace(kind);
      continue;
    }
    std::string_view name;
    if (!root["object"]["metadata"]["namespace"].get(name))
      names.emplace(name);
    lines_.push_back({text_.size(), line.size(), parse_rfc3339(std::string_view{root["receivedAt"]}).value(),
                      listed.count(std::string{kind}) == 0});
    text_ += line;
    // Room for the parser to look ahead, and so that lines do not run together.
    text_.append(64, ' ');
  }
  for (std::size_t at = 0; at + time_width < text_.size(); ++at) {
    if (text_[at + 4] == '-' && text_[at + 10] == 'T' && text_[at + 13] == ':')
      if (auto value = parse_rfc3339(text_.substr(at, time_width) + 'Z'))
        times_.push_back({at, *value});
    if (text_.compare(at, 5, "sha1:") == 0)
      digests_.push_back(at + 5);
    else if (text_.compare(at, 7, "sha256:") == 0)
      digests_.push_back(at + 7);
    else if (text_.compare(at, 7, "\"uid\":\"") == 0)
      digests_.push_back(at + 7);
  }
  for (const auto& name : names)
    for (auto at = text_.find(name); at != std::string::npos; at = text_.find(name, at + name.size()))
      if (!is_word(text_[at - 1]) && !is_word(text_[at + name.size()]))
        namespace_sizes_.emplace_back(at, name.size());
}

void multiplied_recording::make_copy(std::size_t number, duration shift) {
  for (const auto& place : times_)
    text_.replace(place.first, time_width, to_rfc3339(place.value + shift), 0, time_width);
  char digits[9];
  std::snprintf(digits, sizeof(digits), "%08zx", number);
  for (auto place : digests_)
    text_.replace(place, 8, digits, 8);
  for (const auto& [place, size] : namespace_sizes_)
    text_.replace(place, size, name_of_width(number, size));
}

std::string_view multiplied_recording::line(std::size_t index) const {
  return std::string_view{text_}.substr(lines_[index].first, lines_[index].size);
}

duration multiplied_recording::length() const {
  return lines_.back().at - lines_.front().at;
}

} // namespace tc::bench
