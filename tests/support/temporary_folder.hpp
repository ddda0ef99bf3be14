#pragma once

// A folder of one test, gone when the test ends.

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <stdlib.h>

namespace tc::testing {

class temporary_folder {
public:
  temporary_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "tc-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      throw std::runtime_error{"cannot make a temporary folder"};
    path_ = pattern;
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  /// Returns the path of an entry, which need not exist.
  std::string path(const std::string& name = {}) const { return name.empty() ? path_ : path_ + '/' + name; }

  /// Writes a file, in place of one of that name, as an atomic change. Returns its path.
  std::string write(const std::string& name, const std::string& text) const {
    auto target = path(name);
    std::filesystem::create_directories(std::filesystem::path{target}.parent_path());
    std::ofstream{target + ".new", std::ios::binary} << text;
    std::filesystem::rename(target + ".new", target);
    return target;
  }

  /// Writes a shell script that can be run.
  std::string write_script(const std::string& name, const std::string& body) const {
    auto target = write(name, "#!/bin/sh\n" + body);
    std::filesystem::permissions(target, std::filesystem::perms::owner_all);
    return target;
  }

private:
  std::string path_;
};

} // namespace tc::testing
