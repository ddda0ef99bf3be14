// The syntax check of Kubernetes label selectors (apimachinery, labels.Parse): the API server checks again,
// but its answer comes late and names no flag.

#include "runtime/flag_table.hpp"

#include <algorithm>
#include <cctype>

namespace tc::runtime {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ')
    text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return text;
}

bool is_alphanumeric(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

/// A label value or the name part of a key: up to 63 of [A-Za-z0-9._-], beginning and ending alphanumeric.
bool is_label_word(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
         });
}

bool is_label_key(std::string_view text) {
  auto slash = text.find('/');
  if (slash == std::string_view::npos)
    return is_label_word(text);
  auto prefix = text.substr(0, slash);
  return prefix.size() <= 253 && !prefix.empty() &&
         std::all_of(prefix.begin(), prefix.end(),
                     [](char c) { return is_alphanumeric(c) || c == '.' || c == '-'; }) &&
         is_label_word(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) {
  return text.empty() || is_label_word(text);
}

/// "key in (a,b)" and "key notin (a,b)".
bool is_set_requirement(std::string_view text) {
  auto open = text.find('(');
  if (!text.ends_with(')'))
    return false;
  auto head = trimmed(text.substr(0, open));
  auto space = head.rfind(' ');
  if (space == std::string_view::npos)
    return false;
  auto word = head.substr(space + 1);
  if ((word != "in" && word != "notin") || !is_label_key(trimmed(head.substr(0, space))))
    return false;
  auto values = text.substr(open + 1, text.size() - open - 2);
  while (true) {
    auto comma = values.find(',');
    if (!is_label_value(trimmed(values.substr(0, comma))))
      return false;
    if (comma == std::string_view::npos)
      return true;
    values.remove_prefix(comma + 1);
  }
}

bool is_requirement(std::string_view text) {
  if (text.find('(') != std::string_view::npos)
    return is_set_requirement(text);
  if (text.starts_with('!'))
    return is_label_key(trimmed(text.substr(1)));
  for (std::string_view sign : {"!=", "==", "="})
    if (auto at = text.find(sign); at != std::string_view::npos)
      return is_label_key(trimmed(text.substr(0, at))) &&
             is_label_value(trimmed(text.substr(at + sign.size())));
  return is_label_key(text);
}

} // namespace

std::optional<std::string> label_selector_problem(std::string_view text) {
  if (trimmed(text).empty())
    return std::nullopt;
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '(')
      ++depth;
    if (i < text.size() && text[i] == ')')
      --depth;
    if (i < text.size() && (text[i] != ',' || depth > 0))
      continue;
    auto requirement = trimmed(text.substr(begin, i - begin));
    if (!is_requirement(requirement))
      return (requirement == text ? std::string{"is"} : '"' + std::string{requirement} + "\" in it is") +
             " no requirement of a label selector";
    begin = i + 1;
  }
  return std::nullopt;
}

} // namespace tc::runtime
