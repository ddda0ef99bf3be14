#include "runtime/listen_address.hpp"

#include <charconv>

namespace tc::runtime {

std::string listen_address::to_string() const {
  auto bracketed = host.find(':') != std::string::npos ? '[' + host + ']' : host;
  return bracketed + ':' + std::to_string(port);
}

tl::expected<listen_address, std::string> parse_listen_address(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return tl::unexpected<std::string>("has no port; write :PORT or HOST:PORT");
  auto host = text.substr(0, colon);
  auto port = text.substr(colon + 1);
  bool in_brackets = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (in_brackets)
    host = host.substr(1, host.size() - 2);
  if (host.find_first_of(in_brackets ? "[]" : ":[]") != std::string_view::npos) {
    return tl::unexpected<std::string>("is not an address; write an IPv6 host in brackets, as in [::1]:8080");
  }
  if (host.find_first_of(" \t/@") != std::string_view::npos)
    return tl::unexpected<std::string>(
        "is not an address; write :PORT or HOST:PORT without a scheme or path");
  std::uint16_t number = 0;
  auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || failure != std::errc{} || end != port.data() + port.size())
    return tl::unexpected<std::string>("has no port after the last colon; use a number from 0 to 65535");
  return listen_address{std::string{host}, number};
}

} // namespace tc::runtime
