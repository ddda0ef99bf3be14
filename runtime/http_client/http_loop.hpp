#pragma once

// The HTTP client of the process: one thread that drives every transfer (curl_multi) and every timer of
// those who use it. HTTP/2 is multiplexed over TLS where the server offers it. What a request means, whether
// it is repeated, and how its body is read is the business of the caller (kube/, export/).
//
// All callbacks run on the loop's thread. They must be short and must not block: they only hand things over.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tc::runtime {

/// How a server is authenticated, and how we authenticate to it. Shared by the requests that use it, so that
/// they share connections. PEM texts win over files.
struct tls_options {
  std::string ca_pem = {};          ///< certificates to trust, "" with ca_file "" for those of the system
  std::string ca_file = {};         ///< path of a PEM file
  std::string certificate_pem = {}; ///< client certificate chain, "" for none
  std::string key_pem = {};         ///< its private key
  bool verify = true;               ///< false accepts any certificate
  std::string server_name = {}; ///< name to ask for and to verify instead of the URL's host, "" for the host

  bool operator==(const tls_options&) const = default;
};

enum class http_version : std::uint8_t {
  automatic, ///< HTTP/2 where TLS negotiates it, else HTTP/1.1
  http1,     ///< HTTP/1.1 only
  http2, ///< HTTP/2, also without TLS, where it is spoken from the first byte (gRPC); proxies are asked for a
         ///< tunnel
};

/// Why a request has no complete response.
enum class http_failure : std::uint8_t {
  none,        ///< the response is complete, whatever its status
  invalid,     ///< the request itself cannot be sent: URL, proxy or TLS material
  resolve,     ///< the host name has no address
  connect,     ///< refused or unreachable
  tls,         ///< the handshake failed: untrusted, expired, wrong name, certificate refused
  timeout,     ///< connect_timeout, idle_timeout or total_timeout passed
  interrupted, ///< the connection ended before the response did
  too_large,   ///< the collected body grew past max_body
  callback,    ///< on_head or on_data threw
  cancelled,   ///< cancel() or the end of the loop
};

/// Returns a word for logs and metric labels, for example "timeout".
std::string_view to_string(http_failure failure);

using http_headers = std::vector<std::pair<std::string, std::string>>;

/// Outcome of a request. Only when `failure` is none is the response complete.
struct http_result {
  http_failure failure = http_failure::none;
  std::string error;     ///< what went wrong, for people; "" without failure. Never holds headers or bodies
  int status = 0;        ///< HTTP status of the final response, 0 when none arrived
  http_headers headers;  ///< of the final response; names in lower case
  http_headers trailers; ///< what came after the body; names in lower case
  std::string body;      ///< decompressed; empty when the request has an on_data

  /// Returns the first value of that header (lower-case name), or nothing.
  std::optional<std::string_view> header(std::string_view name) const;
  /// Returns whether the response is complete and its status is 2xx.
  bool ok() const { return failure == http_failure::none && status >= 200 && status < 300; }
};

/// A request. Durations of zero mean "no limit".
struct http_request {
  std::string method = "GET";
  std::string url;                  ///< http:// or https://
  std::vector<std::string> headers; ///< "Name: value"
  std::string body; ///< sent with Content-Length when not empty or the method is POST, PUT, PATCH
  std::shared_ptr<const tls_options> tls; ///< nullptr for the defaults
  std::optional<std::string> proxy; ///< URL; "" for none at all; nothing: as HTTPS_PROXY and NO_PROXY say
  std::string proxy_user;           ///< "user:password", "" for none
  http_version version = http_version::automatic;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{0};    ///< longest time without a byte received, headers included
  std::chrono::milliseconds total_timeout{0};   ///< longest time for the whole request
  std::size_t max_body = std::size_t{64} << 20; ///< bound on http_result::body, in bytes

  /// Called once, before any data, with the final response's status and headers. Optional.
  std::function<void(int status, const http_headers& headers)> on_head;
  /// Asked before each piece: while it returns false the server is made to wait, by not reading on. It is
  /// asked again every few milliseconds. Optional.
  std::function<bool()> may_read;
  /// Likewise, of a response that has its connection for itself: one that waits on a connection of several
  /// (HTTP/2) makes them all wait. Optional.
  std::function<bool()> in_turn;
  /// Called for each piece of the (decompressed) body. Optional: without it the body is collected.
  std::function<void(std::string_view piece)> on_data;
  /// Called exactly once for every submitted request, also when cancelled.
  std::function<void(http_result result)> on_done;
};

/// Names a submitted request or a timer; 0 names nothing.
using http_handle = std::uint64_t;
using timer_handle = std::uint64_t;

struct http_loop_options {
  long max_connections_per_host = 0; ///< 0 for no limit
  std::string user_agent = "trace-controller";
  /// Told when a callback throws; the loop goes on. Runs on the loop's thread. Optional.
  std::function<void(std::string_view what)> on_exception = {};
};

/// One thread that drives all transfers and timers. Every function may be called from any thread, also from
/// within a callback.
class http_loop {
public:
  explicit http_loop(http_loop_options options = {});
  /// Calls stop().
  ~http_loop();
  http_loop(const http_loop&) = delete;
  http_loop& operator=(const http_loop&) = delete;

  /// Starts a request. When the loop has stopped, calls on_done at once (cancelled) and returns 0.
  http_handle submit(http_request request);

  /// Ends a request early. Its on_done is still called, later, with http_failure::cancelled. When called on
  /// the loop's thread, no on_head or on_data of the request follows. Unknown and finished handles are
  /// ignored.
  void cancel(http_handle handle);

  /// Runs `task` on the loop's thread, soon. Returns false, and drops it, when the loop has stopped; a task
  /// that is still waiting when it stops is dropped as well.
  bool post(std::function<void()> task);

  /// Runs `task` on the loop's thread once the time has passed. Returns 0 when the loop has stopped.
  timer_handle after(std::chrono::nanoseconds delay, std::function<void()> task);

  /// Forgets a timer. When called on the loop's thread, its task will not run.
  void cancel_timer(timer_handle handle);

  /// Ends the thread: timers are dropped, open requests end as cancelled. Returns when no callback runs any
  /// more. Must not be called from a callback. A second call does nothing.
  void stop();

  /// Returns whether the caller is on the loop's thread.
  bool on_loop_thread() const;

  /// Returns the number of requests that have not ended.
  std::size_t open_requests() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Returns how long a Retry-After header asks to wait: seconds, or an HTTP date relative to `now`; never
/// negative. Returns nothing when the text is neither.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text,
                                                      std::chrono::system_clock::time_point now);

} // namespace tc::runtime
