#include "runtime/http_client/transfer.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tc::runtime {

namespace {

using clock = std::chrono::steady_clock;

/// A peer that vanished without a word (a node that died, a dropped NAT entry) is noticed within this time.
constexpr unsigned vanished_after_ms = 45'000;

int prepare_socket(void*, curl_socket_t socket, curlsocktype) {
  setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &vanished_after_ms, sizeof vanished_after_ms);
  return CURL_SOCKOPT_OK;
}

std::size_t header_function(char* data, std::size_t, std::size_t size, void* user) {
  return static_cast<transfer*>(user)->on_header_line({data, size}) ? size : 0;
}

std::size_t body_function(char* data, std::size_t, std::size_t size, void* user) {
  auto& to = *static_cast<transfer*>(user);
  if (to.must_wait())
    return CURL_WRITEFUNC_PAUSE;                     // the piece is offered again
  return to.on_body({data, size}) ? size : size + 1; // anything else means failure
}

curl_blob as_blob(const std::string& text) {
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result{text};
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

void add_field(std::string_view line, http_headers& to) {
  if (auto colon = line.find(':'); colon != std::string_view::npos)
    to.emplace_back(lower(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
}

bool names_host(const std::string& header) {
  return lower(header.substr(0, 5)) == "host:";
}

http_failure classify(CURLcode code, std::string_view text) {
  switch (code) {
  case CURLE_OK:
    return http_failure::none;
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_URL_MALFORMAT:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_BAD_FUNCTION_ARGUMENT:
    return http_failure::invalid;
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
    return http_failure::resolve;
  case CURLE_COULDNT_CONNECT:
  case CURLE_PROXY:
    return http_failure::connect;
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_CIPHER:
    return http_failure::tls;
  case CURLE_OPERATION_TIMEDOUT:
    return http_failure::timeout;
  default:
    // With TLS 1.3 a server refuses a client certificate only after the handshake, by an alert.
    if (text.find("alert") != std::string_view::npos && text.find("certificate") != std::string_view::npos)
      return http_failure::tls;
    return http_failure::interrupted;
  }
}

} // namespace

transfer::transfer(http_handle name, http_request given, const std::string& user_agent)
    : handle(name), request(std::move(given)), last_activity(clock::now()) {
  easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_.data());
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 64L * 1024);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 15L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &prepare_socket);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &header_function);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &body_function);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  set_version();
  if (request.proxy)
    curl_easy_setopt(easy, CURLOPT_PROXY, request.proxy->c_str());
  if (!request.proxy_user.empty())
    curl_easy_setopt(easy, CURLOPT_PROXYUSERPWD, request.proxy_user.c_str());
  set_method();
  if (request.tls)
    set_tls();
  for (const auto& line : request.headers) {
    if (line.find_first_of("\r\n") != std::string::npos) {
      invalid = "a header contains a line break";
      return;
    }
    headers_ = curl_slist_append(headers_, line.c_str());
  }
  headers_ = curl_slist_append(headers_, "Expect:"); // no round trip before a large body
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
}

transfer::~transfer() {
  curl_easy_cleanup(easy);
  curl_slist_free_all(headers_);
  curl_slist_free_all(connect_to_);
}

void transfer::set_version() {
  bool plain = request.url.starts_with("http://");
  // Without TLS nothing negotiates HTTP/2. That must be said: once a host and port have spoken HTTP/2,
  // libcurl 7.88 takes its other connections for multiplexed too and writes two HTTP/1.1 requests into one at
  // a time.
  if (request.version == http_version::http1 || (plain && request.version == http_version::automatic)) {
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    return;
  }
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L); // rather a stream of a connection being made than a new one
  bool from_the_first_byte = request.version == http_version::http2 && plain;
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                   from_the_first_byte ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_2TLS);
  if (!from_the_first_byte)
    return;
  curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L); // proxies forward requests in HTTP/1.1 only
  if (curl_version_info(CURLVERSION_NOW)->version_num < 0x080000) {
    // A second request on such a connection fails in libcurl 7.88 (https://github.com/curl/curl/pull/10643).
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  }
}

void transfer::set_method() {
  const auto& method = request.method;
  bool with_body = !request.body.empty() || method == "POST" || method == "PUT" || method == "PATCH";
  if (with_body) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
  }
  if (method == "HEAD")
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  else if (method != "GET" || with_body)
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
}

void transfer::set_tls() {
  const auto& tls = *request.tls;
  if (!tls.ca_pem.empty() || !tls.ca_file.empty())
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr); // else the system's authorities are trusted beside it
  if (!tls.ca_pem.empty()) {
    auto blob = as_blob(tls.ca_pem);
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
  } else if (!tls.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, tls.ca_file.c_str());
  }
  if (!tls.certificate_pem.empty()) {
    auto certificate = as_blob(tls.certificate_pem);
    auto key = as_blob(tls.key_pem);
    curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &certificate);
    curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
  }
  if (!tls.verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!tls.server_name.empty())
    set_server_name();
}

/// libcurl verifies the name in the URL. So the URL gets the name to verify, and the connection goes to the
/// host that the URL had.
void transfer::set_server_name() {
  auto* parts = curl_url();
  char* host = nullptr;
  char* port = nullptr;
  char* changed = nullptr;
  if (curl_url_set(parts, CURLUPART_URL, request.url.c_str(), 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
      curl_url_set(parts, CURLUPART_HOST, request.tls->server_name.c_str(), 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_URL, &changed, 0) == CURLUE_OK) {
    auto target = std::string{"::"} + host + ":" + port;
    connect_to_ = curl_slist_append(connect_to_, target.c_str());
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to_);
    curl_easy_setopt(easy, CURLOPT_URL, changed);
    if (std::none_of(request.headers.begin(), request.headers.end(), names_host))
      request.headers.push_back(std::string{"Host: "} + host + ":" + port);
  } else {
    invalid = "the URL or the TLS server name is malformed";
  }
  curl_free(host);
  curl_free(port);
  curl_free(changed);
  curl_url_cleanup(parts);
}

bool transfer::on_header_line(std::string_view line) {
  last_activity = clock::now();
  if (cancelled || thrown)
    return false;
  if (head_seen) {
    add_field(line, result.trailers);
    return true;
  }
  if (line.starts_with("HTTP/")) {
    // A final response may follow an interim one (1xx), whose headers mean nothing to us.
    result.headers.clear();
    result.status = 0;
    shares_connection = !line.starts_with("HTTP/1");
    if (auto space = line.find(' '); space != std::string_view::npos)
      std::from_chars(line.data() + space + 1, line.data() + line.size(), result.status);
    return true;
  }
  if (trimmed(line).empty()) {
    head_seen = result.status >= 200;
    if (head_seen && request.on_head)
      return deliver([this] { request.on_head(result.status, result.headers); });
    return true;
  }
  add_field(line, result.headers);
  return true;
}

bool transfer::must_wait() {
  auto out_of_turn = request.in_turn && !shares_connection && !request.in_turn();
  auto unwanted = request.may_read && !request.may_read();
  paused = !cancelled && !thrown && (out_of_turn || unwanted);
  if (paused)
    last_activity = clock::now(); // it is not the server that is silent
  return paused;
}

bool transfer::on_body(std::string_view piece) {
  last_activity = clock::now();
  if (cancelled || thrown)
    return false;
  if (request.on_data)
    return deliver([&] { request.on_data(piece); }) && !cancelled;
  if (result.body.size() + piece.size() > request.max_body) {
    too_large = true;
    return false;
  }
  result.body.append(piece);
  return true;
}

/// libcurl is C: no exception may pass through it.
bool transfer::deliver(const std::function<void()>& call) {
  try {
    call();
    return true;
  } catch (const std::exception& error) {
    thrown = error.what();
  } catch (...) {
    thrown = "unknown exception";
  }
  return false;
}

std::pair<http_failure, std::string> transfer::verdict(CURLcode code) const {
  if (cancelled)
    return {http_failure::cancelled, "cancelled"};
  if (thrown)
    return {http_failure::callback, "the receiver failed: " + *thrown};
  if (too_large)
    return {http_failure::too_large,
            "the response is larger than " + std::to_string(request.max_body) + " bytes"};
  std::string text{error_text_.data()};
  if (text.empty() && code != CURLE_OK)
    text = curl_easy_strerror(code);
  return {classify(code, text), code == CURLE_OK ? std::string{} : std::move(text)};
}

clock::time_point transfer::idle_deadline() const {
  if (request.idle_timeout.count() == 0)
    return clock::time_point::max();
  return last_activity + request.idle_timeout;
}

} // namespace tc::runtime
