// The program that libFuzzer drives. One for all targets, so that one is linked: TC_FUZZ_TARGET names it.

#include "tests/fuzz/targets.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

const tc::fuzz::target& chosen() {
  const char* name = std::getenv("TC_FUZZ_TARGET");
  for (const auto& each : tc::fuzz::all)
    if (name && each.name == name)
      return each;
  std::fputs("TC_FUZZ_TARGET must name one of:", stderr);
  for (const auto& each : tc::fuzz::all)
    std::fprintf(stderr, " %s", each.name.data());
  std::fputs("\n", stderr);
  std::exit(2);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto& target = chosen();
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
