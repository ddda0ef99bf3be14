#include "runtime/mapped_file.hpp"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace tc::runtime {

mapped_file::mapped_file(mapped_file&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {
  // nop
}

mapped_file& mapped_file::operator=(mapped_file&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

mapped_file::~mapped_file() {
  if (data_ != nullptr)
    munmap(data_, mapped_);
}

tl::expected<mapped_file, std::string> mapped_file::map(int file_descriptor, std::size_t size,
                                                        std::size_t padding) {
  auto problem = [] { return tl::unexpected<std::string>(std::strerror(errno)); };
  mapped_file out;
  auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  out.mapped_ = (size + padding + page - 1) / page * page;
  // First zeros of our own over the whole range, then the file over its front: where the file ends on a
  // page's end, reading on would otherwise be a fault.
  auto* zeros = mmap(nullptr, out.mapped_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (zeros == MAP_FAILED)
    return problem();
  out.data_ = zeros;
  if (size > 0 && mmap(zeros, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, file_descriptor, 0) == MAP_FAILED)
    return problem();
  out.size_ = size;
  madvise(out.data_, out.mapped_, MADV_SEQUENTIAL);
  return out;
}

} // namespace tc::runtime
