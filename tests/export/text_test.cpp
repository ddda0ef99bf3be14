// UTF-8 and JSON strings.

#include "export/text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>

namespace tc::exporting {
namespace {

TEST(utf8, knows_well_formed_text) {
  for (auto* good :
       {"", "plain", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_valid_utf8(good)) << good;
  // A lone continuation, overlong forms, a surrogate, above U+10FFFF, cut short.
  for (auto* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xED\xA0\x80",
                    "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xFF"})
    EXPECT_FALSE(is_valid_utf8(bad)) << bad;
}

TEST(utf8, replaces_bad_bytes_and_keeps_the_rest) {
  EXPECT_EQ(to_valid_utf8("a\xE2\x82z\xC3\xA4"), "a\xEF\xBF\xBD\xEF\xBF\xBDz\xC3\xA4");
}

TEST(json_string, is_read_back_by_a_json_parser) {
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    std::mt19937 random{seed};
    std::string text;
    for (auto n = random() % 40; n > 0; --n)
      text += static_cast<char>(random() % 256);
    std::string literal;
    append_json_string(literal, text);
    auto read = nlohmann::json::parse(literal); // throws on invalid UTF-8 and on raw control characters
    EXPECT_EQ(read.get<std::string>(), to_valid_utf8(text)) << "seed " << seed;
  }
}

TEST(printable_excerpt, is_one_short_line) {
  EXPECT_EQ(printable_excerpt("two\nlines\n", 100), "two lines");
  EXPECT_EQ(printable_excerpt("abcdef", 3), "abc...");
  EXPECT_TRUE(is_valid_utf8(printable_excerpt("\xE2\x82\xAC", 2)));
}

} // namespace
} // namespace tc::exporting
