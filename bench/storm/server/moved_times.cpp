#include "bench/storm/server/moved_times.hpp"

#include "messages/time.hpp"

#include <string_view>

namespace tc::storm {

namespace {

constexpr std::size_t date_size = 10, time_size = 8; // 2026-11-26 T 20:12:00

bool looks_like(const char* text, std::string_view pattern) {
  for (std::size_t i = 0; i < pattern.size(); ++i)
    if (pattern[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != pattern[i])
      return false;
  return true;
}

} // namespace

void time_mover::move(std::string& text, std::size_t from) {
  if (by_ == std::chrono::seconds{0})
    return;
  for (auto at = text.find('T', from + date_size); at != std::string::npos; at = text.find('T', at + 1)) {
    if (at + time_size >= text.size() || !looks_like(&text[at - date_size], "0000-00-00") ||
        !looks_like(&text[at + 1], "00:00:00"))
      continue;
    auto size = date_size + 1 + time_size;
    auto seen = text.substr(at - date_size, size);
    if (seen != last_seen_) {
      auto parsed = parse_rfc3339(seen + 'Z');
      if (!parsed)
        continue;
      last_moved_ = to_rfc3339(*parsed + by_).substr(0, size);
      last_seen_ = std::move(seen);
    }
    text.replace(at - date_size, size, last_moved_);
  }
}

} // namespace tc::storm
