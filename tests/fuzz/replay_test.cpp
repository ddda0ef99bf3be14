// Every input of the corpora, and every one that once broke something, without a fuzzer.

#include "tests/fuzz/targets.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

namespace {

namespace files = std::filesystem;

std::string content_of(const files::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// In memory of its exact size, as the fuzzer gives it: a sanitizer sees who reads beyond.
void run_exactly(const tc::fuzz::target& target, const std::string& text) {
  auto copy = std::make_unique<char[]>(text.size());
  std::memcpy(copy.get(), text.data(), text.size());
  target.run({copy.get(), text.size()});
}

class fuzz_inputs : public testing::TestWithParam<tc::fuzz::target> {};

} // namespace

TEST_P(fuzz_inputs, of_corpus_and_crashes_are_digested) {
  const auto& target = GetParam();
  std::size_t seeds = 0;
  for (const char* kind : {"corpus", "crashes"}) {
    auto folder = files::path{TC_SOURCE_DIR "/tests/fuzz"} / kind / target.name;
    if (!files::is_directory(folder))
      continue;
    for (const auto& each : files::directory_iterator{folder}) {
      SCOPED_TRACE(each.path());
      auto text = content_of(each.path());
      run_exactly(target, text);
      // Cut anywhere, as a connection or a disk may do it.
      for (std::size_t part = 1; part < 8; ++part)
        run_exactly(target, text.substr(0, text.size() * part / 8));
      ++seeds;
    }
  }
  EXPECT_GE(seeds, 3U) << "no corpus to begin with";
}

INSTANTIATE_TEST_SUITE_P(each, fuzz_inputs, testing::ValuesIn(tc::fuzz::all),
                         [](const auto& parameter) { return std::string{parameter.param.name}; });
