#include "runtime/http_server.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <fcntl.h>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

using namespace tc::runtime;
using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace {

/// A connection to a loopback port, as raw as they come.
class client {
public:
  explicit client(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  }
  ~client() { close(socket_); }
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  void send(std::string_view text) const {
    while (!text.empty()) {
      auto sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0)
        return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// Reads until the text ends so, or the connection does.
  std::string receive_until(std::string_view end) const {
    std::string out;
    char piece[4096];
    while (!out.ends_with(end)) {
      auto got = recv(socket_, piece, sizeof(piece), 0);
      if (got <= 0)
        break;
      out.append(piece, static_cast<std::size_t>(got));
    }
    return out;
  }

  std::string receive_all() const { return receive_until("\xff never"); }

private:
  int socket_;
};

struct http_serving : testing::Test {
  http_server::settings settings{
      {"127.0.0.1", 0},
      {{"GET", "/healthz",
        [](const server_request&) {
          return server_response{200, "ok\n"};
        }},
       {"GET", "/throws", [](const server_request&) -> server_response { throw std::runtime_error{"no"}; }},
       {"POST", "/echo", [](const server_request& request) {
          return server_response{200, request.method + ' ' + request.path + '?' + request.query + ' ' +
                                          std::string{request.header("x-name")} + ' ' + request.body + '\n'};
        }}}};
  std::unique_ptr<http_server> server;

  void SetUp() override { start(); }

  void start() {
    server.reset();
    auto made = http_server::start(settings);
    ASSERT_TRUE(made) << made.error();
    server = std::move(*made);
  }

  std::string answer_to(std::string_view request) const {
    client c{server->port()};
    c.send(request);
    return c.receive_all();
  }
};

constexpr auto probe = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

} // namespace

TEST_F(http_serving, answers_a_probe) {
  auto answer = answer_to(probe);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nok\n"));
}

TEST_F(http_serving, keeps_the_connection_and_takes_pipelined_requests) {
  client c{server->port()};
  for (int i = 0; i < 3; ++i) {
    c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(c.receive_until("ok\n"), StartsWith("HTTP/1.1 200"));
  }
  c.send(std::string{"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"} + probe);
  auto both = c.receive_all();
  EXPECT_NE(both.find("HTTP/1.1 200"), both.rfind("HTTP/1.1 200"));
}

TEST_F(http_serving, http_1_0_closes) {
  EXPECT_THAT(answer_to("GET /healthz HTTP/1.0\r\n\r\n"), HasSubstr("200 OK"));
}

TEST_F(http_serving, hands_over_the_request) {
  EXPECT_THAT(
      answer_to("POST /echo?a=b HTTP/1.1\r\nHost: x\r\nX-Name: Ada\r\nContent-Length: 2\r\nConnection: "
                "close\r\n\r\nhi"),
      EndsWith("POST /echo?a=b Ada hi\n"));
  EXPECT_THAT(answer_to("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: "
                        "close\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
              EndsWith("POST /echo?  hi\n"));
}

TEST_F(http_serving, a_client_that_asks_first_is_told_to_continue) {
  client c{server->port()};
  c.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: "
         "close\r\n\r\n");
  EXPECT_THAT(c.receive_until("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  c.send("hi");
  EXPECT_THAT(c.receive_all(), EndsWith("hi\n"));
}

TEST_F(http_serving, head_gives_the_headers_of_get) {
  auto answer = answer_to("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(http_serving, unknown_paths_and_methods) {
  EXPECT_THAT(answer_to("GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 404"));
  auto answer = answer_to("DELETE /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(answer, HasSubstr("Allow: POST\r\n"));
}

TEST_F(http_serving, a_route_for_everything_else) {
  settings.routes.push_back({"", "", [](const server_request& request) {
                               return server_response{202, request.body};
                             }});
  start();
  EXPECT_THAT(answer_to("PUT /any HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 202"));
  EXPECT_THAT(answer_to("PUT /any HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              HasSubstr("Content-Length: 0\r\n"));
  EXPECT_THAT(answer_to(probe), HasSubstr("200 OK"));
}

TEST_F(http_serving, a_handler_that_throws_gives_500_and_is_reported) {
  std::promise<std::string> said;
  settings.report = [&](const std::string& text) { said.set_value(text); };
  start();
  EXPECT_THAT(answer_to("GET /throws HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 500"));
  EXPECT_EQ(said.get_future().get(), "handler of /throws failed: no");
}

TEST_F(http_serving, limits) {
  settings.limits.body_bytes = 1000;
  settings.limits.header_bytes = 2000;
  start();
  EXPECT_THAT(
      answer_to("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'x')),
      StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(answer_to("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                        std::string(1001, 'x') + "\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(answer_to("GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + std::string(3000, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(
      answer_to("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n" +
                std::string(1000, 'x')),
      StartsWith("HTTP/1.1 200"));
}

TEST_F(http_serving, garbage_is_refused) {
  EXPECT_THAT(answer_to("\x16\x03\x01 not http at all\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(answer_to(probe), StartsWith("HTTP/1.1 200"));
}

TEST_F(http_serving, stalled_clients_do_not_delay_a_probe) {
  std::vector<std::unique_ptr<client>> stalled;
  for (int i = 0; i < 64; ++i) {
    stalled.push_back(std::make_unique<client>(server->port()));
    stalled.back()->send(i % 3 == 0   ? ""
                         : i % 3 == 1 ? "GET /healthz HT"
                                      : "POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nx");
  }
  // No clock here: a server that served one connection after the other would never answer.
  EXPECT_THAT(answer_to(probe), StartsWith("HTTP/1.1 200"));
}

TEST_F(http_serving, stalled_clients_are_cut) {
  settings.limits.read_timeout = 20ms;
  settings.limits.idle_timeout = 20ms;
  start();
  for (auto* text : {"", "GET /healthz HT", "POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"}) {
    client c{server->port()};
    c.send(text);
    EXPECT_EQ(c.receive_all(), "") << "returns only once the server has closed";
  }
}

TEST_F(http_serving, too_many_connections_close_the_quietest) {
  settings.limits.connections = 4;
  start();
  std::vector<std::unique_ptr<client>> quiet;
  for (int i = 0; i < 4; ++i)
    quiet.push_back(std::make_unique<client>(server->port()));
  for (int i = 0; i < 8; ++i)
    EXPECT_THAT(answer_to(probe), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(quiet.front()->receive_all(), "") << "the first to come was closed";
}

TEST_F(http_serving, a_taken_port_is_a_clear_error) {
  auto second = http_server::start({{"127.0.0.1", server->port()}, {}});
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error(), StartsWith("cannot listen on 127.0.0.1:" + std::to_string(server->port()) +
                                         ": Address already in use; "));
  auto nowhere = http_server::start({{"256.0.0.1.invalid", 0}, {}});
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error(), HasSubstr("cannot listen on 256.0.0.1.invalid:0: "));
}

TEST_F(http_serving, every_interface_takes_ipv4_too) {
  settings.address = {"", 0};
  start();
  EXPECT_THAT(answer_to(probe), StartsWith("HTTP/1.1 200"));
}

TEST_F(http_serving, stopping_closes_what_is_open) {
  client idle{server->port()};
  client stalled{server->port()};
  stalled.send("GET /hea");
  EXPECT_THAT(answer_to(probe), StartsWith("HTTP/1.1 200"));
  server->stop();
  server->stop();
  EXPECT_EQ(idle.receive_all(), "");
  EXPECT_EQ(stalled.receive_all(), "");
}
