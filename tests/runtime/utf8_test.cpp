// Cutting text that another program limits in bytes.

#include "runtime/utf8.hpp"

#include <gtest/gtest.h>

using namespace tc::runtime;

TEST(cut_to_bytes, never_leaves_half_a_character) {
  EXPECT_EQ(cut_to_bytes("abc", 3), "abc");
  EXPECT_EQ(cut_to_bytes("abcd", 3), "abc");
  EXPECT_EQ(cut_to_bytes("aüx", 2), "a");
  EXPECT_EQ(cut_to_bytes("aüx", 3), "aü");
  EXPECT_EQ(cut_to_bytes("€", 2), "");
  EXPECT_EQ(cut_to_bytes("\x80\x80\x80", 2), ""); // no text at all
}
