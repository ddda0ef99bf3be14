#include "bench/counted_memory.hpp"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace {

bool counting = false;
std::int64_t allocated = 0;
std::int64_t most = 0;

} // namespace

void* operator new(std::size_t size) {
  auto* made = std::malloc(size);
  if (!made)
    throw std::bad_alloc{};
  if (counting) {
    allocated += static_cast<std::int64_t>(malloc_usable_size(made));
    most = std::max(most, allocated);
  }
  return made;
}

void operator delete(void* made) noexcept {
  if (counting && made)
    allocated -= static_cast<std::int64_t>(malloc_usable_size(made));
  std::free(made);
}

void operator delete(void* made, std::size_t) noexcept {
  operator delete(made);
}

namespace tc::bench {

counted_memory::counted_memory() {
  allocated = most = 0;
  counting = true;
}

counted_memory::~counted_memory() {
  counting = false;
}

std::int64_t counted_memory::now() const {
  return allocated;
}

std::int64_t counted_memory::peak() const {
  return most;
}

} // namespace tc::bench
