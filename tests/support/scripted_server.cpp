#include "tests/support/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
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

// -- one connection -----------------------------------------------------------

namespace {

class connection {
public:
  connection(int socket, SSL_CTX* context) : socket_(socket) {
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (context) {
      ssl_ = SSL_new(context);
      SSL_set_fd(ssl_, socket);
    }
  }

  ~connection() {
    if (ssl_)
      SSL_free(ssl_);
    ::close(socket_);
  }

  bool handshake() { return ssl_ == nullptr || SSL_accept(ssl_) == 1; }

  std::string client_subject() const {
    if (ssl_ == nullptr)
      return {};
    auto* shown = SSL_get1_peer_certificate(ssl_);
    if (shown == nullptr)
      return {};
    char name[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof name);
    X509_free(shown);
    return name;
  }

  bool write(std::string_view text) {
    while (!text.empty()) {
      long sent =
          ssl_ ? SSL_write(ssl_, text.data(), static_cast<int>(std::min<std::size_t>(text.size(), 1 << 20)))
               : ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0)
        return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// Reads one request. Returns nothing when the client has gone.
  std::optional<scripted_request> read_request() {
    auto head_end = std::string::npos;
    while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos)
      if (!read_more())
        return std::nullopt;
    scripted_request result;
    auto line_end = buffer_.find("\r\n");
    auto line = buffer_.substr(0, line_end);
    auto first = line.find(' ');
    auto second = line.rfind(' ');
    result.method = line.substr(0, first);
    result.target = line.substr(first + 1, second - first - 1);
    while (line_end < head_end) {
      auto start = line_end + 2;
      line_end = buffer_.find("\r\n", start);
      auto colon = buffer_.find(':', start);
      auto name = buffer_.substr(start, colon - start);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      auto value = buffer_.find_first_not_of(' ', colon + 1);
      result.headers[name] = buffer_.substr(value, line_end - value);
    }
    buffer_.erase(0, head_end + 4);
    if (result.header("transfer-encoding") == "chunked")
      return read_chunks(result.body) ? std::optional{std::move(result)} : std::nullopt;
    auto length = result.header("content-length");
    auto size = length.empty() ? 0 : std::stoul(length);
    while (buffer_.size() < size)
      if (!read_more())
        return std::nullopt;
    result.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return result;
  }

  void break_off(bool with_reset) {
    if (with_reset) {
      linger now{1, 0};
      setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
  }

  /// Waits until the other side closes, or the server breaks the connection.
  void wait_for_end() {
    while (read_more())
      buffer_.clear();
  }

private:
  bool read_more() {
    char piece[16384];
    long count = ssl_ ? SSL_read(ssl_, piece, sizeof piece) : ::recv(socket_, piece, sizeof piece, 0);
    if (count <= 0)
      return false;
    buffer_.append(piece, static_cast<std::size_t>(count));
    return true;
  }

  bool read_chunks(std::string& body) {
    for (;;) {
      auto line_end = std::string::npos;
      while ((line_end = buffer_.find("\r\n")) == std::string::npos)
        if (!read_more())
          return false;
      auto size = std::stoul(buffer_, nullptr, 16);
      while (buffer_.size() < line_end + size + 4)
        if (!read_more())
          return false;
      body.append(buffer_, line_end + 2, size);
      buffer_.erase(0, line_end + size + 4);
      if (size == 0)
        return true;
    }
  }

  int socket_;
  SSL* ssl_ = nullptr;
  std::string buffer_;
};

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
    for (const auto& piece : response.chunks)
      if (!piece.empty() && !peer.write(chunk(piece)))
        return false;
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

SSL_CTX* make_context(const server_tls& tls) {
  auto* context = SSL_CTX_new(TLS_server_method());
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
  SSL_CTX* context = nullptr;
  int listener = -1;
  int port = 0;
  std::thread acceptor;
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  bool stopping = false;
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

  void serve(open_connection& entry, int socket) {
    // OpenSSL writes without MSG_NOSIGNAL.
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    connection peer{socket, context};
    if (peer.handshake())
      serve_requests(entry, peer);
    std::lock_guard guard{mutex};
    entry.socket = -1; // before `peer` closes it: the number may be used again
  }

  void serve_requests(open_connection& entry, connection& peer) {
    for (;;) {
      auto request = peer.read_request();
      if (!request)
        return;
      request->client_subject = peer.client_subject();
      {
        std::lock_guard guard{mutex};
        seen.push_back(*request);
        changed.notify_all();
      }
      auto response = answer(*request);
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

scripted_server::scripted_server(handler answer, std::optional<server_tls> tls)
    : impl_(std::make_unique<impl>()) {
  impl_->answer = std::move(answer);
  if (tls)
    impl_->context = make_context(*tls);
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
    impl_->drop();
  }
  ::shutdown(impl_->listener, SHUT_RDWR);
  impl_->acceptor.join();
  ::close(impl_->listener);
  for (auto& entry : impl_->open)
    entry.thread.join();
  if (impl_->context)
    SSL_CTX_free(impl_->context);
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

} // namespace tc::testing
