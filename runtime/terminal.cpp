#include "runtime/terminal.hpp"

#include <algorithm>
#include <cctype>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

namespace tc::runtime {

terminal inspect_terminal(int file_descriptor) {
  terminal out;
  out.is_terminal = isatty(file_descriptor) == 1;
  winsize size{};
  if (out.is_terminal && ioctl(file_descriptor, TIOCGWINSZ, &size) == 0)
    out.columns = size.ws_col;
  return out;
}

bool is_utf8_locale(const surroundings& outside) {
  for (auto* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    auto value = outside.environment(name);
    if (!value || value->empty())
      continue;
    std::string lower;
    for (auto c : *value)
      if (c != '-')
        lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return lower.find("utf8") != std::string::npos;
  }
  return false;
}

waterfall_style style_for(const replay_options& options, const terminal& out, const surroundings& outside) {
  constexpr std::size_t usual_columns = 120;
  constexpr std::size_t least_columns = 40;
  waterfall_style style;
  style.width = options.width != 0 ? options.width : out.columns != 0 ? out.columns : usual_columns;
  style.width = std::max(style.width, least_columns);
  auto is_dumb = outside.environment("TERM").value_or("") == "dumb";
  style.color = options.color == color_mode::always ||
                (options.color == color_mode::automatic && out.is_terminal && !is_dumb);
  style.unicode = is_utf8_locale(outside);
  return style;
}

} // namespace tc::runtime
