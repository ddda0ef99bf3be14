#include "runtime/flag_table.hpp"

#include <algorithm>

namespace tc::runtime {

namespace {

/// Appends `text`, broken at spaces so that no line passes `width`; lines after the first begin at `indent`.
void append_wrapped(std::string& out, std::string_view text, std::size_t indent, std::size_t width) {
  auto column = indent;
  bool first = true;
  while (!text.empty()) {
    auto word = text.substr(0, text.find(' '));
    if (!first && column + 1 + word.size() > width) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    first = false;
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
}

} // namespace

std::string render_flags(const flag_table& flags, std::size_t width) {
  constexpr std::size_t indent = 36;
  std::string out;
  std::string_view group;
  for (const auto& entry : flags) {
    if (entry.group != group) {
      group = entry.group;
      out += '\n' + entry.group + ":\n";
    }
    auto head = entry.letter != 0 ? std::string{"  -"} + entry.letter + ", --" : std::string{"      --"};
    head += entry.name;
    if (!entry.value_name.empty())
      head += ' ' + entry.value_name;
    out += head;
    if (head.size() + 2 > indent)
      out += '\n' + std::string(indent, ' ');
    else
      out += std::string(indent - head.size(), ' ');
    auto text = entry.description;
    auto preset = entry.binding.show();
    if (!preset.empty() && !(entry.binding.is_switch && preset == "false"))
      text += " (default " + preset + ")";
    append_wrapped(out, text, indent, width);
    out += '\n';
  }
  return out;
}

} // namespace tc::runtime
