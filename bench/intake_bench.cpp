// How fast HTTP events are answered: signed events at a given rate over some connections, to the event
// intake, and beside it to the same server with a handler that only answers 202. Each event has a time at
// which it is due, and its latency counts from then: a server that is late once is late for all who wait
// behind. What does not count is the time for which a sender's own thread was ready and did not run.
//
// usage: intake_bench [SECONDS] [EVENTS_PER_SECOND] [CONNECTIONS]

#include "runtime/gzip_lines.hpp"
#include "runtime/http_server.hpp"
#include "runtime/program/event_intake.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace tc;
using namespace tc::runtime;
using clock_type = std::chrono::steady_clock;

constexpr std::string_view key = "a key that only the two of us know";

std::string signature_of(const std::string& body) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest, &length);
  std::string out = "sha256=";
  for (unsigned i = 0; i < length; ++i)
    for (int digit : {digest[i] >> 4, digest[i] & 15})
      out += "0123456789abcdef"[digit];
  return out;
}

/// The recorded posts of real Flux controllers as whole signed requests.
std::vector<std::string> recorded_requests() {
  std::vector<std::string> out;
  auto reader = line_reader::open(TC_SOURCE_DIR "/tests/recordings/s01-three-kustomizations/posts.jsonl.gz");
  if (!reader) {
    std::fprintf(stderr, "%s\n", reader.error().c_str());
    std::exit(1);
  }
  for (auto line = reader->next(); line && *line; line = reader->next()) {
    auto body = nlohmann::json::parse((*line)->text).at("body").dump();
    out.push_back("POST / HTTP/1.1\r\nHost: events\r\nContent-Type: application/json\r\nX-Signature: " +
                  signature_of(body) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                  body);
  }
  return out;
}

/// One keep-alive connection, as a Flux controller has it.
class sender {
public:
  explicit sender(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0)
      std::perror("connect");
  }
  ~sender() { ::close(socket_); }
  sender(const sender&) = delete;
  sender& operator=(const sender&) = delete;

  /// Sends and waits for the answer. Returns whether it was a 202.
  bool exchange(const std::string& request) const {
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      return false;
    std::string answer;
    char piece[1024];
    while (!answer.ends_with("\r\n\r\n")) { // an answer without a body
      auto got = ::recv(socket_, piece, sizeof(piece), 0);
      if (got <= 0)
        return false;
      answer.append(piece, static_cast<std::size_t>(got));
    }
    return answer.starts_with("HTTP/1.1 202");
  }

private:
  int socket_;
};

struct load {
  double seconds = 3;
  double per_second = 5000;
  std::size_t connections = 16;
};

/// What senders saw of one server, added up over the rounds.
struct findings {
  std::vector<double> latencies; ///< ms, from when an event was due to its answer
  std::vector<double> late;      ///< ms, by which the sender's own thread ran late though nothing held it up
  std::vector<double> of_server; ///< ms, the latency without that
  std::size_t refused = 0;
  double seconds = 0;
};

double quantile(std::vector<double>& values, double q) {
  if (values.empty())
    return 0;
  auto at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

void run(std::uint16_t port, const load& what, const std::vector<std::string>& requests, findings& into) {
  std::vector<findings> parts(what.connections);
  std::vector<std::thread> threads;
  auto apart = std::chrono::duration_cast<clock_type::duration>(
      std::chrono::duration<double>(static_cast<double>(what.connections) / what.per_second));
  auto count = static_cast<std::size_t>(what.seconds * what.per_second) / what.connections;
  auto began = clock_type::now() + std::chrono::milliseconds{50};
  for (std::size_t c = 0; c < what.connections; ++c)
    threads.emplace_back([&, c] {
      sender connection{port};
      // The connections take turns, so that the rate is even.
      auto due = began + apart * static_cast<int>(c) / static_cast<int>(what.connections);
      auto answered = due;
      for (std::size_t i = 0; i < count; ++i, due += apart) {
        auto could_send = std::max(due, answered);
        std::this_thread::sleep_until(due);
        auto sent = clock_type::now();
        parts[c].refused += !connection.exchange(requests[(i * what.connections + c) % requests.size()]);
        answered = clock_type::now();
        auto ms = [](auto span) { return std::chrono::duration<double, std::milli>(span).count(); };
        parts[c].latencies.push_back(ms(answered - due));
        parts[c].late.push_back(ms(sent - could_send));
        parts[c].of_server.push_back(ms((answered - due) - (sent - could_send)));
      }
    });
  for (auto& one : threads)
    one.join();
  into.seconds += std::chrono::duration<double>(clock_type::now() - began).count();
  for (auto& part : parts) {
    into.refused += part.refused;
    for (auto member : {&findings::latencies, &findings::late, &findings::of_server})
      (into.*member).insert((into.*member).end(), (part.*member).begin(), (part.*member).end());
  }
}

std::unique_ptr<http_server> serve(http_handler handle) {
  http_server::settings with;
  with.address = {"127.0.0.1", 0};
  with.limits.body_bytes = event_intake::largest_body;
  with.limits.header_bytes = event_intake::largest_header;
  with.routes.push_back({"", "", std::move(handle)});
  auto server = http_server::start(std::move(with));
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().c_str());
    std::exit(1);
  }
  return std::move(*server);
}

} // namespace

int main(int argc, char** argv) {
  load what;
  if (argc > 1)
    what.seconds = std::atof(argv[1]);
  if (argc > 2)
    what.per_second = std::atof(argv[2]);
  if (argc > 3)
    what.connections = std::strtoul(argv[3], nullptr, 10);
  auto requests = recorded_requests();

  auto key_file = std::filesystem::temp_directory_path() / ("intake-bench-" + std::to_string(::getpid()));
  std::ofstream{key_file} << key;
  event_intake::settings take;
  take.hmac_key_file = key_file;
  take.clock = [] { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); };
  event_intake intake{std::move(take)};
  auto real = serve([&](const server_request& request) { return intake.answer(request); });
  auto bare = serve([](const server_request&) { return server_response{202, ""}; });

  // The controller's part: takes what has come, every 10 ms.
  std::atomic<bool> ending = false;
  std::size_t taken = 0;
  std::thread taker{[&] {
    while (!ending) {
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
      if (auto batch = intake.take())
        taken += batch->size();
    }
  }};

  findings of_intake, of_bare;
  findings warm_up;
  run(real->port(), {0.5, what.per_second, what.connections}, requests, warm_up);
  run(bare->port(), {0.5, what.per_second, what.connections}, requests, warm_up);
  constexpr int rounds = 4; // in turns: what else the machine does meets both
  for (int round = 0; round < rounds; ++round) {
    run(real->port(), {what.seconds / rounds, what.per_second, what.connections}, requests, of_intake);
    run(bare->port(), {what.seconds / rounds, what.per_second, what.connections}, requests, of_bare);
  }
  ending = true;
  taker.join();
  real->stop();
  bare->stop();
  std::filesystem::remove(key_file);

  auto row = [](double value, const char* unit) {
    return nlohmann::json{{"value", value}, {"better", "lower"}, {"unit", unit}};
  };
  nlohmann::json out;
  out["intake_p99_ms"] = row(quantile(of_intake.of_server, 0.99), "ms");
  out["intake_p99_ms"]["goal"] = 5;
  // On a busy machine most of the tail is that the senders' threads run late themselves.
  out["intake_p99_with_sender_ms"] = row(quantile(of_intake.latencies, 0.99), "ms");
  out["intake_p99_sender_late_ms"] = row(quantile(of_intake.late, 0.99), "ms");
  out["intake_p50_ms"] = row(quantile(of_intake.of_server, 0.5), "ms");
  out["intake_p99_only_202_ms"] = row(quantile(of_bare.of_server, 0.99), "ms");
  out["intake_p50_only_202_ms"] = row(quantile(of_bare.of_server, 0.5), "ms");
  out["intake_p99_vs_only_202"] =
      row(quantile(of_intake.of_server, 0.99) / quantile(of_bare.of_server, 0.99), "ratio");
  out["intake_p50_vs_only_202"] =
      row(quantile(of_intake.of_server, 0.5) / quantile(of_bare.of_server, 0.5), "ratio");
  out["intake_events_per_s"] = {
      {"value", static_cast<double>(of_intake.latencies.size()) / of_intake.seconds},
      {"better", "higher"},
      {"unit", "1/s"}};
  std::cout << out.dump(2) << '\n';
  if (of_intake.refused + of_bare.refused + warm_up.refused > 0 || taken == 0) {
    std::fprintf(stderr, "%zu events were not answered with 202, %zu were taken\n",
                 of_intake.refused + of_bare.refused + warm_up.refused, taken);
    return 1;
  }
}
