#include "tests/fuzz/targets.hpp"

#include <cstdio>
#include <cstdlib>

namespace tc::fuzz {

void expect(bool holds, const char* what) {
  if (holds)
    return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

} // namespace tc::fuzz
