#pragma once

// Which flags each command has, and what --help says. Part of options.hpp's inside; reading them is
// options.cpp's work.

#include "runtime/flag_table.hpp"
#include "runtime/options.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tc::runtime {

/// Values of flags that shape others and are settled once everything is read.
struct raw_values {
  std::optional<bool> watch_all_namespaces;
  std::optional<bool> waterfall;
  bool no_waterfall = false;
  std::string object;
};

/// Returns the command's flags, bound to the values in `to` and `raw`, which must outlive the table.
flag_table flags_of(run_options& to, raw_values& raw);
flag_table flags_of(replay_options& to, raw_values& raw);
flag_table flags_of(record_options& to, raw_values& raw);
flag_table flags_of(explain_options& to, raw_values& raw);

/// Returns every long name of the flags.
std::vector<std::string> names_in(const flag_table& flags);

/// Returns what "trace-controller NAME --help" prints; the flags' present values are shown as defaults.
std::string render_help(std::string_view name, const flag_table& flags);

/// Returns what "trace-controller --help" prints.
std::string render_main_help(offered_commands offered);

} // namespace tc::runtime
