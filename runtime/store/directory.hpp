#pragma once

// The folder of --data-dir: one process at a time uses it; a file that cannot be read is set aside in it.

#include <tl/expected.hpp>

#include <memory>
#include <string>

namespace tc::store {

class directory {
public:
  /// How many files that were set aside are kept.
  static constexpr std::size_t most_aside = 2;

  /// Makes the folder when it is not there, and takes it for this process. The error names the path and what
  /// to do.
  static tl::expected<directory, std::string> take(const std::string& path);

  std::string store_path() const;
  /// Makes the folder again when somebody removed it, and takes it. Returns whether it is there now.
  bool restore();
  /// Renames the store, so that a new one can begin; older ones that were set aside are removed. `stamp` is a
  /// part of the name, and grows with time. Returns the new path, "" when it could not be renamed.
  std::string set_aside(const std::string& stamp) const;

private:
  struct lock {
    int file = -1;
    explicit lock(int opened) : file(opened) {}
    ~lock();
    lock(const lock&) = delete;
    lock& operator=(const lock&) = delete;
  };

  std::string path_;
  std::unique_ptr<lock> lock_;
};

} // namespace tc::store
