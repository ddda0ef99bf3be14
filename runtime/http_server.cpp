// The only file that includes Beast: it takes long to compile.

#include "runtime/http_server.hpp"

#include <utility> // before asio, whose 1.74 headers use std::exchange without including it

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <csignal>
#include <list>
#include <optional>
#include <thread>

namespace tc::runtime {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using response_message = http::response<http::string_body>;

std::string text_of(beast::string_view text) {
  return std::string{text.data(), text.size()};
}

server_request to_request(const http::request<http::string_body>& message) {
  server_request out;
  out.method = text_of(message.method_string());
  auto target = text_of(message.target());
  auto question = target.find('?');
  out.path = target.substr(0, question);
  out.query = question == std::string::npos ? "" : target.substr(question + 1);
  for (const auto& field : message) {
    auto name = text_of(field.name_string());
    for (auto& c : name)
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    out.headers.emplace_back(std::move(name), text_of(field.value()));
  }
  out.body = message.body();
  return out;
}

/// Finds the route of a request and runs it.
server_response answer(const std::vector<http_route>& routes, const server_request& request,
                       const std::function<void(const std::string&)>& report) {
  auto fits = [&](const http_route& route) {
    return route.method.empty() || route.method == request.method ||
           (route.method == "GET" && request.method == "HEAD");
  };
  const http_route* chosen = nullptr;
  std::string allowed;
  for (const auto& route : routes)
    if (route.path == request.path) {
      if (fits(route) && chosen == nullptr)
        chosen = &route;
      allowed += (allowed.empty() ? "" : ", ") + route.method;
    }
  if (chosen == nullptr && allowed.empty())
    for (const auto& route : routes)
      if (route.path.empty() && fits(route) && chosen == nullptr)
        chosen = &route;
  if (chosen == nullptr && !allowed.empty())
    return {405, "use " + allowed + "\n", "text/plain; charset=utf-8", {{"Allow", allowed}}};
  if (chosen == nullptr)
    return {404, "not found\n"};
  try {
    return chosen->handle(request);
  } catch (const std::exception& problem) {
    if (report)
      report("handler of " + chosen->path + " failed: " + problem.what());
    return {500, "internal error\n"};
  }
}

/// What the server does with a connection, whatever it speaks.
class connection {
public:
  virtual ~connection() = default;
  virtual void close() = 0;
  /// Ends the connection: now, unless an answer is on its way.
  virtual void stop() = 0;
};

/// What the sessions share. Everything in it is used on the server's thread only.
struct shared_state {
  http_server::settings with;
  std::list<std::weak_ptr<connection>> sessions; ///< the one that has been quiet longest first
  bool is_stopping = false;
};

using plain_stream = beast::tcp_stream;
using tls_stream = beast::ssl_stream<beast::tcp_stream>;

/// One connection, kept alive by its pending operations.
template <class Stream>
class session : public connection, public std::enable_shared_from_this<session<Stream>> {
public:
  static constexpr bool is_tls = std::is_same_v<Stream, tls_stream>;

  session(Stream stream, std::shared_ptr<asio::ssl::context> certificates,
          std::shared_ptr<shared_state> shared)
      : certificates_(std::move(certificates)), stream_(std::move(stream)), shared_(std::move(shared)) {
    // nop
  }

  ~session() override {
    if (is_listed_)
      shared_->sessions.erase(place_);
  }

  session(const session&) = delete;
  session& operator=(const session&) = delete;

  void begin() {
    place_ = shared_->sessions.insert(shared_->sessions.end(), this->weak_from_this());
    is_listed_ = true;
    if constexpr (is_tls)
      shake_hands();
    else
      await_request();
  }

  void close() override {
    error_code ignored;
    socket().shutdown(tcp::socket::shutdown_both, ignored);
    transport().close();
  }

  void stop() override {
    if (!is_writing_)
      return close();
    transport().expires_after(std::chrono::seconds{1});
  }

private:
  /// Below TLS; it has the timers.
  beast::tcp_stream& transport() { return beast::get_lowest_layer(stream_); }
  tcp::socket& socket() { return transport().socket(); }

  void shake_hands() {
    transport().expires_after(limits().read_timeout);
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [self = this->shared_from_this()](error_code failure) {
                              if (!failure)
                                return self->await_request();
                              if (self->shared_->with.handshake_failed)
                                self->shared_->with.handshake_failed(failure.message());
                              self->close();
                            });
  }

  const http_limits& limits() const { return shared_->with.limits; }

  /// Waits for the first byte of a request, as long as an idle connection may live.
  void await_request() {
    shared_->sessions.splice(shared_->sessions.end(), shared_->sessions, place_);
    // A fresh parser for each message, as Beast asks for.
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(limits().header_bytes));
    parser_->body_limit(limits().body_bytes);
    if (buffer_.size() > 0)
      return read_request();
    transport().expires_after(limits().idle_timeout);
    stream_.async_read_some(buffer_.prepare(1024),
                            [self = this->shared_from_this()](error_code failure, std::size_t bytes) {
                              if (failure)
                                return self->close();
                              self->buffer_.commit(bytes);
                              self->read_request();
                            });
  }

  void read_request() {
    transport().expires_after(limits().read_timeout);
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = this->shared_from_this()](error_code failure, std::size_t) {
                              if (failure)
                                return self->refuse(failure);
                              if (beast::iequals(self->parser_->get()[http::field::expect], "100-continue"))
                                return self->write_continue();
                              self->read_body();
                            });
  }

  /// curl asks before it sends a body of more than 1 MiB.
  void write_continue() {
    auto message = std::make_shared<response_message>(http::status::continue_, 11);
    http::async_write(stream_, *message,
                      [self = this->shared_from_this(), message](error_code failure, std::size_t) {
                        if (failure)
                          return self->close();
                        self->read_body();
                      });
  }

  void read_body() {
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](error_code failure, std::size_t) {
                       if (failure)
                         return self->refuse(failure);
                       self->handle();
                     });
  }

  void handle() {
    const auto& message = parser_->get();
    auto request = to_request(message);
    write(answer(shared_->with.routes, request, shared_->with.report), message.version(),
          message.keep_alive() && !shared_->is_stopping, request.method == "HEAD");
  }

  /// Answers what cannot be read, where an answer makes sense.
  void refuse(error_code failure) {
    if (failure == http::error::header_limit)
      return write({431, "header too large\n"}, 11, false, false);
    if (failure == http::error::body_limit)
      return write({413, "body too large\n"}, 11, false, false);
    if (failure == beast::error::timeout || failure == http::error::end_of_stream ||
        failure.category() != http::make_error_code(http::error::bad_method).category())
      return close();
    write({400, "not HTTP/1.1\n"}, 11, false, false);
  }

  void write(const server_response& from, unsigned version, bool keep_alive, bool is_head) {
    auto message = std::make_shared<response_message>(static_cast<http::status>(from.status), version);
    if (!from.body.empty())
      message->set(http::field::content_type, from.content_type);
    for (const auto& [name, value] : from.headers)
      message->set(name, value);
    message->body() = from.body;
    message->keep_alive(keep_alive);
    message->prepare_payload();
    if (is_head)
      message->body().clear(); // the length stays that of the GET
    is_writing_ = true;
    transport().expires_after(shared_->is_stopping ? std::chrono::seconds{1} : limits().write_timeout);
    http::async_write(
        stream_, *message,
        [self = this->shared_from_this(), message, keep_alive](error_code failure, std::size_t) {
          self->is_writing_ = false;
          if (failure || !keep_alive || self->shared_->is_stopping)
            return self->finish();
          self->await_request();
        });
  }

  /// Says that no more comes, so that the client reads the answer before it sees the end.
  void finish() {
    if constexpr (is_tls) {
      // It also waits for the client to say so, and fails on what that still sends: either way, TLS is over.
      transport().expires_after(std::chrono::seconds{1});
      stream_.async_shutdown([self = this->shared_from_this()](error_code) { self->end_transport(); });
    } else {
      end_transport();
    }
  }

  void end_transport() {
    error_code ignored;
    socket().shutdown(tcp::socket::shutdown_send, ignored);
    close_after_drain(0);
  }

  /// Reads what the client still sends, within bounds: closing on unread bytes would reset the connection and
  /// lose the answer, as with a body that is too large.
  void close_after_drain(std::size_t drained) {
    constexpr std::size_t most = std::size_t{1} << 20;
    if (drained > most || shared_->is_stopping)
      return close();
    if (drained == 0)
      transport().expires_after(std::chrono::seconds{1});
    buffer_.clear();
    transport().async_read_some(buffer_.prepare(16384), [self = this->shared_from_this(),
                                                         drained](error_code failure, std::size_t bytes) {
      if (failure)
        return self->close();
      self->close_after_drain(drained + bytes);
    });
  }

  std::shared_ptr<asio::ssl::context> certificates_; ///< those that this connection began with
  Stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::shared_ptr<shared_state> shared_;
  std::list<std::weak_ptr<connection>>::iterator place_;
  bool is_listed_ = false;
  bool is_writing_ = false;
};

/// Opens a listening socket: for "" on every interface, IPv4 too, else on what the name resolves to first.
error_code listen(asio::io_context& context, tcp::acceptor& acceptor, const listen_address& address) {
  error_code failure;
  std::vector<tcp::endpoint> endpoints;
  if (address.host.empty()) {
    endpoints = {tcp::endpoint{tcp::v6(), address.port}, tcp::endpoint{tcp::v4(), address.port}};
  } else {
    auto found = tcp::resolver{context}.resolve(address.host, std::to_string(address.port), failure);
    if (failure)
      return failure;
    for (const auto& entry : found)
      endpoints.push_back(entry.endpoint());
  }
  for (const auto& endpoint : endpoints) {
    error_code ignored;
    acceptor.close(ignored);
    acceptor.open(endpoint.protocol(), failure);
    if (failure)
      continue;
    acceptor.set_option(asio::socket_base::reuse_address{true}, ignored);
    if (endpoint.protocol() == tcp::v6())
      acceptor.set_option(asio::ip::v6_only{!address.host.empty()}, ignored);
    acceptor.bind(endpoint, failure);
    if (!failure)
      acceptor.listen(asio::socket_base::max_listen_connections, failure);
    // Taken is taken: another family of addresses would only hide it.
    if (!failure || failure == asio::error::address_in_use || failure == asio::error::access_denied)
      return failure;
  }
  return failure;
}

/// Signals are for other threads.
class blocked_signals {
public:
  blocked_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~blocked_signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  blocked_signals(const blocked_signals&) = delete;
  blocked_signals& operator=(const blocked_signals&) = delete;

private:
  sigset_t before_{};
};

} // namespace

class http_server::state {
public:
  state() : acceptor_(context_), pause_(context_), renewal_(context_) {
    // nop
  }

  std::optional<std::string> open(settings with) {
    if (auto failure = listen(context_, acceptor_, with.address))
      return "cannot listen on " + with.address.to_string() + ": " + failure.message() +
             "; choose another address or end the program that holds it";
    port_ = acceptor_.local_endpoint().port();
    shared_->with = std::move(with);
    accept();
    if (shared_->with.tls)
      renew_later();
    blocked_signals none_here;
    thread_ = std::thread{[this] { context_.run(); }};
    return std::nullopt;
  }

  std::uint16_t port() const { return port_; }

  void stop() {
    if (!thread_.joinable())
      return;
    asio::post(context_, [this] {
      shared_->is_stopping = true;
      error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
      renewal_.cancel();
      // Closing removes from the list only later, when the handlers run; still, walk a copy.
      for (const auto& entry : std::list{shared_->sessions})
        if (auto found = entry.lock())
          found->stop();
    });
    thread_.join();
  }

private:
  void accept() {
    acceptor_.async_accept([this](error_code failure, tcp::socket socket) {
      if (shared_->is_stopping || failure == asio::error::operation_aborted)
        return;
      if (failure)
        return accept_later();
      if (shared_->sessions.size() >= shared_->with.limits.connections)
        if (auto oldest = shared_->sessions.front().lock())
          oldest->close();
      error_code ignored;
      socket.set_option(tcp::no_delay{true}, ignored);
      serve(std::move(socket));
      accept();
    });
  }

  void serve(tcp::socket socket) {
    if (!shared_->with.tls)
      return std::make_shared<session<plain_stream>>(plain_stream{std::move(socket)}, nullptr, shared_)
          ->begin();
    auto certificates = shared_->with.tls->context();
    tls_stream stream{std::move(socket), *certificates};
    std::make_shared<session<tls_stream>>(std::move(stream), std::move(certificates), shared_)->begin();
  }

  /// Looks again and again whether the certificates were renewed.
  void renew_later() {
    renewal_.expires_after(shared_->with.limits.renewal_interval);
    renewal_.async_wait([this](error_code failure) {
      if (failure || shared_->is_stopping)
        return;
      if (auto renewed = shared_->with.tls->refresh(); renewed && shared_->with.renewed)
        shared_->with.renewed(*renewed ? std::string{} : renewed->error());
      renew_later();
    });
  }

  /// Without file descriptors accept() fails at once, again and again: wait a little.
  void accept_later() {
    pause_.expires_after(std::chrono::milliseconds{100});
    pause_.async_wait([this](error_code failure) {
      if (!failure)
        accept();
    });
  }

  // The sessions die with the context's pending handlers and use shared_, which they own too.
  std::shared_ptr<shared_state> shared_ = std::make_shared<shared_state>();
  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  asio::steady_timer renewal_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

tl::expected<std::unique_ptr<http_server>, std::string> http_server::start(settings with) {
  auto made = std::make_unique<state>();
  if (auto problem = made->open(std::move(with)))
    return tl::unexpected<std::string>(*problem);
  return std::unique_ptr<http_server>{new http_server{std::move(made)}};
}

http_server::http_server(std::unique_ptr<state> made) : state_(std::move(made)) {
  // nop
}

http_server::~http_server() {
  stop();
}

std::uint16_t http_server::port() const {
  return state_->port();
}

void http_server::stop() {
  state_->stop();
}

} // namespace tc::runtime
