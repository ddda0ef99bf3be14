#pragma once

// A small HTTP/1.1 server for probes, metrics and Flux's events: one thread, routes to plain functions, every
// wait bounded, so that a stalled client delays nobody. With TLS where certificates are given
// (server_tls.hpp). The client is in http_client/.

#include "messages/time.hpp"
#include "runtime/listen_address.hpp"
#include "runtime/server_tls.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace tc::runtime {

struct server_request {
  std::string method;
  std::string path;                                         ///< without the query
  std::string query;                                        ///< after "?", "" without one
  std::vector<std::pair<std::string, std::string>> headers; ///< names in lower case, in order
  std::string body;

  /// Returns the value of the first header of that lower-case name, or "".
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name)
        return value;
    return {};
  }
};

struct server_response {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8"; ///< left out when the body is empty
  std::vector<std::pair<std::string, std::string>> headers{};
};

/// Runs on the server's thread and must not block; what it throws becomes a 500.
using http_handler = std::function<server_response(const server_request&)>;

struct http_route {
  std::string method; ///< GET answers HEAD as well; "" = every method
  std::string path;   ///< exact; "" = every path that no other route has
  http_handler handle;
};

struct http_limits {
  std::size_t header_bytes = std::size_t{16} << 10; ///< more is answered 431
  std::size_t body_bytes = std::size_t{1} << 20;    ///< more is answered 413
  duration read_timeout = std::chrono::seconds{10}; ///< from the first byte of a request to its last
  duration idle_timeout = std::chrono::seconds{30}; ///< between requests
  duration write_timeout = std::chrono::seconds{10};
  duration renewal_interval = std::chrono::seconds{5}; ///< between looks at the certificates' files
  std::size_t connections = 256; ///< beyond it the one that has been quiet longest is closed
};

class http_server {
public:
  struct settings {
    listen_address address; ///< port 0: the system chooses
    std::vector<http_route> routes;
    http_limits limits{};
    /// Told of what went wrong in a handler, on the server's thread. May be empty.
    std::function<void(const std::string&)> report{};
    /// Null: plain HTTP, and the rest below is of no use.
    std::shared_ptr<server_tls> tls{};
    /// Told when the certificates' files have changed, on the server's thread: "" when they are in use, else
    /// why the former certificate stays. May be empty.
    std::function<void(const std::string& problem)> renewed{};
    /// Told of each connection that ended before TLS was agreed on, on the server's thread. May be empty.
    std::function<void(const std::string& problem)> handshake_failed{};
  };

  /// Listens and serves from now on. The error names the address and the remedy.
  static tl::expected<std::unique_ptr<http_server>, std::string> start(settings with);

  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// Stops as stop() does.
  ~http_server();

  /// Returns the port that is listened on.
  std::uint16_t port() const;

  /// Accepts no more, lets answers that are being written end (at most a second), closes and joins. May be
  /// called again.
  void stop();

private:
  class state;

  explicit http_server(std::unique_ptr<state> made);

  std::unique_ptr<state> state_;
};

} // namespace tc::runtime
