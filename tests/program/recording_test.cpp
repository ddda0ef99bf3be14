// Lines of a recording, before their objects are decoded.

#include "runtime/program/recording.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace tc;
using namespace tc::runtime;
using ::testing::HasSubstr;

namespace {

std::string line(const std::string& type, const std::string& kind, bool end = false) {
  return R"({"receivedAt":"2026-11-21T08:06:38.723284Z","type":")" + type + R"(","object":{"kind":")" + kind +
         R"(","metadata":{"annotations":{)" + (end ? R"("k8s.io/initial-events-end":"true")" : "") + "}}}}";
}

std::string error_of(const std::string& text) {
  auto head = read_line_head(text);
  EXPECT_FALSE(head);
  return head ? "" : head.error();
}

} // namespace

TEST(recording, the_head_of_a_watch_event) {
  auto text = line("ADDED", "Kustomization");
  auto head = read_line_head(text);
  ASSERT_TRUE(head) << head.error();
  EXPECT_EQ(to_rfc3339(head->received_at), "2026-11-21T08:06:38.723284Z");
  EXPECT_EQ(head->type, "ADDED");
  EXPECT_EQ(head->kind, "Kustomization");
  EXPECT_FALSE(head->initial_events_end);
  EXPECT_EQ(head->body, "");
}

TEST(recording, only_a_bookmark_ends_the_first_list) {
  EXPECT_TRUE(read_line_head(line("BOOKMARK", "Kustomization", true))->initial_events_end);
  EXPECT_FALSE(read_line_head(line("BOOKMARK", "Kustomization"))->initial_events_end);
  EXPECT_FALSE(read_line_head(line("ADDED", "Kustomization", true))->initial_events_end);
}

TEST(recording, the_head_of_a_post) {
  auto head =
      read_line_head(R"({"receivedAt":"2026-11-21T08:06:38Z","path":"/","body":{"reason": "Progressing"}})");
  ASSERT_TRUE(head) << head.error();
  EXPECT_EQ(head->body, R"({"reason":"Progressing"})");
  EXPECT_EQ(head->type, "");
}

TEST(recording, what_is_wrong_with_a_line_is_said) {
  EXPECT_THAT(error_of(R"({"receivedAt":"2026)"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error_of("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error_of("\x1f\x8b"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error_of("{}"), HasSubstr("'receivedAt' is missing"));
  EXPECT_THAT(error_of(R"({"receivedAt":7})"), HasSubstr("'receivedAt' is missing"));
  EXPECT_THAT(error_of(R"({"receivedAt":"yesterday"})"), HasSubstr("not an RFC 3339 time: 'yesterday'"));
  EXPECT_THAT(error_of(R"({"receivedAt":"2026-11-21T08:06:38Z"})"), HasSubstr("neither 'object' nor 'body'"));
  EXPECT_THAT(error_of(R"({"receivedAt":"2026-11-21T08:06:38Z","object":{"kind":"A"}})"),
              HasSubstr("'type' is missing"));
  EXPECT_THAT(error_of(R"({"receivedAt":"2026-11-21T08:06:38Z","type":"ADDED","object":{}})"),
              HasSubstr("'object.kind' is missing"));
}

TEST(recording, initial_lines_are_those_before_the_bookmark_of_their_kind) {
  const std::vector<std::pair<std::string, bool>> lines{
      {line("ADDED", "Kustomization"), true},
      {line("ADDED", "GitRepository"), true},
      {line("ADDED", "Deployment"), false}, // has no bookmark
      {line("BOOKMARK", "Kustomization", true), false},
      {line("ADDED", "GitRepository"), true},
      {line("MODIFIED", "Kustomization"), false},
      {line("BOOKMARK", "GitRepository"), true},
      {line("BOOKMARK", "GitRepository", true), false},
      {line("MODIFIED", "GitRepository"), false},
  };
  initial_lines initial;
  for (const auto& [text, expected] : lines)
    initial.scan(text);
  for (const auto& [text, expected] : lines)
    EXPECT_EQ(initial.is_initial(*read_line_head(text)), expected) << text;
}

TEST(recording, without_bookmarks_nothing_is_initial) {
  initial_lines initial;
  auto text = line("ADDED", "Kustomization");
  initial.scan(text);
  EXPECT_FALSE(initial.is_initial(*read_line_head(text)));
}
