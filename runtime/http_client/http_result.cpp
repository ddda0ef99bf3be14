#include "runtime/http_client/http_loop.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace tc::runtime {

std::string_view to_string(http_failure failure) {
  switch (failure) {
  case http_failure::none:
    return "none";
  case http_failure::invalid:
    return "invalid";
  case http_failure::resolve:
    return "resolve";
  case http_failure::connect:
    return "connect";
  case http_failure::tls:
    return "tls";
  case http_failure::timeout:
    return "timeout";
  case http_failure::interrupted:
    return "interrupted";
  case http_failure::too_large:
    return "too_large";
  case http_failure::callback:
    return "callback";
  case http_failure::cancelled:
    return "cancelled";
  }
  return "unknown";
}

std::optional<std::string_view> http_result::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name)
      return value;
  return std::nullopt;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text,
                                                      std::chrono::system_clock::time_point now) {
  using std::chrono::seconds;
  std::uint32_t count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc{} && end == text.data() + text.size())
    return seconds{count};
  auto date = curl_getdate(std::string{text}.c_str(), nullptr);
  if (date < 0)
    return std::nullopt;
  // In whole seconds: a date after the year 2262 is beyond what nanoseconds can count.
  auto wait = seconds{date} - std::chrono::floor<seconds>(now.time_since_epoch());
  return std::clamp(wait, seconds{0}, seconds{std::numeric_limits<std::uint32_t>::max()});
}

} // namespace tc::runtime
