#pragma once

// One accepted connection of a scripted server, with or without TLS. Internal to tests/support.

#include "tests/support/scripted_server.hpp"

#include <openssl/ssl.h>

namespace tc::testing {

class connection {
public:
  connection(int socket, SSL_CTX* context);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  bool handshake();
  /// Returns the common name of the client's certificate, "" without one.
  std::string client_subject() const;
  /// Waits for the first bytes and returns whether they are HTTP/2's; they can still be read.
  bool greets_in_http2();
  bool write(std::string_view text);
  /// Reads one request of HTTP/1.1. Returns nothing when the client has gone.
  std::optional<scripted_request> read_request();
  /// Returns whatever comes next; "" at the end.
  std::string read_some();
  void break_off(bool with_reset);
  /// Waits until the other side closes, or the server breaks the connection.
  void wait_for_end();

private:
  bool read_more();
  bool read_chunks(std::string& body);

  int socket_;
  SSL* ssl_ = nullptr;
  std::string buffer_;
};

/// Speaks HTTP/2 until the connection ends; `answer` is asked for each request.
void serve_http2(connection& peer, const std::function<scripted_response(scripted_request)>& answer);

} // namespace tc::testing
