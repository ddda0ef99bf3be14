#include "runtime/store/directory.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tc::store {

namespace {

constexpr const char* store_name = "store.db";
constexpr const char* aside = ".damaged-";

} // namespace

directory::lock::~lock() {
  if (file >= 0)
    ::close(file); // lets go of the lock
}

tl::expected<directory, std::string> directory::take(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::create_directories(path, failed); failed)
    return tl::unexpected("--data-dir " + path + " cannot be made: " + failed.message() +
                          "; give a folder on a volume that this user may write to");
  auto lock_path = path + "/lock";
  auto file = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0)
    return tl::unexpected("--data-dir " + path + " cannot be written to: " + std::strerror(errno) +
                          "; give this user (" + std::to_string(::geteuid()) +
                          ") write access, in Kubernetes by securityContext.fsGroup");
  auto held = std::make_unique<lock>(file);
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    char owner[32] = {};
    auto got = ::pread(file, owner, sizeof owner - 1, 0);
    return tl::unexpected("--data-dir " + path + " is in use by another process" +
                          (got > 0 ? " (" + std::string{owner} + ")" : std::string{}) +
                          "; stop that one first, or give each its own folder");
  }
  auto text = "pid " + std::to_string(::getpid());
  // What is in it is for people only.
  if (::ftruncate(file, 0) == 0)
    (void)!::pwrite(file, text.data(), text.size(), 0);
  directory out;
  out.path_ = path;
  out.lock_ = std::move(held);
  return out;
}

std::string directory::store_path() const {
  return path_ + '/' + store_name;
}

bool directory::restore() {
  struct stat now {};
  struct stat held {};
  auto lock_path = path_ + "/lock";
  if (::stat(lock_path.c_str(), &now) == 0 && ::fstat(lock_->file, &held) == 0 && now.st_ino == held.st_ino)
    return true;
  auto again = take(path_);
  if (!again)
    return false;
  lock_ = std::move(again->lock_);
  return true;
}

std::string directory::set_aside(const std::string& stamp) const {
  auto to = store_path() + aside + stamp;
  std::error_code failed;
  std::vector<std::filesystem::path> older;
  for (const auto& entry : std::filesystem::directory_iterator{path_, failed})
    if (auto name = entry.path().filename().string();
        name.starts_with(std::string{store_name} + aside) && !name.ends_with("-wal") && entry.path() != to)
      older.push_back(entry.path());
  std::sort(older.begin(), older.end());
  while (older.size() >= most_aside) {
    std::filesystem::remove(older.front(), failed);
    std::filesystem::remove(older.front().string() + "-wal", failed);
    older.erase(older.begin());
  }
  // What SQLite keeps beside the file belongs to it.
  std::filesystem::rename(store_path() + "-wal", to + "-wal", failed);
  std::filesystem::remove(store_path() + "-shm", failed);
  std::filesystem::rename(store_path(), to, failed);
  return failed ? std::string{} : to;
}

} // namespace tc::store
