#include "runtime/program/spooled_file.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <unistd.h>
#include <utility>

namespace tc::runtime {

tl::expected<spooled_file, std::string> spooled_file::from(const std::string& source) {
  std::ifstream in{source, std::ios::binary};
  if (!in)
    return tl::unexpected("cannot read \"" + source + "\": " + std::strerror(errno));
  auto name = (std::filesystem::temp_directory_path() / "trace-controller-XXXXXX").string();
  auto file = ::mkstemp(name.data());
  if (file < 0)
    return tl::unexpected("cannot write \"" + name + "\": " + std::strerror(errno) +
                          "; TMPDIR names another folder");
  ::close(file);
  spooled_file out{name};
  std::ofstream to{name, std::ios::binary};
  if (in.peek() != std::ifstream::traits_type::eof())
    to << in.rdbuf();
  to.close();
  if (!to)
    return tl::unexpected("cannot write \"" + name + "\": " + std::strerror(errno) +
                          "; TMPDIR names another folder");
  return out;
}

spooled_file::spooled_file(std::string path) : path_(std::move(path)) {
  // nop
}

spooled_file::spooled_file(spooled_file&& other) noexcept : path_(std::exchange(other.path_, {})) {
  // nop
}

spooled_file& spooled_file::operator=(spooled_file&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

spooled_file::~spooled_file() {
  if (!path_.empty())
    ::unlink(path_.c_str());
}

} // namespace tc::runtime
