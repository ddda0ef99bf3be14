#pragma once

// A regular file mapped for reading, with readable zeros after its end.

#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace tc::runtime {

/// Owns the mapping. A file that others shorten meanwhile ends the process with SIGBUS, as with every
/// mapping.
class mapped_file {
public:
  mapped_file() = default;
  mapped_file(mapped_file&& other) noexcept;
  mapped_file& operator=(mapped_file&& other) noexcept;
  ~mapped_file();

  /// Maps `size` bytes of an open file and at least `padding` zeros after them. The error is the system's
  /// word.
  static tl::expected<mapped_file, std::string> map(int file_descriptor, std::size_t size,
                                                    std::size_t padding);

  /// Returns the content, without the padding.
  std::string_view content() const { return {static_cast<const char*>(data_), size_}; }

private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
};

} // namespace tc::runtime
