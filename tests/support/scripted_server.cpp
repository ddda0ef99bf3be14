#include "tests/support/scripted_connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <deque>
#include <list>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace tc::testing {

// -- requests and responses ---------------------------------------------------

std::string scripted_request::header(const std::string& name) const {
  auto found = headers.find(name);
  return found == headers.end() ? std::string{} : found->second;
}

std::string scripted_request::path() const {
  return target.substr(0, target.find('?'));
}

std::string scripted_request::query(std::string_view name) const {
  auto start = target.find('?');
  while (start != std::string::npos) {
    auto end = target.find('&', start + 1);
    auto part = std::string_view{target}.substr(start + 1, end == std::string::npos ? end : end - start - 1);
    auto equals = part.find('=');
    if (part.substr(0, equals) == name && equals != std::string_view::npos) {
      std::string value;
      auto raw = part.substr(equals + 1);
      for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] == '%' && i + 2 < raw.size()) {
          value += static_cast<char>(std::stoi(std::string{raw.substr(i + 1, 2)}, nullptr, 16));
          i += 2;
        } else {
          value += raw[i];
        }
      }
      return value;
    }
    start = end;
  }
  return {};
}

scripted_response scripted_response::json(std::string body, int status) {
  scripted_response result;
  result.status = status;
  result.headers.emplace_back("Content-Type", "application/json");
  result.chunks.push_back(std::move(body));
  return result;
}

// -- pushed bodies ------------------------------------------------------------

struct body_stream::impl {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> pieces;
  std::optional<ending> end;
  bool broken = false; ///< the connection is gone

  /// Returns the next piece, or how it ends.
  std::pair<std::optional<std::string>, ending> next() {
    std::unique_lock lock{mutex};
    changed.wait(lock, [this] { return !pieces.empty() || end || broken; });
    if (broken)
      return {std::nullopt, ending::cut};
    if (pieces.empty())
      return {std::nullopt, *end};
    auto piece = std::move(pieces.front());
    pieces.pop_front();
    return {std::move(piece), ending::complete};
  }

  void interrupt() {
    std::lock_guard guard{mutex};
    broken = true;
    changed.notify_all();
  }
};

body_stream::body_stream() : impl_(std::make_shared<impl>()) {
  // nop
}

body_stream::~body_stream() = default;

void body_stream::push(std::string piece) {
  std::lock_guard guard{impl_->mutex};
  impl_->pieces.push_back(std::move(piece));
  impl_->changed.notify_all();
}

void body_stream::end(ending how) {
  std::lock_guard guard{impl_->mutex};
  impl_->end = how;
  impl_->changed.notify_all();
}

// -- answers ------------------------------------------------------------------

namespace {

std::string chunk(std::string_view piece) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
  return size + std::string{piece} + "\r\n";
}

/// Sends the response. Returns false when the connection is used up.
bool send_response(connection& peer, const scripted_response& response) {
  auto how = response.end;
  if (!response.no_answer) {
    auto head = "HTTP/1.1 " + std::to_string(response.status) + " Scripted\r\n";
    for (const auto& [name, value] : response.headers)
      head += name + ": " + value + "\r\n";
    bool bodyless = response.status == 204 || response.status == 304;
    head += bodyless ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n";
    if (!peer.write(head))
      return false;
    if (bodyless)
      return true;
    for (const auto& piece : response.chunks) {
      std::this_thread::sleep_for(response.pace);
      if (!piece.empty() && !peer.write(chunk(piece)))
        return false;
    }
    if (response.stream) {
      for (;;) {
        auto [piece, end] = response.stream->impl_->next();
        how = end;
        if (!piece)
          break;
        if (!piece->empty() && !peer.write(chunk(*piece)))
          return false;
      }
    }
  }
  switch (how) {
  case ending::complete:
    return !response.no_answer && peer.write("0\r\n\r\n");
  case ending::hang:
    peer.wait_for_end();
    return false;
  case ending::cut:
    return false;
  case ending::reset:
    peer.break_off(true);
    return false;
  }
  return false;
}

int choose_http2(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                 unsigned int offered_size, void*) {
  constexpr unsigned char ours[] = {2, 'h', '2'};
  unsigned char* found = nullptr;
  auto result = SSL_select_next_proto(&found, size, ours, sizeof ours, offered, offered_size);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

SSL_CTX* make_context(const server_tls& tls, http_dialect dialect) {
  auto* context = SSL_CTX_new(TLS_server_method());
  if (dialect == http_dialect::http2)
    SSL_CTX_set_alpn_select_cb(context, &choose_http2, nullptr);
  auto read = [](const std::string& pem) {
    return BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  };
  auto* input = read(tls.certificate_pem);
  auto* certificate = PEM_read_bio_X509(input, nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context, certificate);
  X509_free(certificate);
  BIO_free(input);
  input = read(tls.key_pem);
  auto* key = PEM_read_bio_PrivateKey(input, nullptr, nullptr, nullptr);
  SSL_CTX_use_PrivateKey(context, key);
  EVP_PKEY_free(key);
  BIO_free(input);
  if (!tls.client_ca_pem.empty()) {
    input = read(tls.client_ca_pem);
    auto* authority = PEM_read_bio_X509(input, nullptr, nullptr, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority);
    X509_free(authority);
    BIO_free(input);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

} // namespace

// -- the server ---------------------------------------------------------------

struct scripted_server::impl {
  struct open_connection {
    int socket = -1; ///< -1 once its thread has ended
    std::shared_ptr<body_stream::impl> stream;
    std::thread thread;
  };

  handler answer;
  http_dialect dialect = http_dialect::http1;
  SSL_CTX* context = nullptr;     ///< for new connections
  std::vector<SSL_CTX*> contexts; ///< of all that were ever shown
  int listener = -1;
  int port = 0;
  std::thread acceptor;
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  bool stopping = false;
  bool black_hole = false;
  std::size_t accepted = 0;
  std::vector<scripted_request> seen;
  std::list<open_connection> open;

  void accept_all() {
    for (;;) {
      int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      std::lock_guard guard{mutex};
      if (stopping || socket < 0) {
        if (socket >= 0)
          ::close(socket);
        return;
      }
      ++accepted;
      auto& entry = open.emplace_back();
      entry.socket = socket;
      entry.thread = std::thread{[this, &entry, socket] { serve(entry, socket); }};
    }
  }

  /// Waits while this is a black hole; such a connection is closed unread. Else the certificate to show.
  std::pair<bool, SSL_CTX*> admit() {
    std::unique_lock lock{mutex};
    bool swallowed = black_hole;
    changed.wait(lock, [this] { return !black_hole || stopping; });
    return {swallowed, context};
  }

  void serve(open_connection& entry, int socket) {
    // OpenSSL writes without MSG_NOSIGNAL.
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    auto [swallowed, identity] = admit();
    connection peer{socket, identity};
    if (!swallowed && peer.handshake()) {
      if (dialect == http_dialect::http2 || (dialect == http_dialect::either && peer.greets_in_http2()))
        serve_http2(peer,
                    [&](scripted_request request) { return note_and_answer(peer, std::move(request)); });
      else
        serve_requests(entry, peer);
    }
    std::lock_guard guard{mutex};
    entry.socket = -1; // before `peer` closes it: the number may be used again
  }

  scripted_response note_and_answer(const connection& peer, scripted_request request) {
    request.client_subject = peer.client_subject();
    {
      std::lock_guard guard{mutex};
      seen.push_back(request);
      changed.notify_all();
    }
    return answer(request);
  }

  void serve_requests(open_connection& entry, connection& peer) {
    for (;;) {
      auto request = peer.read_request();
      if (!request)
        return;
      auto response = note_and_answer(peer, std::move(*request));
      {
        std::lock_guard guard{mutex};
        if (stopping)
          return;
        entry.stream = response.stream ? response.stream->impl_ : nullptr;
      }
      if (!send_response(peer, response))
        return;
    }
  }

  void drop() {
    for (auto& entry : open) {
      if (entry.socket >= 0)
        ::shutdown(entry.socket, SHUT_RDWR);
      if (entry.stream)
        entry.stream->interrupt();
    }
  }
};

scripted_server::scripted_server(handler answer, std::optional<server_tls> tls, http_dialect dialect)
    : impl_(std::make_unique<impl>()) {
  impl_->answer = std::move(answer);
  impl_->dialect = dialect;
  if (tls)
    renew_certificate(*tls);
  impl_->listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(impl_->listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(impl_->listener, 128) != 0 ||
      ::getsockname(impl_->listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error{"cannot listen on 127.0.0.1"};
  impl_->port = ntohs(address.sin_port);
  impl_->acceptor = std::thread{[this] { impl_->accept_all(); }};
}

scripted_server::~scripted_server() {
  {
    std::lock_guard guard{impl_->mutex};
    impl_->stopping = true;
    impl_->changed.notify_all();
    impl_->drop();
  }
  ::shutdown(impl_->listener, SHUT_RDWR);
  impl_->acceptor.join();
  ::close(impl_->listener);
  for (auto& entry : impl_->open)
    entry.thread.join();
  for (auto* context : impl_->contexts)
    SSL_CTX_free(context);
}

int scripted_server::port() const {
  return impl_->port;
}

std::string scripted_server::url(std::string_view path) const {
  return (impl_->context ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(impl_->port) +
         std::string{path};
}

std::vector<scripted_request> scripted_server::requests() const {
  std::lock_guard guard{impl_->mutex};
  return impl_->seen;
}

bool scripted_server::wait_for_requests(std::size_t count) const {
  std::unique_lock lock{impl_->mutex};
  return impl_->changed.wait_for(lock, generous_limit, [&] { return impl_->seen.size() >= count; });
}

std::size_t scripted_server::connections() const {
  std::lock_guard guard{impl_->mutex};
  return impl_->accepted;
}

void scripted_server::drop_connections() {
  std::lock_guard guard{impl_->mutex};
  impl_->drop();
}

void scripted_server::be_a_black_hole(bool on) {
  std::lock_guard guard{impl_->mutex};
  impl_->black_hole = on;
  impl_->changed.notify_all();
}

void scripted_server::renew_certificate(const server_tls& tls) {
  auto* context = make_context(tls, impl_->dialect);
  std::lock_guard guard{impl_->mutex};
  impl_->context = context;
  impl_->contexts.push_back(context);
}

} // namespace tc::testing
