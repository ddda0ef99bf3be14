// The only file of the stand-in that includes Beast: it takes long to compile.

#include "bench/storm/server/server.hpp"

#include "bench/storm/server/api.hpp"

#include <utility> // before asio, whose 1.74 headers use std::exchange without including it

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <csignal>
#include <cstdio>
#include <set>

namespace tc::storm {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using steady = std::chrono::steady_clock;

/// A write of a watch: large enough to be quick, small enough that no kind runs far ahead of the others.
constexpr std::size_t piece_bytes = std::size_t{128} << 10;
constexpr int socket_buffer_bytes = 256 << 10;
constexpr std::size_t most_body_bytes = std::size_t{4} << 20;

std::string text_of(beast::string_view text) {
  return std::string{text.data(), text.size()};
}

api_request to_request(const http::request<http::string_body>& message) {
  api_request out;
  out.method = text_of(message.method_string());
  auto target = text_of(message.target());
  auto question = target.find('?');
  out.path = target.substr(0, question);
  if (question != std::string::npos)
    out.query = parse_query(std::string_view{target}.substr(question + 1));
  out.content_type = text_of(message[http::field::content_type]);
  out.takes_gzip = text_of(message[http::field::accept_encoding]).find("gzip") != std::string::npos;
  out.body = message.body();
  return out;
}

class session;

/// What the sessions know of the whole.
struct hub {
  explicit hub(recorded_storm storm) : data(std::move(storm)), objects(data) {}

  recorded_storm data;
  api objects;
  std::set<session*> sessions;
  steady::time_point stalled_until{}, slow_until{};
  duration answer_delay{0};
  std::vector<std::int64_t> sent; ///< by place; empty where times are not kept
  std::function<api_answer(const api_request&)> control;
};

class session : public std::enable_shared_from_this<session> {
public:
  session(tcp::socket socket, hub& of)
      : socket_(std::move(socket)), hub_(of), pause_(socket_.get_executor()) {
    hub_.sessions.insert(this);
  }
  ~session() { hub_.sessions.erase(this); }
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  void read() {
    parser_.emplace();
    parser_->body_limit(most_body_bytes);
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](error_code failure, std::size_t) {
                       if (failure)
                         return self->close();
                       self->handle();
                     });
  }

  bool is_watching() const { return watch_ != nullptr; }
  bool is_watching_storm() const { return watch_ && is_played_; }
  std::optional<std::uint32_t> next_place() const {
    return is_watching_storm() ? watch_->next_place() : std::nullopt;
  }

  /// Sends what has become visible.
  void pump(steady::time_point now) {
    if (!watch_ || is_writing_ || now < hub_.stalled_until)
      return;
    auto before = watch_->next_place();
    const auto& pieces = watch_->next(piece_bytes);
    std::size_t size = 0;
    for (auto piece : pieces)
      size += piece.size();
    if (size == 0) {
      if (now >= watch_end_)
        end_watch();
      return;
    }
    last_sent_ = now;
    if (is_played_ && !hub_.sent.empty() && before)
      note_times(*before);
    write_chunk(pieces, size);
  }

  /// Once in a while, whether or not anything happens.
  void send_bookmark(steady::time_point now, duration every) {
    if (!watch_ || is_writing_ || now < hub_.stalled_until || now - last_sent_ < every)
      return;
    bookmark_ = watch_->bookmark();
    last_sent_ = now;
    if (!bookmark_.empty())
      write_chunk({std::string_view{bookmark_}}, bookmark_.size());
  }

  void close() {
    error_code ignored;
    socket_.close(ignored);
    pause_.cancel();
    watch_.reset();
  }

private:
  void handle() {
    auto request = to_request(parser_->get());
    if (request.path.starts_with("/storm/")) {
      answer(hub_.control(request));
      return;
    }
    if (steady::now() >= hub_.slow_until)
      return answer(hub_.objects.answer(request));
    pause_.expires_after(std::chrono::duration_cast<steady::duration>(hub_.answer_delay));
    pause_.async_wait([self = shared_from_this(), request = std::move(request)](error_code failure) {
      if (!failure)
        self->answer(self->hub_.objects.answer(request));
    });
  }

  void answer(api_answer what) {
    if (what.watch)
      return begin_watch(std::move(what));
    auto message =
        std::make_shared<http::response<http::string_body>>(static_cast<http::status>(what.status), 11);
    message->set(http::field::content_type, "application/json");
    if (what.is_gzip)
      message->set(http::field::content_encoding, "gzip");
    message->body() = std::move(what.body);
    message->keep_alive(parser_->get().keep_alive());
    message->prepare_payload();
    http::async_write(socket_, *message,
                      [self = shared_from_this(), message](error_code failure, std::size_t) {
                        if (failure || !message->keep_alive())
                          return self->close();
                        self->read();
                      });
  }

  void begin_watch(api_answer what) {
    watch_ = std::move(what.watch);
    is_played_ = std::any_of(hub_.data.collections.begin(), hub_.data.collections.end(),
                             [&](const auto& each) { return each.get() == &watch_->of(); });
    auto now = steady::now();
    watch_end_ =
        what.watch_seconds > 0 ? now + std::chrono::seconds{what.watch_seconds} : steady::time_point::max();
    last_sent_ = now;
    head_ = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    is_writing_ = true;
    asio::async_write(
        socket_, asio::buffer(head_),
        [self = shared_from_this()](error_code failure, std::size_t) { self->written(failure); });
    await_end();
  }

  /// Whoever watches says nothing more: what arrives is the end of the connection.
  void await_end() {
    socket_.async_read_some(asio::buffer(nothing_),
                            [self = shared_from_this()](error_code failure, std::size_t) {
                              if (failure)
                                return self->close();
                              self->await_end();
                            });
  }

  void write_chunk(const std::vector<std::string_view>& pieces, std::size_t size) {
    char text[24];
    std::snprintf(text, sizeof text, "%zx\r\n", size);
    head_ = text;
    std::vector<asio::const_buffer> buffers{asio::buffer(head_)};
    for (auto piece : pieces)
      buffers.emplace_back(piece.data(), piece.size());
    buffers.emplace_back("\r\n", 2);
    is_writing_ = true;
    asio::async_write(socket_, buffers, [self = shared_from_this()](error_code failure, std::size_t) {
      self->written(failure);
    });
  }

  void written(error_code failure) {
    is_writing_ = false;
    if (failure)
      return close();
    pump(steady::now());
  }

  void end_watch() {
    watch_.reset();
    is_writing_ = true;
    asio::async_write(socket_, asio::buffer("0\r\n\r\n", 5),
                      [self = shared_from_this()](error_code, std::size_t) {
                        self->close(); // the pending read would take the next request
                      });
  }

  /// Everything of this collection from that place on up to what is sent next goes out now.
  void note_times(std::uint32_t from) {
    auto at = std::chrono::system_clock::now().time_since_epoch().count();
    const auto& events = watch_->of();
    auto until = watch_->next_place();
    for (auto i = noted_; i < events.visible(); ++i) {
      auto place = events.at(i).place;
      if (until && place >= *until)
        break;
      if (place >= from && hub_.sent[place] == 0)
        hub_.sent[place] = at;
      noted_ = i + 1;
    }
  }

  tcp::socket socket_;
  hub& hub_;
  asio::steady_timer pause_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::unique_ptr<watcher> watch_;
  bool is_played_ = false;
  bool is_writing_ = false;
  steady::time_point watch_end_, last_sent_;
  std::size_t noted_ = 0;
  std::string head_, bookmark_;
  char nothing_[64];
};

} // namespace

class stand_in::impl {
public:
  impl(recorded_storm storm, server_settings with)
      : with_(std::move(with)), hub_(std::move(storm)), player_(with_.with, hub_.data.times), held_(context_),
        acceptor_(context_), timer_(context_), fault_timer_(context_), outage_(context_),
        signals_(context_, SIGTERM, SIGINT) {
    if (with_.keep_times)
      hub_.sent.resize(hub_.data.course.size());
    hub_.control = [this](const api_request& request) { return control(request); };
  }

  std::optional<std::string> open(std::vector<nlohmann::json> objects) {
    for (auto& each : objects)
      if (auto problem = hub_.objects.put(std::move(each)))
        return problem;
    auto failure = bind(held_);
    if (!failure)
      with_.port = held_.local_endpoint(failure).port();
    if (!failure)
      failure = listen();
    if (failure)
      return "cannot listen on 127.0.0.1:" + std::to_string(with_.port) + ": " + failure.message();
    return std::nullopt;
  }

  std::uint16_t port() const { return with_.port; }

  void run() {
    signals_.async_wait([this](error_code, int) { context_.stop(); });
    accept();
    tick();
    context_.run();
  }

private:
  /// By SO_REUSEADDR several sockets may have a port as long as no other of them listens.
  error_code bind(tcp::acceptor& to) const {
    error_code failure;
    tcp::endpoint here{asio::ip::address_v4::loopback(), with_.port};
    to.open(here.protocol(), failure);
    if (!failure)
      to.set_option(asio::socket_base::reuse_address{true}, failure);
    if (!failure)
      to.bind(here, failure);
    return failure;
  }

  error_code listen() {
    auto failure = bind(acceptor_);
    if (!failure)
      acceptor_.listen(asio::socket_base::max_listen_connections, failure);
    return failure;
  }

  void accept() {
    acceptor_.async_accept([this](error_code failure, tcp::socket socket) {
      if (failure)
        return; // closed: an outage
      error_code ignored;
      socket.set_option(tcp::no_delay{true}, ignored);
      socket.set_option(asio::socket_base::send_buffer_size{socket_buffer_bytes}, ignored);
      std::make_shared<session>(std::move(socket), hub_)->read();
      accept();
    });
  }

  /// The storm goes on, and every watch gets its share.
  void tick() {
    auto now = steady::now();
    if (!player_.has_begun() && with_.begin_at_watches > 0 && storm_watches() >= with_.begin_at_watches)
      begin();
    if (player_.has_begun()) {
      std::optional<std::uint32_t> slowest;
      for (auto* each : hub_.sessions)
        if (auto place = each->next_place())
          slowest = std::min(slowest.value_or(*place), *place);
      // As fast as it is read: not while nobody reads.
      auto is_read = with_.with.rate > 0 || with_.with.speed > 0 || storm_watches() > 0;
      for (auto due = is_read ? player_.due(now, hub_.objects.shown(), slowest) : 0;
           hub_.objects.shown() < due;)
        hub_.objects.show_next();
      if (is_done() && !done_at_)
        done_at_ = now;
    }
    for (auto* each : std::vector<session*>{hub_.sessions.begin(), hub_.sessions.end()}) {
      each->pump(now);
      each->send_bookmark(now, with_.bookmark_every);
    }
    timer_.expires_after(player_.has_begun() && !is_done() ? std::chrono::milliseconds{1}
                                                           : std::chrono::milliseconds{20});
    timer_.async_wait([this](error_code failure) {
      if (!failure)
        tick();
    });
  }

  bool is_done() const { return hub_.objects.shown() == hub_.data.course.size(); }

  std::size_t storm_watches() const {
    return static_cast<std::size_t>(
        std::count_if(hub_.sessions.begin(), hub_.sessions.end(),
                      [](const session* each) { return each->is_watching_storm(); }));
  }

  void begin() {
    begun_at_ = steady::now();
    player_.begin(begun_at_);
    plan_fault();
  }

  // -- faults ---

  void plan_fault() {
    if (with_.faults.is_empty())
      return;
    fault_timer_.expires_after(std::chrono::duration_cast<steady::duration>(with_.faults.pause()));
    fault_timer_.async_wait([this](error_code failure) {
      if (failure || is_done())
        return;
      strike(with_.faults.next());
      plan_fault();
    });
  }

  void strike(const planned_fault& what) {
    ++faults_[std::string{to_string(what.which)}];
    auto until = steady::now() + std::chrono::duration_cast<steady::duration>(what.lasts);
    switch (what.which) {
    case fault::cut:
      drop([](const session& each) { return each.is_watching(); });
      break;
    case fault::stall:
      hub_.stalled_until = until;
      break;
    case fault::expire:
      hub_.objects.forget();
      drop([](const session& each) { return each.is_watching(); });
      break;
    case fault::restart: {
      error_code ignored;
      acceptor_.close(ignored);
      drop([](const session&) { return true; });
      outage_.expires_at(until);
      outage_.async_wait([this](error_code failure) {
        if (!failure && !listen())
          accept();
      });
      break;
    }
    case fault::slow:
      hub_.slow_until = until;
      hub_.answer_delay = what.delay;
      break;
    }
  }

  template <class Which>
  void drop(Which which) {
    for (auto* each : std::vector<session*>{hub_.sessions.begin(), hub_.sessions.end()})
      if (which(*each))
        each->close();
  }

  // -- for those who drive it ---

  api_answer control(const api_request& request) {
    auto what = request.path.substr(std::string_view{"/storm/"}.size());
    if (what == "status")
      return {200, status().dump() + '\n', false, nullptr, 0};
    if (what == "sent") {
      api_answer out;
      for (auto each : hub_.sent)
        out.body += std::to_string(each) + '\n';
      return out;
    }
    if (request.method == "POST" && what == "play") {
      begin();
      return {200, "{}", false, nullptr, 0};
    }
    if (request.method == "POST" && what == "quiet") {
      fault_timer_.cancel();
      return {200, "{}", false, nullptr, 0};
    }
    if (request.method == "POST" && what.starts_with("fault/"))
      if (auto named = parse_faults(what.substr(6)); named && named->size() == 1) {
        auto drawn = with_.faults.draw(named->front());
        // After this answer has gone out.
        outage_.expires_after(std::chrono::milliseconds{20});
        outage_.async_wait([this, drawn](error_code failure) {
          if (!failure)
            strike(drawn);
        });
        return {200, "{}", false, nullptr, 0};
      }
    return {404, "{}", false, nullptr, 0};
  }

  json status() const {
    auto now = steady::now();
    const auto& counts = hub_.objects.counts();
    auto behind = hub_.objects.shown();
    for (const auto* each : hub_.sessions)
      if (auto place = each->next_place())
        behind = std::min<std::size_t>(behind, *place);
    auto until = done_at_.value_or(now);
    return {{"events", hub_.data.course.size()},
            {"from", hub_.data.times.empty() ? "" : to_rfc3339(hub_.data.times.front())},
            {"shown", hub_.objects.shown()},
            {"unsent", hub_.objects.shown() - behind},
            {"playing", player_.has_begun() && !is_done()},
            {"done", is_done()},
            {"seconds", player_.has_begun() ? std::chrono::duration<double>(until - begun_at_).count() : 0.0},
            {"stormWatches", storm_watches()},
            {"connections", hub_.sessions.size()},
            {"lists", counts.lists},
            {"pages", counts.pages},
            {"watches", counts.watches},
            {"expired", counts.expired},
            {"statusPatches", counts.status_patches},
            {"eventsCreated", counts.events_created},
            {"conflicts", counts.conflicts},
            {"faults", faults_}};
  }

  server_settings with_;
  asio::io_context context_{1};
  hub hub_;
  player player_;
  tcp::acceptor held_; ///< has the port and never listens: nobody else gets it during an outage
  tcp::acceptor acceptor_;
  asio::steady_timer timer_, fault_timer_, outage_;
  asio::signal_set signals_;
  steady::time_point begun_at_{};
  std::optional<steady::time_point> done_at_;
  std::map<std::string, std::uint64_t> faults_;
};

stand_in::stand_in(std::unique_ptr<impl> made) : impl_(std::move(made)) {}
stand_in::~stand_in() = default;

tl::expected<std::unique_ptr<stand_in>, std::string>
stand_in::listen(recorded_storm storm, std::vector<nlohmann::json> objects, server_settings with) {
  auto made = std::make_unique<impl>(std::move(storm), std::move(with));
  if (auto problem = made->open(std::move(objects)))
    return tl::unexpected(*problem);
  return std::unique_ptr<stand_in>{new stand_in{std::move(made)}};
}

std::uint16_t stand_in::port() const {
  return impl_->port();
}

void stand_in::run() {
  impl_->run();
}

} // namespace tc::storm
