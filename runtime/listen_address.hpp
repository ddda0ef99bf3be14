#pragma once

// The address a server of ours listens on, as Flux's flags write it. Resolving and binding it is the server's
// work.

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace tc::runtime {

struct listen_address {
  std::string host;       ///< "" for every interface
  std::uint16_t port = 0; ///< 0 lets the system choose

  bool operator==(const listen_address&) const = default;
  /// Returns "host:port", with brackets round an IPv6 address.
  std::string to_string() const;
};

/// Parses ":8080", "127.0.0.1:8080", "localhost:0" or "[::1]:8080". The error says what is wrong and what to
/// write.
tl::expected<listen_address, std::string> parse_listen_address(std::string_view text);

} // namespace tc::runtime
