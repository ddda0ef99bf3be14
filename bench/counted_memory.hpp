#pragma once

// What a piece of code allocates, to the byte: linking counted_memory.cpp replaces the global operator new.

#include <cstdint>

namespace tc::bench {

/// Counts from its making to its end; one at a time, one thread.
class counted_memory {
public:
  counted_memory();
  ~counted_memory();
  counted_memory(const counted_memory&) = delete;
  counted_memory& operator=(const counted_memory&) = delete;

  /// Bytes allocated and not yet freed, and the most there were at any time; malloc's rounding included.
  std::int64_t now() const;
  std::int64_t peak() const;
};

} // namespace tc::bench
