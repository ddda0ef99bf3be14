#include "kube/json_pieces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>

using namespace tc::kube;
using nlohmann::json;
using ::testing::ElementsAre;

namespace {

struct split {
  std::vector<std::string> items;
  std::vector<std::size_t> oversize;
  std::string metadata;
  bool complete = false;
};

split split_list(const std::string& text, std::size_t piece, std::size_t max_item = 1 << 20) {
  list_splitter splitter{max_item};
  split result;
  for (std::size_t at = 0; at < text.size(); at += piece)
    splitter.feed(
        std::string_view{text}.substr(at, piece),
        [&](std::string_view item) { result.items.emplace_back(item); },
        [&](std::size_t size) { result.oversize.push_back(size); });
  result.metadata = splitter.metadata();
  result.complete = splitter.complete();
  return result;
}

/// Any JSON value, with the characters that could lead a splitter astray.
json random_value(std::mt19937& random, int depth) {
  static const char* texts[] = {"", "a", "}{", "][", "\"", "\\", "\\\"", ",:", "ü\n", "items", "metadata"};
  auto pick = [&](std::size_t n) { return random() % n; };
  switch (depth > 0 ? pick(6) : pick(4)) {
  case 0:
    return texts[pick(std::size(texts))];
  case 1:
    return static_cast<int>(pick(1000));
  case 2:
    return nullptr;
  case 3:
    return true;
  case 4: {
    json result = json::array();
    for (std::size_t i = pick(4); i > 0; --i)
      result.push_back(random_value(random, depth - 1));
    return result;
  }
  default: {
    json result = json::object();
    for (std::size_t i = pick(4); i > 0; --i)
      result[texts[pick(std::size(texts))]] = random_value(random, depth - 1);
    return result;
  }
  }
}

} // namespace

TEST(list_splitter, finds_the_items_of_any_list_however_it_is_cut) {
  std::mt19937 random{7};
  for (int round = 0; round < 200; ++round) {
    json list = {{"kind", "L"}, {"extra", random_value(random, 3)}, {"items", json::array()}};
    list["metadata"] = {{"resourceVersion", "1"}, {"x", random_value(random, 3)}};
    for (std::size_t i = random() % 4; i > 0; --i)
      list["items"].push_back(random_value(random, 4));
    for (auto text : {list.dump(), list.dump(2)}) {
      for (std::size_t piece : {std::size_t{1}, std::size_t{3}, text.size()}) {
        auto found = split_list(text, piece);
        ASSERT_TRUE(found.complete) << text;
        ASSERT_EQ(json::parse(found.metadata), list["metadata"]) << text;
        ASSERT_EQ(found.items.size(), list["items"].size()) << text;
        for (std::size_t i = 0; i < found.items.size(); ++i)
          ASSERT_EQ(json::parse(found.items[i]), list["items"][i]) << text;
      }
    }
  }
}

TEST(list_splitter, skips_what_is_too_long) {
  auto found = split_list(R"({"items":[{"a":1},{"a":"0123456789"},{"a":2}],"metadata":{"b":1}})", 5, 8);
  EXPECT_THAT(found.items, ElementsAre(R"({"a":1})", R"({"a":2})"));
  EXPECT_THAT(found.oversize, ElementsAre(18U));
  EXPECT_EQ(found.metadata, R"({"b":1})");
}

TEST(list_splitter, survives_any_bytes) {
  std::mt19937 random{3};
  const std::string alphabet = "{}[]\",:\\ab ";
  for (int round = 0; round < 2000; ++round) {
    std::string text = round % 2 == 0 ? "" : R"({"items":[)";
    for (int i = 0; i < 40; ++i)
      text += alphabet[random() % alphabet.size()];
    split_list(text, 1 + random() % 5);
  }
}

TEST(line_splitter, skips_what_is_too_long_and_goes_on) {
  for (std::size_t piece : {1U, 2U, 5U, 100U}) {
    line_splitter splitter{5};
    std::string text = "abc\n\n12345\n123456\nend\n1234567\nlast";
    std::vector<std::string> lines;
    std::vector<std::size_t> oversize;
    for (std::size_t at = 0; at < text.size(); at += piece)
      splitter.feed(
          std::string_view{text}.substr(at, piece),
          [&](std::string_view line) {
            lines.emplace_back(line);
            return true;
          },
          [&](std::size_t size) {
            oversize.push_back(size);
            return true;
          });
    EXPECT_THAT(lines, ElementsAre("abc", "12345", "end"));
    EXPECT_THAT(oversize, ElementsAre(6U, 7U));
    EXPECT_EQ(splitter.rest(), "last");
  }
}

TEST(raw_member, returns_the_text_as_written) {
  const char* text = R"( {"a":"x\"}", "object" : {"b": [1, 2 ], "object": 3} , "n":-1.50e3 ,"z":null})";
  EXPECT_EQ(raw_member(text, "object"), R"({"b": [1, 2 ], "object": 3})");
  EXPECT_EQ(raw_member(text, "a"), R"("x\"}")");
  EXPECT_EQ(raw_member(text, "n"), "-1.50e3");
  EXPECT_EQ(raw_member(text, "z"), "null");
  EXPECT_EQ(raw_member(text, "b"), std::nullopt);
  EXPECT_EQ(raw_member("[1]", "b"), std::nullopt);
  EXPECT_EQ(raw_member("", "b"), std::nullopt);
}

TEST(with_type, puts_what_is_asked_for_first) {
  EXPECT_EQ(with_type(R"({"a":1})", "K", "v1"), R"({"kind":"K","apiVersion":"v1","a":1})");
  EXPECT_EQ(with_type(R"({"a":1})", "", "v1"), R"({"apiVersion":"v1","a":1})");
  EXPECT_EQ(with_type("{ }", "K", "v1"), R"({"kind":"K","apiVersion":"v1" })");
  EXPECT_EQ(with_type("{}", "K", ""), R"({"kind":"K"})");
}
