#pragma once

// What the terminal at the other end is like: whether there is one, how wide, whether it understands UTF-8
// and colors.

#include "runtime/options.hpp"
#include "runtime/waterfall.hpp"

#include <cstddef>

namespace tc::runtime {

struct terminal {
  bool is_terminal = false; ///< false: a file, a pipe
  std::size_t columns = 0;  ///< 0 = not known
};

/// Asks the system about a file descriptor (1 for standard output).
terminal inspect_terminal(int file_descriptor);

/// Returns whether the locale ($LC_ALL, else $LC_CTYPE, else $LANG) is a UTF-8 one.
bool is_utf8_locale(const surroundings& outside);

/// Returns how to draw for this terminal, as the options and the environment ask for.
waterfall_style style_for(const replay_options& options, const terminal& out, const surroundings& outside);

} // namespace tc::runtime
