#pragma once

// A copy of what a pipe or a terminal brings, for those who must read it more than once. The copy goes with
// the value; whoever has opened it by then may go on reading.

#include <tl/expected.hpp>

#include <string>

namespace tc::runtime {

class spooled_file {
public:
  /// Reads `source` to its end into a temporary file. The error names `source` or the temporary folder.
  static tl::expected<spooled_file, std::string> from(const std::string& source);

  spooled_file(spooled_file&& other) noexcept;
  spooled_file& operator=(spooled_file&& other) noexcept;
  ~spooled_file();

  const std::string& path() const { return path_; }

private:
  explicit spooled_file(std::string path);

  std::string path_; ///< "" once moved from
};

} // namespace tc::runtime
