#include "tests/runtime/http_client/fetch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <zlib.h>

using namespace tc::runtime;
using namespace tc::testing;
using namespace std::chrono_literals;
using std::chrono::system_clock;
using ::testing::HasSubstr;

namespace {

http_request get(std::string url) {
  http_request result;
  result.url = std::move(url);
  return result;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string result(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

} // namespace

TEST(http_loop, sends_method_headers_and_body_and_returns_status_headers_and_body) {
  scripted_server server{[](const scripted_request&) {
    auto response = scripted_response::json("{\"a\":1}", 201);
    response.headers.emplace_back("Retry-After", "7");
    return response;
  }};
  http_loop loop;
  auto request = get(server.url("/x?y=1"));
  request.method = "PATCH";
  request.body = "hello";
  request.headers = {"Content-Type: application/merge-patch+json"};
  auto result = fetch(loop, std::move(request));
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.status, 201);
  EXPECT_EQ(result.body, "{\"a\":1}");
  EXPECT_EQ(result.header("retry-after"), "7");
  auto seen = server.requests().at(0);
  EXPECT_EQ(seen.method, "PATCH");
  EXPECT_EQ(seen.target, "/x?y=1");
  EXPECT_EQ(seen.body, "hello");
  EXPECT_EQ(seen.header("content-type"), "application/merge-patch+json");
}

// A port that serves gRPC and HTTP/1.1: once it has spoken HTTP/2, libcurl 7.88 would write several requests
// of HTTP/1.1 into one connection at a time, and none of them would ever be answered.
TEST(http_loop, after_http2_at_a_port_each_request_of_http1_has_its_connection_for_itself) {
  scripted_server server{[](const scripted_request& request) {
                           scripted_response out;
                           out.chunks = {std::to_string(request.body.size())};
                           return out;
                         },
                         std::nullopt, http_dialect::either};
  http_loop loop;
  auto of_size = [&](std::size_t size) {
    auto request = get(server.url("/"));
    request.method = "POST";
    request.body.assign(size, 'x');
    request.total_timeout = generous_limit;
    return request;
  };
  EXPECT_EQ(fetch(loop, of_size(1)).body, "1"); // leaves an idle connection
  std::vector<std::future<http_result>> open;
  for (std::size_t i = 0; i < 3; ++i) {
    auto grpc = of_size(1 << 20);
    grpc.version = http_version::http2;
    open.push_back(submit(loop, std::move(grpc)));
    for (std::size_t more = 0; more < 4; ++more)
      open.push_back(submit(loop, of_size((4 << 20) + more)));
  }
  for (std::size_t i = 0; i < open.size(); ++i) {
    auto result = wait(std::move(open[i]));
    EXPECT_EQ(result.failure, http_failure::none) << result.error;
    EXPECT_EQ(result.body, std::to_string(i % 5 == 0 ? 1 << 20 : (4 << 20) + i % 5 - 1));
  }
}

TEST(http_loop, a_post_without_body_has_content_length_zero_and_delete_has_none) {
  scripted_server server{[](const scripted_request&) { return scripted_response::json("{}"); }};
  http_loop loop;
  for (auto* method : {"POST", "DELETE"}) {
    auto request = get(server.url());
    request.method = method;
    EXPECT_EQ(fetch(loop, std::move(request)).status, 200);
  }
  EXPECT_EQ(server.requests().at(0).method, "POST");
  EXPECT_EQ(server.requests().at(0).header("content-length"), "0");
  EXPECT_EQ(server.requests().at(1).method, "DELETE");
  EXPECT_EQ(server.requests().at(1).header("content-length"), "");
}

TEST(http_loop, streams_pieces_as_they_arrive) {
  auto stream = std::make_shared<body_stream>();
  scripted_server server{[&](const scripted_request&) {
    scripted_response response;
    response.stream = stream;
    return response;
  }};
  http_loop loop;
  std::promise<int> head;
  std::promise<std::string> first;
  std::string all;
  auto request = get(server.url());
  request.on_head = [&](int status, const http_headers&) { head.set_value(status); };
  request.on_data = [&](std::string_view piece) {
    if (all.empty())
      first.set_value(std::string{piece});
    all += piece;
  };
  auto done = submit(loop, std::move(request));
  EXPECT_EQ(wait(head.get_future()), 200);
  stream->push("one");
  EXPECT_EQ(wait(first.get_future()), "one"); // before the response ends
  stream->push("two");
  stream->end();
  auto result = wait(std::move(done));
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(all, "onetwo");
  EXPECT_EQ(result.body, "");
}

TEST(http_loop, a_receiver_that_takes_nothing_makes_the_server_wait_and_loses_nothing) {
  std::string text(std::size_t{1} << 20, 'x');
  scripted_server server{[&](const scripted_request&) {
    scripted_response response;
    response.chunks = {text};
    return response;
  }};
  http_loop loop;
  std::atomic<bool> takes{false};
  std::promise<void> refused_for_long;
  std::optional<std::chrono::steady_clock::time_point> first_asked;
  bool told = false;
  std::size_t got = 0;
  auto request = get(server.url());
  constexpr auto idle = 1s; // it is not the server that is silent
  request.idle_timeout = idle;
  request.may_read = [&] {
    auto now = std::chrono::steady_clock::now();
    if (!first_asked)
      first_asked = now;
    if (!takes && !told && now - *first_asked > 2 * idle) {
      told = true;
      refused_for_long.set_value();
    }
    return takes.load();
  };
  request.on_data = [&](std::string_view piece) {
    EXPECT_TRUE(takes);
    got += piece.size();
  };
  auto done = submit(loop, std::move(request));
  wait(refused_for_long.get_future());
  takes = true;
  EXPECT_TRUE(wait(std::move(done)).ok());
  EXPECT_EQ(got, text.size());
}

TEST(http_loop, a_response_with_a_connection_of_its_own_waits_for_its_turn) {
  scripted_server server{[](const scripted_request& request) {
                           scripted_response out;
                           out.chunks = {request.target};
                           return out;
                         },
                         std::nullopt, http_dialect::either};
  http_loop loop;
  bool read = false; // on the loop's thread
  auto second = get(server.url("/second"));
  second.in_turn = [&] { return read; };
  second.on_data = [&](std::string_view) { EXPECT_TRUE(read); };
  auto waits = submit(loop, std::move(second));
  auto first = get(server.url("/first"));
  first.on_data = [&](std::string_view) { read = true; };
  EXPECT_TRUE(wait(submit(loop, std::move(first))).ok());
  EXPECT_TRUE(wait(std::move(waits)).ok());

  auto shared = get(server.url("/shared"));
  shared.version = http_version::http2;
  shared.total_timeout = generous_limit;
  shared.in_turn = [] { return false; };
  EXPECT_EQ(fetch(loop, std::move(shared)).body, "/shared");
}

TEST(http_loop, accepts_gzip) {
  std::string text(300'000, 'x');
  scripted_server server{[&](const scripted_request& request) {
    EXPECT_THAT(request.header("accept-encoding"), HasSubstr("gzip"));
    auto response = scripted_response::json(gzip(text));
    response.headers.emplace_back("Content-Encoding", "gzip");
    return response;
  }};
  http_loop loop;
  EXPECT_EQ(fetch(loop, get(server.url())).body, text);
}

TEST(http_loop, a_body_past_its_bound_is_refused) {
  scripted_server server{
      [](const scripted_request&) { return scripted_response::json(std::string(2000, 'x')); }};
  http_loop loop;
  auto request = get(server.url());
  request.max_body = 1999;
  EXPECT_EQ(fetch(loop, std::move(request)).failure, http_failure::too_large);
  request = get(server.url());
  request.max_body = 2000;
  EXPECT_TRUE(fetch(loop, std::move(request)).ok());
}

TEST(http_loop, says_how_a_transfer_failed) {
  scripted_server server{[](const scripted_request& request) {
    scripted_response response;
    response.chunks = {"half"};
    response.end = request.path() == "/cut" ? ending::cut : ending::reset;
    response.no_answer = request.path() == "/nothing";
    return response;
  }};
  http_loop loop;
  for (auto* path : {"/cut", "/reset", "/nothing"}) {
    auto result = fetch(loop, get(server.url(path)));
    EXPECT_EQ(result.failure, http_failure::interrupted) << path << result.error;
    EXPECT_NE(result.error, "") << path;
    EXPECT_FALSE(result.ok());
  }
  EXPECT_EQ(fetch(loop, get("ftp://127.0.0.1/")).failure, http_failure::invalid);
  EXPECT_EQ(fetch(loop, get("http://127.0.0.1:99999/")).failure, http_failure::invalid);
  auto split = get(server.url());
  split.headers = {"A: b\r\nC: d"};
  EXPECT_EQ(fetch(loop, std::move(split)).failure, http_failure::invalid);
}

TEST(http_loop, nobody_listening_is_a_connect_failure) {
  int port = scripted_server{[](const scripted_request&) { return scripted_response{}; }}.port();
  http_loop loop;
  auto result = fetch(loop, get("http://127.0.0.1:" + std::to_string(port)));
  EXPECT_EQ(result.failure, http_failure::connect);
  EXPECT_THAT(result.error, HasSubstr(std::to_string(port)));
}

TEST(http_loop, silence_ends_in_a_timeout) {
  scripted_server server{[](const scripted_request&) {
    scripted_response response;
    response.chunks = {"beginning"};
    response.end = ending::hang;
    return response;
  }};
  http_loop loop;
  auto idle = get(server.url());
  idle.idle_timeout = 20ms;
  auto total = get(server.url());
  total.total_timeout = 20ms;
  EXPECT_EQ(fetch(loop, std::move(idle)).failure, http_failure::timeout);
  EXPECT_EQ(fetch(loop, std::move(total)).failure, http_failure::timeout);
}

TEST(http_loop, cancel_ends_a_hanging_request) {
  scripted_server server{[](const scripted_request&) {
    scripted_response response;
    response.end = ending::hang;
    return response;
  }};
  http_loop loop;
  http_handle handle = 0;
  auto done = submit(loop, get(server.url()), &handle);
  ASSERT_TRUE(server.wait_for_requests(1));
  loop.cancel(handle);
  EXPECT_EQ(wait(std::move(done)).failure, http_failure::cancelled);
  EXPECT_EQ(loop.open_requests(), 0U);
  loop.cancel(handle); // harmless
}

TEST(http_loop, cancel_within_on_data_stops_the_data) {
  scripted_server server{[](const scripted_request&) {
    scripted_response response;
    response.chunks = {"a", "b", "c"};
    response.end = ending::hang;
    return response;
  }};
  http_loop loop;
  std::atomic<http_handle> handle{0};
  std::promise<void> submitted;
  auto ready = submitted.get_future().share();
  int calls = 0;
  auto request = get(server.url());
  request.on_data = [&](std::string_view) {
    ready.wait();
    ++calls;
    loop.cancel(handle);
  };
  http_handle given = 0;
  auto done = submit(loop, std::move(request), &given);
  handle = given;
  submitted.set_value();
  EXPECT_EQ(wait(std::move(done)).failure, http_failure::cancelled);
  EXPECT_EQ(calls, 1);
}

TEST(http_loop, stop_ends_what_is_open_and_refuses_what_comes_later) {
  scripted_server server{[](const scripted_request&) {
    scripted_response response;
    response.end = ending::hang;
    return response;
  }};
  http_loop loop;
  bool timer_ran = false;
  loop.after(1h, [&] { timer_ran = true; });
  auto open = submit(loop, get(server.url()));
  ASSERT_TRUE(server.wait_for_requests(1));
  loop.stop();
  EXPECT_EQ(wait(std::move(open)).failure, http_failure::cancelled);
  EXPECT_EQ(wait(submit(loop, get(server.url()))).failure, http_failure::cancelled);
  EXPECT_EQ(loop.after(0ms, [&] { timer_ran = true; }), 0U);
  EXPECT_FALSE(timer_ran);
}

TEST(http_loop, timers_run_in_the_order_of_their_times_and_can_be_cancelled) {
  http_loop loop;
  std::vector<int> order;
  std::promise<std::vector<int>> result;
  loop.post([&] { // on the loop's thread, so that none runs before all are set
    auto doomed = loop.after(1ms, [&] { order.push_back(-1); });
    loop.after(3ms, [&] {
      order.push_back(3);
      result.set_value(order);
    });
    loop.after(2ms, [&] { order.push_back(2); });
    loop.after(0ms, [&] { order.push_back(0); });
    loop.cancel_timer(doomed);
  });
  EXPECT_EQ(wait(result.get_future()), (std::vector<int>{0, 2, 3}));
}

TEST(http_loop, a_callback_that_throws_is_reported_and_the_loop_goes_on) {
  scripted_server server{[](const scripted_request&) { return scripted_response::json("{}"); }};
  std::mutex mutex;
  std::vector<std::string> reported;
  http_loop loop{{.on_exception = [&](std::string_view what) {
    std::lock_guard guard{mutex};
    reported.emplace_back(what);
  }}};
  auto request = get(server.url());
  request.on_data = [](std::string_view) { throw std::runtime_error{"from data"}; };
  EXPECT_EQ(fetch(loop, std::move(request)).failure, http_failure::callback);
  loop.post([] { throw std::runtime_error{"from task"}; });
  EXPECT_TRUE(fetch(loop, get(server.url())).ok());
  std::lock_guard guard{mutex};
  EXPECT_EQ(reported, (std::vector<std::string>{"from data", "from task"}));
}

TEST(http_loop, connections_are_reused) {
  scripted_server server{[](const scripted_request&) { return scripted_response::json("{}"); }};
  http_loop loop;
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(fetch(loop, get(server.url())).ok());
  EXPECT_EQ(server.connections(), 1U);
}

TEST(http_loop, many_requests_at_a_time_each_end_once) {
  scripted_server server{
      [](const scripted_request& request) { return scripted_response::json(request.target); }};
  http_loop loop{{.max_connections_per_host = 4}};
  auto path = [](int i) { return std::string{"/"}.append(std::to_string(i)); };
  std::vector<std::future<http_result>> results;
  for (int i = 0; i < 100; ++i)
    results.push_back(submit(loop, get(server.url(path(i)))));
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(wait(std::move(results.at(static_cast<std::size_t>(i)))).body, path(i));
  EXPECT_LE(server.connections(), 4U);
}

TEST(retry_after, reads_seconds_and_dates) {
  auto now = system_clock::from_time_t(1'700'000'000); // Tue, 14 Nov 2023 22:13:20 GMT
  EXPECT_EQ(parse_retry_after("12", now), 12s);
  EXPECT_EQ(parse_retry_after("0", now), 0s);
  EXPECT_EQ(parse_retry_after("Tue, 14 Nov 2023 22:13:50 GMT", now), 30s);
  EXPECT_EQ(parse_retry_after("Tue, 14 Nov 2023 22:00:00 GMT", now), 0s);
  EXPECT_EQ(parse_retry_after("Sat, 21 Nov 8532 08:06:38 GMT", now),
            4294967295s); // beyond nanoseconds in 64 bits
  EXPECT_EQ(parse_retry_after("soon", now), std::nullopt);
  EXPECT_EQ(parse_retry_after("-3", now), std::nullopt);
  EXPECT_EQ(parse_retry_after("", now), std::nullopt);
}
