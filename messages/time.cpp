#include "messages/time.hpp"

#include <cstdint>
#include <cstdio>
#include <limits>

namespace tc {

namespace {

using namespace std::chrono;

/// Reads exactly `count` decimal digits at `pos`; -1 when they are not there.
int digits(std::string_view text, std::size_t pos, std::size_t count) {
  if (pos + count > text.size())
    return -1;
  int out = 0;
  for (std::size_t i = pos; i < pos + count; ++i) {
    if (text[i] < '0' || text[i] > '9')
      return -1;
    out = out * 10 + (text[i] - '0');
  }
  return out;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

} // namespace

std::optional<timestamp> parse_rfc3339(std::string_view text) {
  auto year_number = digits(text, 0, 4);
  auto month_number = digits(text, 5, 2);
  auto day_number = digits(text, 8, 2);
  auto hour_number = digits(text, 11, 2);
  auto minute_number = digits(text, 14, 2);
  auto second_number = digits(text, 17, 2);
  if (year_number < 0 || month_number < 1 || month_number > 12 || day_number < 1 || hour_number < 0 ||
      hour_number > 23 || minute_number < 0 || minute_number > 59 || second_number < 0 || second_number > 60)
    return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':')
    return std::nullopt;
  // Nanoseconds since 1970 fit into 64 bits only between these years.
  if (year_number < 1678 || year_number > 2261)
    return std::nullopt;
  auto date =
      year{year_number} / month{static_cast<unsigned>(month_number)} / day{static_cast<unsigned>(day_number)};
  if (!date.ok())
    return std::nullopt;
  std::size_t pos = 19;
  std::int64_t nanos = 0;
  if (pos < text.size() && (text[pos] == '.' || text[pos] == ',')) {
    std::int64_t unit = 100'000'000;
    auto first = ++pos;
    for (; pos < text.size() && is_digit(text[pos]); ++pos) {
      nanos += unit * (text[pos] - '0');
      unit /= 10;
    }
    if (pos == first)
      return std::nullopt;
  }
  minutes offset{0};
  if (pos < text.size() && (text[pos] == 'Z' || text[pos] == 'z')) {
    ++pos;
  } else if (pos < text.size() && (text[pos] == '+' || text[pos] == '-')) {
    auto offset_hours = digits(text, pos + 1, 2);
    auto offset_minutes = digits(text, pos + 4, 2);
    if (offset_hours < 0 || offset_hours > 23 || offset_minutes < 0 || offset_minutes > 59 ||
        text[pos + 3] != ':')
      return std::nullopt;
    offset = minutes{(text[pos] == '-' ? -1 : 1) * (offset_hours * 60 + offset_minutes)};
    pos += 6;
  } else {
    return std::nullopt;
  }
  if (pos != text.size())
    return std::nullopt;
  auto whole = sys_days{date} + hours{hour_number} + minutes{minute_number} + seconds{second_number} - offset;
  return timestamp{whole} + nanoseconds{nanos};
}

std::string to_rfc3339(timestamp at) {
  auto day_point = floor<days>(at);
  year_month_day date{day_point};
  hh_mm_ss clock{at - day_point};
  auto nanos = static_cast<long>(clock.subseconds().count());
  char text[48];
  auto length =
      std::snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                    static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                    static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                    static_cast<int>(clock.seconds().count()));
  std::string out(text, static_cast<std::size_t>(length));
  if (nanos != 0) {
    std::snprintf(text, sizeof(text), ".%09ld", nanos);
    std::string_view fraction = text;
    while (fraction.size() > 4 && fraction.ends_with("000"))
      fraction.remove_suffix(3);
    out += fraction;
  }
  return out + 'Z';
}

std::optional<duration> parse_go_duration(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0")
    return duration{0};
  if (text.empty())
    return std::nullopt;
  long double total = 0;
  while (!text.empty()) {
    long double value = 0;
    long double unit_of_digit = 1;
    std::size_t pos = 0;
    bool seen = false;
    for (; pos < text.size() && is_digit(text[pos]); ++pos, seen = true)
      value = value * 10 + (text[pos] - '0');
    if (pos < text.size() && text[pos] == '.')
      for (++pos; pos < text.size() && is_digit(text[pos]); ++pos, seen = true)
        value += (text[pos] - '0') * (unit_of_digit /= 10);
    if (!seen)
      return std::nullopt;
    text.remove_prefix(pos);
    struct unit {
      std::string_view name;
      long double nanos;
    };
    // "ms" stands before "m" because the first match wins; both spellings of micro occur.
    static constexpr unit units[] = {{"ns", 1},    {"us", 1e3L}, {"\u00b5s", 1e3L}, {"\u03bcs", 1e3L},
                                     {"ms", 1e6L}, {"s", 1e9L},  {"m", 60e9L},      {"h", 3600e9L}};
    bool matched = false;
    for (const auto& candidate : units)
      if (text.starts_with(candidate.name)) {
        total += value * candidate.nanos;
        text.remove_prefix(candidate.name.size());
        matched = true;
        break;
      }
    if (!matched)
      return std::nullopt;
  }
  if (total > static_cast<long double>(std::numeric_limits<std::int64_t>::max()))
    return std::nullopt;
  auto nanos = static_cast<std::int64_t>(total + 0.5L);
  return duration{negative ? -nanos : nanos};
}

std::string to_go_duration(duration value) {
  if (value == duration{0})
    return "0s";
  std::string out;
  auto nanos = value.count();
  std::uint64_t rest = nanos < 0 ? 0 - static_cast<std::uint64_t>(nanos) : static_cast<std::uint64_t>(nanos);
  if (nanos < 0)
    out += '-';
  auto with_fraction = [](std::uint64_t count, std::uint64_t unit) {
    auto text = std::to_string(count / unit);
    auto fraction = count % unit;
    if (fraction == 0)
      return text;
    auto digits_text = std::to_string(unit + fraction).substr(1);
    while (digits_text.back() == '0')
      digits_text.pop_back();
    return text + '.' + digits_text;
  };
  if (rest < 1'000)
    return out + std::to_string(rest) + "ns";
  if (rest < 1'000'000)
    return out + with_fraction(rest, 1'000) + "\u00b5s";
  if (rest < 1'000'000'000)
    return out + with_fraction(rest, 1'000'000) + "ms";
  constexpr std::uint64_t minute_nanos = 60'000'000'000;
  auto hours_count = rest / (60 * minute_nanos);
  auto minutes_count = rest / minute_nanos % 60;
  if (hours_count > 0)
    out += std::to_string(hours_count) + 'h';
  if (hours_count > 0 || minutes_count > 0)
    out += std::to_string(minutes_count) + 'm';
  return out + with_fraction(rest % minute_nanos, 1'000'000'000) + 's';
}

} // namespace tc
