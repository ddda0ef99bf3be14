#include "tests/support/scripted_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

namespace tc::testing {

connection::connection(int socket, SSL_CTX* context) : socket_(socket) {
  int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (context) {
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, socket);
  }
}

connection::~connection() {
  if (ssl_)
    SSL_free(ssl_);
  ::close(socket_);
}

bool connection::handshake() {
  return ssl_ == nullptr || SSL_accept(ssl_) == 1;
}

std::string connection::client_subject() const {
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

bool connection::greets_in_http2() {
  constexpr std::string_view greeting = "PRI * HTTP/2.0\r\n";
  while (buffer_.size() < greeting.size())
    if (!read_more())
      return false;
  return buffer_.starts_with(greeting);
}

bool connection::write(std::string_view text) {
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

std::optional<scripted_request> connection::read_request() {
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

std::string connection::read_some() {
  return read_more() ? std::exchange(buffer_, {}) : std::string{};
}

void connection::break_off(bool with_reset) {
  if (with_reset) {
    linger now{1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
}

void connection::wait_for_end() {
  while (read_more())
    buffer_.clear();
}

bool connection::read_more() {
  char piece[16384];
  long count = ssl_ ? SSL_read(ssl_, piece, sizeof piece) : ::recv(socket_, piece, sizeof piece, 0);
  if (count <= 0)
    return false;
  buffer_.append(piece, static_cast<std::size_t>(count));
  return true;
}

bool connection::read_chunks(std::string& body) {
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

} // namespace tc::testing
