#include "kube/watched_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <sys/stat.h>

namespace tc::kube {

tl::expected<std::string, std::string> read_small_file(const std::string& path) {
  constexpr std::streamsize limit = 16 << 20;
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0)
    return tl::unexpected(std::string{std::strerror(errno)});
  if (S_ISDIR(found.st_mode))
    return tl::unexpected(std::string{"it is a directory"});
  std::ifstream in{path, std::ios::binary};
  if (!in)
    return tl::unexpected(std::string{std::strerror(errno)});
  std::string result;
  char piece[8192];
  while (in.read(piece, sizeof piece), in.gcount() > 0) {
    result.append(piece, static_cast<std::size_t>(in.gcount()));
    if (static_cast<std::streamsize>(result.size()) > limit)
      return tl::unexpected(std::string{"it is larger than 16 MiB"});
  }
  return result;
}

tl::expected<std::string, std::string> watched_file::text(timestamp now) {
  struct stat found {};
  bool there = ::stat(path_.c_str(), &found) == 0;
  auto inode = static_cast<std::uint64_t>(found.st_ino);
  auto size = static_cast<std::int64_t>(found.st_size);
  auto changed = static_cast<std::int64_t>(found.st_mtim.tv_sec) * 1'000'000'000 + found.st_mtim.tv_nsec;
  bool same = there && known_ && inode == inode_ && size == size_ && changed == changed_ &&
              now - read_at_ < std::chrono::minutes{1} && now >= read_at_;
  if (same)
    return text_;
  auto fresh = read_small_file(path_);
  if (!fresh) {
    if (had_text_)
      return text_;
    return fresh;
  }
  known_ = had_text_ = true;
  read_at_ = now;
  inode_ = inode;
  size_ = size;
  changed_ = changed;
  text_ = std::move(*fresh);
  return text_;
}

} // namespace tc::kube
