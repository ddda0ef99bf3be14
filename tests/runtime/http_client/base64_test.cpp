#include "runtime/http_client/base64.hpp"

#include <gtest/gtest.h>

namespace tc::runtime {
namespace {

TEST(base64, goes_there_and_back) {
  for (std::string text : {"", "a", "ab", "abc", "abcd\n\xff\x01"})
    EXPECT_EQ(decode_base64(encode_base64(text)), text);
  EXPECT_EQ(decode_base64("YWJj\nZGVm\n"), "abcdef");
  EXPECT_EQ(decode_base64("a?b"), std::nullopt);
}

} // namespace
} // namespace tc::runtime
