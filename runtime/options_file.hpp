#pragma once

// Reads the YAML of --config into keys and values with their lines. What the keys mean is decided in
// options.cpp.

#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace tc::runtime {

struct file_setting {
  std::string key;
  std::string value;
  int line = 0; ///< from 1
};

/// Parses a YAML map of scalars. The error begins with the line ("3: …") where that is known.
tl::expected<std::vector<file_setting>, std::string> parse_options_file(const std::string& text);

} // namespace tc::runtime
