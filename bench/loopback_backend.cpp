#include "bench/loopback_backend.hpp"

#include <nghttp2/nghttp2.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace tc::bench {

namespace {

constexpr std::string_view http2_greeting = "PRI * HTTP/2.0\r\n";
constexpr std::size_t piece_bytes = std::size_t{256} << 10;

bool write_all(int socket, std::string_view text) {
  while (!text.empty()) {
    auto sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// Returns the Content-Length of a request's head, 0 without one.
std::size_t body_length(std::string_view head) {
  constexpr std::string_view name = "\r\ncontent-length:";
  for (std::size_t at = 0; (at = head.find("\r\n", at)) != std::string_view::npos; at += 2)
    if (head.size() - at > name.size() && ::strncasecmp(head.data() + at, name.data(), name.size()) == 0)
      return std::strtoull(head.data() + at + name.size(), nullptr, 10);
  return 0;
}

void serve_http1(int socket, std::string& buffer) {
  std::vector<char> piece(piece_bytes);
  for (;;) {
    std::size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      auto got = ::recv(socket, piece.data(), piece.size(), 0);
      if (got <= 0)
        return;
      buffer.append(piece.data(), static_cast<std::size_t>(got));
    }
    end += 4;
    auto left = body_length(std::string_view{buffer}.substr(0, end));
    auto here = std::min(left, buffer.size() - end);
    buffer.erase(0, end + here);
    for (left -= here; left > 0;) {
      auto got = ::recv(socket, piece.data(), std::min(piece.size(), left), 0);
      if (got <= 0)
        return;
      left -= static_cast<std::size_t>(got);
    }
    if (!write_all(socket, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
      return;
  }
}

nghttp2_nv field(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data())); // nghttp2 does not write to it
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

/// An empty ExportTraceServiceResponse in gRPC's frame, and the status after it.
ssize_t grpc_answer(nghttp2_session* session, std::int32_t stream, std::uint8_t* to, std::size_t,
                    std::uint32_t* flags, nghttp2_data_source*, void*) {
  std::memset(to, 0, 5);
  *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
  auto status = field("grpc-status", "0");
  nghttp2_submit_trailer(session, stream, &status, 1);
  return 5;
}

int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void*) {
  if (frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    nghttp2_nv head[] = {field(":status", "200"), field("content-type", "application/grpc")};
    nghttp2_data_provider body{{}, &grpc_answer};
    nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &body);
  }
  return 0;
}

void serve_http2(int socket, const std::string& begin) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &on_frame);
  nghttp2_session* session = nullptr;
  nghttp2_session_server_new(&session, callbacks, nullptr);
  nghttp2_session_callbacks_del(callbacks);
  // A window for a whole request, as gRPC servers open one once they know the line.
  constexpr std::int32_t window = 8 << 20;
  nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
                                       {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2);
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, window);
  std::vector<char> piece(piece_bytes);
  std::string_view now = begin;
  for (;;) {
    if (nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(now.data()), now.size()) < 0)
      break;
    const std::uint8_t* data = nullptr;
    ssize_t size = 0;
    while ((size = nghttp2_session_mem_send(session, &data)) > 0)
      if (!write_all(socket, {reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)}))
        break;
    auto got = ::recv(socket, piece.data(), piece.size(), 0);
    if (got <= 0)
      break;
    now = {piece.data(), static_cast<std::size_t>(got)};
  }
  nghttp2_session_del(session);
}

void serve(int socket) {
  int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  std::string begin;
  char piece[4096];
  while (begin.size() < http2_greeting.size()) {
    auto got = ::recv(socket, piece, sizeof(piece), 0);
    if (got <= 0)
      break;
    begin.append(piece, static_cast<std::size_t>(got));
  }
  if (begin.starts_with(http2_greeting))
    serve_http2(socket, begin);
  else
    serve_http1(socket, begin);
  ::close(socket);
}

[[noreturn]] void run_child(int listener, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL); // it does not outlive a bench that crashed
  if (::getppid() != parent)
    ::_exit(0);
  for (;;) {
    int socket = ::accept(listener, nullptr, nullptr);
    if (socket >= 0)
      std::thread{serve, socket}.detach();
    else if (errno != EINTR && errno != ECONNABORTED)
      ::_exit(1);
  }
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

loopback_backend::loopback_backend() {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0)
    fail("socket");
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(at);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener, 64) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    fail("bind");
  port_ = ntohs(at.sin_port);
  auto parent = ::getpid();
  process_ = ::fork();
  if (process_ < 0)
    fail("fork");
  if (process_ == 0)
    run_child(listener, parent);
  ::close(listener);
}

loopback_backend::~loopback_backend() {
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

std::string loopback_backend::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string{path};
}

} // namespace tc::bench
