#pragma once

// An HTTP server for tests (1.1, or 2 from the first byte), on 127.0.0.1 at a port of the system's choice,
// with or without TLS. A function of the test answers each request: with a whole response, with pieces that
// the test pushes when it likes, with silence, or with a connection that breaks in the middle. It waits for
// events only, and for time only where a response has a pace.

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tc::testing {

/// How long a test waits for something that must happen; only a failing test ever waits that long.
inline constexpr std::chrono::seconds generous_limit{60};

struct scripted_request {
  std::string method;
  std::string target;                         ///< path and query, as sent
  std::map<std::string, std::string> headers; ///< names in lower case
  std::string body;
  std::string client_subject; ///< common name of the client's certificate, "" without one

  /// Returns the header of that lower-case name, or "".
  std::string header(const std::string& name) const;
  /// Returns the target without its query.
  std::string path() const;
  /// Returns the percent-decoded value of a query parameter, or "" when it is absent.
  std::string query(std::string_view name) const;
};

/// What happens after the last piece of the body.
enum class ending {
  complete, ///< the response ends as it should, the connection stays open
  hang,     ///< nothing more comes; the connection stays open until the server stops or drops it
  cut,      ///< the connection is closed though the body is not complete
  reset,    ///< the same with a TCP reset
};

/// Pieces of a body that the test pushes while the response is under way. Thread-safe.
class body_stream {
public:
  body_stream();
  ~body_stream();
  /// Sends a piece.
  void push(std::string piece);
  /// Ends the response after what was pushed.
  void end(ending how = ending::complete);

  struct impl;
  std::shared_ptr<impl> impl_; ///< for the server
};

struct scripted_response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> chunks;   ///< sent in chunked encoding, each as a piece of its own
  std::chrono::milliseconds pace{0}; ///< waited before each chunk
  ending end = ending::complete;
  std::shared_ptr<body_stream> stream; ///< sent after `chunks`; its end() replaces `end`
  bool no_answer = false;              ///< not even a status line: `end` applies at once
  /// In HTTP/2 only, where `stream` is not supported, and `end` ends the stream and not the connection.
  std::vector<std::pair<std::string, std::string>> trailers;

  /// Returns a complete response with a JSON body.
  static scripted_response json(std::string body, int status = 200);
};

struct server_tls {
  std::string certificate_pem;
  std::string key_pem;
  std::string client_ca_pem; ///< not empty: clients must show a certificate that this authority signed
};

enum class http_dialect {
  http1,
  http2,
  either, ///< as each connection begins; without TLS only
};

class scripted_server {
public:
  /// Called on a thread of the connection; several may call it at a time.
  using handler = std::function<scripted_response(const scripted_request&)>;

  explicit scripted_server(handler answer, std::optional<server_tls> tls = std::nullopt,
                           http_dialect dialect = http_dialect::http1);
  /// Breaks what is open and waits for its threads.
  ~scripted_server();
  scripted_server(const scripted_server&) = delete;
  scripted_server& operator=(const scripted_server&) = delete;

  int port() const;
  /// Returns "http://127.0.0.1:PORT" or "https://…", followed by the path.
  std::string url(std::string_view path = "") const;

  /// Returns the requests received so far, in order of arrival.
  std::vector<scripted_request> requests() const;
  /// Waits until that many requests have arrived. Returns false after generous_limit.
  bool wait_for_requests(std::size_t count) const;
  /// Returns the number of connections accepted so far.
  std::size_t connections() const;
  /// Breaks every open connection; new ones are accepted.
  void drop_connections();
  /// While it is on, connections are taken and nothing is ever read from them, not even a handshake.
  void be_a_black_hole(bool on);
  /// Shows another certificate from the next connection on.
  void renew_certificate(const server_tls& tls);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace tc::testing
