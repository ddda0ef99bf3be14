#include "runtime/waterfall.hpp"

#include "runtime/terminal.hpp"
#include "runtime/time_axis.hpp"
#include "runtime/utf8.hpp"
#include "tests/runtime/sample_traces.hpp"

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

using namespace tc;
using namespace tc::runtime;
using tc::testing_samples::trace_builder;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);)
    out.push_back(line);
  return out;
}

/// Compares with a drawing that was looked at and found right; TC_UPDATE_GOLDEN=1 writes it anew, to be
/// looked at.
void expect_golden(const std::string& name, const std::string& drawn) {
  auto path = TC_SOURCE_DIR "/tests/runtime/golden/" + name;
  if (std::getenv("TC_UPDATE_GOLDEN") != nullptr)
    std::ofstream{path, std::ios::binary} << drawn;
  std::ostringstream golden;
  golden << std::ifstream{path, std::ios::binary}.rdbuf();
  EXPECT_EQ(drawn, golden.str()) << path;
}

} // namespace

TEST(waterfall, looks_as_it_should) {
  auto trace = testing_samples::failing_upgrade();
  for (auto width : {80, 120, 200}) {
    auto columns = static_cast<std::size_t>(width);
    expect_golden("waterfall-" + std::to_string(width) + ".txt",
                  render_waterfall(trace, {columns, false, true}));
  }
  expect_golden("waterfall-ascii.txt", render_waterfall(trace, {80, false, false}));
  expect_golden("waterfall-color.txt", render_waterfall(trace, {100, true, true}));
}

TEST(waterfall, no_line_passes_the_width_and_every_row_is_there) {
  auto trace = testing_samples::failing_upgrade();
  for (std::size_t width = 40; width <= 250; ++width)
    for (auto unicode : {true, false}) {
      auto lines = lines_of(render_waterfall(trace, {width, false, unicode}));
      EXPECT_EQ(lines.size(), 3 + trace.spans.size() + 2) << "header, ruler, spans and two reasons";
      for (const auto& line : lines)
        EXPECT_LE(display_columns(line), width) << line;
    }
}

TEST(waterfall, ascii_is_ascii) {
  for (unsigned char c : render_waterfall(testing_samples::failing_upgrade(), {100, true, false}))
    EXPECT_LT(c, 0x80);
}

TEST(waterfall, color_changes_nothing_but_colors) {
  auto trace = testing_samples::failing_upgrade();
  auto colored = render_waterfall(trace, {120, true, true});
  std::string bare;
  for (std::size_t i = 0; i < colored.size(); ++i)
    if (colored[i] == '\x1b')
      i = colored.find('m', i);
    else
      bare += colored[i];
  EXPECT_EQ(bare, render_waterfall(trace, {120, false, true}));
}

TEST(waterfall, the_order_of_the_spans_does_not_matter) {
  auto trace = testing_samples::failing_upgrade();
  auto expected = render_waterfall(trace, {});
  std::mt19937 random{3};
  for (int i = 0; i < 50; ++i) {
    std::shuffle(trace.spans.begin(), trace.spans.end(), random);
    EXPECT_EQ(render_waterfall(trace, {}), expected);
  }
}

TEST(waterfall, a_failed_change_is_red_and_its_source_is_not) {
  trace_builder b{"sha1:814448379fa3717a94a49b28621695b966bc7976",
                  "main@sha1:814448379fa3717a94a49b28621695b966bc7976", "failed"};
  b.trace.spans.reserve(4);
  auto& root = b.object(nullptr, "source", "GitRepository", "flux-system", "flux-system", 0, 1000);
  root.status = span_status::error;
  root.status_message = "apps failed";
  auto& run = b.run(&root, "Kustomization", "flux-system", "apps", 1000, 2000, "failed", "BuildFailed",
                    "kustomize: no");
  auto& phase = b.phase(&run, "build", 1000, 1900);
  phase.status = span_status::error;
  auto lines = lines_of(render_waterfall(b.trace, {120, true, true}));
  EXPECT_THAT(lines[0], HasSubstr("\x1b[31m✗"));
  EXPECT_THAT(lines[0], HasSubstr("\x1b[31mfailed in 2.0s"));
  EXPECT_THAT(lines[3], HasSubstr("\x1b[32m✓"));
  EXPECT_THAT(lines[4], HasSubstr("\x1b[31m✗ Kustomization apps"));
  EXPECT_THAT(lines[5], HasSubstr("\x1b[31mBuildFailed: kustomize: no"));
  EXPECT_THAT(lines[6], HasSubstr("\x1b[31m✗ build"));
}

TEST(waterfall, titles) {
  auto title = [](const std::string& key, const std::string& revision) {
    return lines_of(render_waterfall(trace_builder{key, revision, "succeeded"}.trace, {120, false, true}))[0];
  };
  EXPECT_EQ(title("sha1:814448379fa3717a94a49b28621695b966bc7976",
                  "main@sha1:814448379fa3717a94a49b28621695b966bc7976"),
            "✓ main@sha1:814448379f  succeeded in 0s");
  EXPECT_EQ(title("sha1:814448379fa3717a94a49b28621695b966bc7976",
                  "latest@sha256:3b6cdcc7adcc9a84d3214ee1c029543789d90b5ae69debe9efa3f66e982875de"),
            "✓ sha1:814448379f  latest@sha256:3b6cdcc7ad  succeeded in 0s");
  EXPECT_EQ(title("chart:apps/apps-podinfo@6.5.4", "6.5.4"),
            "✓ chart:apps/apps-podinfo@6.5.4  6.5.4  succeeded in 0s");
  EXPECT_EQ(title("drift:x", ""), "✓ drift:x  succeeded in 0s");
}

TEST(waterfall, an_addition_without_its_root_hangs_from_the_top) {
  auto trace = testing_samples::failing_upgrade();
  trace.addition = true;
  trace.spans.erase(trace.spans.begin(), trace.spans.begin() + 4);
  auto text = render_waterfall(trace, {140, false, true});
  EXPECT_THAT(text, HasSubstr("· addition · 19 spans"));
  EXPECT_EQ(lines_of(text).size(), 3 + trace.spans.size() + 2);
  EXPECT_THAT(text, HasSubstr("\n  ✓ Kustomization apps"));
}

TEST(waterfall, spans_in_a_circle_and_duplicates_are_still_drawn) {
  trace_builder b{"k", "r", "succeeded"};
  b.trace.spans.reserve(4);
  auto& first = b.object(nullptr, "run", "Kustomization", "a", "first", 0, 10);
  auto& second = b.object(&first, "run", "Kustomization", "a", "second", 0, 10);
  first.parent = second.id;
  b.object(&second, "run", "Kustomization", "a", "third", 0, 10);
  auto& own = b.object(nullptr, "run", "Kustomization", "a", "own", 0, 10);
  own.parent = own.id;
  auto text = render_waterfall(b.trace, {});
  for (auto* name : {"first", "second", "third", "own"})
    EXPECT_THAT(text, HasSubstr(name));
}

TEST(waterfall, deep_wide_and_long_traces_keep_within_bounds) {
  trace_builder b{"k", "r", "succeeded"};
  constexpr int depth = 3000;
  b.trace.spans.reserve(depth);
  const span* parent = nullptr;
  for (int i = 0; i < depth; ++i)
    parent = &b.object(parent, "run", "Kustomization", "a", std::to_string(i), i, depth);
  auto lines = lines_of(render_waterfall(b.trace, {80, false, true, 0}));
  EXPECT_EQ(lines.size(), 3u + depth);
  for (const auto& line : lines)
    EXPECT_LE(display_columns(line), 80u);
  lines = lines_of(render_waterfall(b.trace, {80, false, true, 100}));
  EXPECT_EQ(lines.size(), 3u + 101);
  EXPECT_EQ(lines.back(), "  … and 2900 more spans");
}

TEST(waterfall, names_cannot_steer_the_terminal) {
  trace_builder b{"k\x1b[2J", "r\nx", "succ\x07"};
  b.trace.spans.reserve(2);
  auto& root =
      b.run(nullptr, "Kustomization", "a\x1b", "b\nc\xff", 0, 10, "failed", "R\x1b[0m", "m\r\n\x9bz");
  b.phase(&root, "p\x1b", 0, 5);
  auto text = render_waterfall(b.trace, {100, false, true});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(lines_of(text).size(), 6u);
}

TEST(waterfall, a_trace_without_spans_has_a_header) {
  EXPECT_EQ(lines_of(render_waterfall(trace_builder{"k", "r", "incomplete"}.trace, {})).size(), 2u);
}

TEST(time_axis, durations_take_seven_columns) {
  struct row {
    duration value;
    const char* text;
  };
  for (const auto& [value, text] :
       {row{0s, "0s"}, row{420us, "0.4ms"}, row{350ms, "350ms"}, row{999600us, "1.0s"}, row{1234ms, "1.2s"},
        row{59949ms, "59.9s"}, row{59999ms, "1m00s"}, row{62s, "1m02s"}, row{3599s, "59m59s"},
        row{3600s, "1h00m"}, row{125min, "2h05m"}, row{76h, "3d04h"}, row{-1500ms, "-1.5s"}})
    EXPECT_EQ(short_duration(value), text);
  for (auto value = duration{1}; value < 24h * 900; value = value * 3 / 2 + duration{1})
    EXPECT_LE(short_duration(value).size(), 7u) << short_duration(value);
  EXPECT_FALSE(short_duration(duration::min()).empty());
}

TEST(time_axis, bars_lie_inside_and_are_never_empty) {
  auto begin = *parse_rfc3339("2026-11-21T08:00:00Z");
  std::mt19937 random{5};
  for (int i = 0; i < 2000; ++i) {
    auto columns = random() % 60 + 1;
    auto length = duration{random() % 1'000'000'000 + 1};
    time_axis axis{begin, begin + length, columns, i % 2 == 0};
    auto from = begin + duration{random() % static_cast<unsigned long>(length.count())};
    auto to = from + duration{random() % static_cast<unsigned long>((begin + length - from).count() + 1)};
    auto bar = axis.draw(from, to, static_cast<bar_kind>(i % 3));
    EXPECT_GE(bar.columns, 1u);
    EXPECT_EQ(display_columns(bar.glyphs), bar.columns);
    EXPECT_LE(bar.left + bar.columns, columns);
    EXPECT_LE(display_columns(axis.ruler()), columns);
  }
}

TEST(time_axis, half_columns) {
  auto begin = *parse_rfc3339("2026-11-21T08:00:00Z");
  time_axis axis{begin, begin + 10s, 10, true};
  EXPECT_EQ(axis.draw(begin + 1s, begin + 3s, bar_kind::work).glyphs, "██");
  EXPECT_EQ(axis.draw(begin + 1500ms, begin + 3500ms, bar_kind::work).glyphs, "▐█▌");
  EXPECT_EQ(axis.draw(begin + 1500ms, begin + 1500ms, bar_kind::phase).glyphs, "╺");
  EXPECT_EQ(axis.draw(begin + 10s, begin + 10s, bar_kind::wait).left, 9u);
  EXPECT_EQ((time_axis{begin, begin + 10s, 20, true}.ruler()), "╷0        ╷5s");
  EXPECT_EQ((time_axis{begin, begin + 10s, 20, false}.ruler()), "|0        |5s");
}

TEST(utf8, columns_and_shortening) {
  EXPECT_EQ(display_columns("žluť"), 4u);
  EXPECT_EQ(display_columns("e\u0301"), 1u);
  EXPECT_EQ(display_columns("漢字"), 4u);
  EXPECT_EQ(shorten_middle("abcdefghij", 7, "…"), "abc…hij");
  EXPECT_EQ(shorten_middle("abc", 3, "…"), "abc");
  EXPECT_EQ(shorten_middle("漢字漢字漢字", 7, "…"), "漢…字");
  EXPECT_EQ(shorten_end("abcdef", 4, ".."), "ab..");
  EXPECT_EQ(shorten_end("abcdef", 1, ".."), ".");
  EXPECT_EQ(shorten_middle("abcdef", 0, "…"), "");
  EXPECT_EQ(printable("a\tb\x1b\xff\u202e"), "a b ? ");
}

TEST(terminal, style_follows_options_terminal_and_locale) {
  std::map<std::string, std::string, std::less<>> variables{{"LANG", "en_US.UTF-8"}};
  surroundings outside;
  outside.environment = [&](std::string_view name) -> std::optional<std::string> {
    auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional{found->second};
  };
  replay_options options;
  EXPECT_EQ(style_for(options, {true, 93}, outside).width, 93u);
  EXPECT_EQ(style_for(options, {true, 20}, outside).width, 40u);
  EXPECT_EQ(style_for(options, {false, 0}, outside).width, 120u);
  EXPECT_TRUE(style_for(options, {true, 93}, outside).color);
  EXPECT_FALSE(style_for(options, {false, 0}, outside).color);
  EXPECT_TRUE(style_for(options, {false, 0}, outside).unicode);
  variables["TERM"] = "dumb";
  EXPECT_FALSE(style_for(options, {true, 93}, outside).color);
  variables["LC_ALL"] = "C";
  EXPECT_FALSE(style_for(options, {true, 93}, outside).unicode) << "LC_ALL wins over LANG";
  variables["LC_ALL"] = "C.utf8";
  EXPECT_TRUE(style_for(options, {true, 93}, outside).unicode);
  options.color = color_mode::always;
  options.width = 200;
  EXPECT_TRUE(style_for(options, {false, 0}, outside).color);
  EXPECT_EQ(style_for(options, {false, 0}, outside).width, 200u);
}
