#include "runtime/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace tc;
using namespace tc::runtime;
using namespace std::chrono_literals;
using testing::ElementsAre;

namespace {

struct progressing : testing::Test {
  std::vector<std::string> written;
  std::chrono::steady_clock::time_point clock{};

  progress_line make(bool is_terminal, std::size_t columns = 0) {
    return progress_line{{is_terminal, columns, [this](std::string_view text) { written.emplace_back(text); },
                          [this] { return clock; }}};
  }
};

progress_state at(double fraction) {
  return {1234567, fraction, 2, 7, *parse_rfc3339("2026-11-21T08:58:33.9Z")};
}

/// What a terminal gets for a state.
std::string rewritten(double fraction) {
  std::string out = "\r";
  out += to_text(at(fraction));
  out += "\x1b[K";
  return out;
}

std::string line_of(double fraction) {
  auto out = to_text(at(fraction));
  out += '\n';
  return out;
}

} // namespace

TEST_F(progressing, text) {
  EXPECT_EQ(to_text(at(0.384)), " 38%  1,234,567 lines  2 changes open, 7 settled  at 2026-11-21 08:58:33Z");
  EXPECT_EQ(to_text(progress_state{}), "  0%  0 lines  0 changes open, 0 settled");
  EXPECT_EQ(to_text(progress_state{999, 1, 0, 0, {}}), "100%  999 lines  0 changes open, 0 settled");
}

TEST_F(progressing, a_terminal_line_is_rewritten_ten_times_a_second) {
  auto line = make(true);
  line.update(at(0.1));
  clock += 50ms;
  line.update(at(0.2));
  clock += 50ms;
  line.update(at(0.3));
  EXPECT_THAT(written, ElementsAre(rewritten(0.1), rewritten(0.3)));
}

TEST_F(progressing, clearing_makes_room_and_the_next_update_shows_at_once) {
  auto line = make(true);
  line.clear();
  line.update(at(0.1));
  line.clear();
  line.clear();
  line.update(at(0.2));
  line.finish(at(1));
  EXPECT_THAT(written, ElementsAre(rewritten(0.1), "\r\x1b[K", rewritten(0.2), "\r\x1b[K", line_of(1)));
}

TEST_F(progressing, a_narrow_terminal_gets_a_short_line) {
  auto line = make(true, 21);
  line.update(at(0.1));
  EXPECT_THAT(written, ElementsAre("\r 10%  1,234,567 line\x1b[K"));
}

TEST_F(progressing, a_file_gets_a_line_every_tenth) {
  auto line = make(false);
  for (int i = 0; i <= 1000; ++i)
    line.update(at(i / 1000.0));
  line.clear();
  line.finish(at(1));
  EXPECT_EQ(written.size(), 11u);
  EXPECT_EQ(written.back(), line_of(1));
}

TEST_F(progressing, a_file_gets_the_last_word_even_when_the_end_was_not_reached) {
  auto line = make(false);
  line.update(at(0.95));
  line.finish(at(0.96));
  EXPECT_THAT(written, ElementsAre(line_of(0.95), line_of(0.96)));
}
