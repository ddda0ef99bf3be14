#include "runtime/time_axis.hpp"

#include "runtime/utf8.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fmt/format.h>

namespace tc::runtime {

namespace {

using namespace std::chrono_literals;

/// Steps between ticks that people count in.
constexpr std::array<duration, 31> tick_steps{
    1ms, 2ms, 5ms, 10ms, 20ms, 50ms,    100ms,    200ms,    500ms,    1s,    2s,
    5s,  10s, 15s, 30s,  1min, 2min,    5min,     10min,    15min,    30min, 1h,
    2h,  6h,  12h, 24h,  48h,  24h * 7, 24h * 30, 24h * 90, 24h * 365};

/// "5s", "1m30s", "500ms": a tick's time without zeros at its end.
std::string tick_label(duration at) {
  auto text = to_go_duration(at);
  for (std::string_view zeros : {"m0s", "h0m"})
    if (text.ends_with(zeros))
      text.resize(text.size() - 2);
  return text;
}

struct glyph_set {
  std::string_view full;
  std::string_view left;
  std::string_view right;
};

glyph_set glyphs_of(bar_kind kind, bool unicode) {
  switch (kind) {
  case bar_kind::work:
    return unicode ? glyph_set{"█", "▌", "▐"} : glyph_set{"#", "#", "#"};
  case bar_kind::phase:
    return unicode ? glyph_set{"━", "╸", "╺"} : glyph_set{"=", "=", "="};
  case bar_kind::wait:
    break;
  }
  return unicode ? glyph_set{"─", "╴", "╶"} : glyph_set{"-", "-", "-"};
}

} // namespace

std::string short_duration(duration value) {
  auto sign = value < duration::zero() ? "-" : "";
  // The least value has no positive counterpart.
  auto nanos = value == duration::min() ? duration::max() : std::chrono::abs(value);
  auto millis = std::chrono::duration<double, std::milli>{nanos}.count();
  if (nanos == duration::zero())
    return "0s";
  if (millis < 9.95)
    return fmt::format("{}{:.1f}ms", sign, millis);
  if (millis < 999.5)
    return fmt::format("{}{:.0f}ms", sign, millis);
  if (millis < 59'950)
    return fmt::format("{}{:.1f}s", sign, millis / 1000);
  // Not round(): near the ends of the range it overflows.
  auto total_seconds = nanos / 1s + (nanos % 1s >= 500ms ? 1 : 0);
  if (total_seconds < 3600)
    return fmt::format("{}{}m{:02}s", sign, total_seconds / 60, total_seconds % 60);
  auto total_minutes = total_seconds / 60;
  if (total_minutes < 1440)
    return fmt::format("{}{}h{:02}m", sign, total_minutes / 60, total_minutes % 60);
  return fmt::format("{}{}d{:02}h", sign, total_minutes / 1440, total_minutes / 60 % 24);
}

time_axis::time_axis(timestamp begin, timestamp end, std::size_t columns, bool unicode)
    : begin_(begin), length_(std::max(end - begin, duration{1})), columns_(std::max<std::size_t>(columns, 1)),
      unicode_(unicode) {
  // nop
}

std::size_t time_axis::step_of(timestamp at) const {
  auto offset = static_cast<long double>((at - begin_).count());
  auto steps = offset * 2.0L * static_cast<long double>(columns_) / static_cast<long double>(length_.count());
  return static_cast<std::size_t>(std::clamp(steps, 0.0L, static_cast<long double>(2 * columns_)));
}

std::string time_axis::ruler() const {
  constexpr std::size_t label_columns = 9;
  auto step = tick_steps.back();
  for (auto candidate : tick_steps) {
    auto ticks = static_cast<std::size_t>(length_ / candidate);
    if (ticks <= std::max<std::size_t>(columns_ / label_columns, 1)) {
      step = candidate;
      break;
    }
  }
  std::string out;
  for (auto at = duration::zero(); at <= length_; at += step) {
    auto column = std::min(step_of(begin_ + at) / 2, columns_ - 1);
    auto label = at == duration::zero() ? std::string{"0"} : tick_label(at);
    auto mark = (unicode_ ? "╷" : "|") + label;
    // What does not fit before the end of the line or after its neighbour is left out.
    if (column + display_columns(mark) > columns_ || (column < display_columns(out) + 1 && !out.empty()))
      continue;
    out += std::string(column - display_columns(out), ' ') + mark;
  }
  return out;
}

time_axis::bar time_axis::draw(timestamp from, timestamp to, bar_kind kind) const {
  auto first = std::min(step_of(from), 2 * columns_ - 1);
  auto last = std::max(step_of(to), first + 1);
  auto glyphs = glyphs_of(kind, unicode_);
  bar out;
  out.left = first / 2;
  auto end_column = (last + 1) / 2;
  for (auto column = out.left; column < end_column; ++column) {
    bool has_left = first <= 2 * column;
    bool has_right = last >= 2 * column + 2;
    out.glyphs += has_left && has_right ? glyphs.full : has_left ? glyphs.left : glyphs.right;
  }
  out.columns = end_column - out.left;
  return out;
}

} // namespace tc::runtime
