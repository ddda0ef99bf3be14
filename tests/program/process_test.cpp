// The whole program, as a process: from an API server to a backend, with backends of every temper.

#include "runtime/http_client/http_loop.hpp"
#include "tests/program/cluster_in_miniature.hpp"
#include "tests/program/running_program.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/recording.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <future>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace tc::testing;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

constexpr const char* token = "token-that-nobody-may-see";

/// The first 16 bytes of SHA-256 of the change's key, as DESIGN.md has it.
std::string trace_id_bytes() {
  const std::string key = first_change_key;
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  ::SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(),
           reinterpret_cast<unsigned char*>(out.data()));
  return out.substr(0, 16);
}

std::string hex(const std::string& bytes) {
  std::string out;
  for (unsigned char c : bytes)
    for (int digit : {c >> 4, c & 15})
      out += "0123456789abcdef"[digit];
  return out;
}

std::string unpacked(const temporary_folder& folder, const std::string& body) {
  std::string out;
  for (const auto& line : tc::test::read_lines(folder.write("body.gz", body)))
    out += line + '\n';
  return out;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t out = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++out;
  return out;
}

scripted_response accepted() {
  scripted_response out;
  out.headers.emplace_back("Content-Type", "application/x-protobuf");
  return out;
}

class process_test : public ::testing::Test {
protected:
  void start(const std::string& address, std::vector<std::string> more = {}) {
    auto kubeconfig = folder.write("kubeconfig", kubeconfig_for(api.url(), token));
    if (!std::exchange(installed, true)) {
      api.put(trace_object());
      api.put(provider_object(address));
    }
    std::vector<std::string> arguments{"run",
                                       "--kubeconfig",
                                       kubeconfig,
                                       "--health-addr",
                                       "127.0.0.1:0",
                                       "--metrics-addr",
                                       "127.0.0.1:0",
                                       "--shutdown-timeout=50s",
                                       "--scheduler-threads=2"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    program = std::make_unique<running_program>(std::move(arguments));
    health = program->port_of("--health-addr");
    metrics = program->port_of("--metrics-addr");
    ASSERT_GT(health, 0) << program->log();
    ASSERT_GT(metrics, 0) << program->log();
    ASSERT_NE(program->wait_for_line({"the first lists are complete"}), "") << program->log();
    EXPECT_EQ(get(health, "/healthz").first, 200);
    EXPECT_EQ(get(health, "/readyz").first, 200);
  }

  void play() {
    for (auto& object : first_change())
      api.put(std::move(object));
  }

  /// Waits until the books of the Trace in its status are as expected.
  void expect_changes(int exported, int dropped) {
    EXPECT_TRUE(api.wait_for_status([&](const json& status) {
      return status.value("exportedChanges", -1) == exported &&
             status.value("droppedChanges", -1) == dropped && status.value("activeChanges", -1) == 0;
    })) << api.status().dump(2)
        << program->log();
    const auto status = api.status();
    EXPECT_EQ(status.at("conditions").at(0).at("type"), "Ready");
    EXPECT_EQ(status.at("conditions").at(0).at("status"), "True") << status.dump(2);
    EXPECT_EQ(status.at("observedGeneration"), 1);
    if (exported > 0)
      EXPECT_EQ(status.at("lastExportedTrace").at("traceID"), hex(trace_id_bytes()));
    else
      EXPECT_FALSE(status.contains("lastExportedTrace")) << status.dump(2);
  }

  /// Reads the books until they show what the status showed: they are published once a second.
  json settled_books() {
    for (auto end = std::chrono::steady_clock::now() + generous_limit;
         std::chrono::steady_clock::now() < end;) {
      auto books = json::parse(get(metrics, "/debug/books").second);
      if (!books.at("traces").empty() && books.at("traces").front().at("opened") == 1 &&
          books.at("traces").front().at("pending") == 0 && books.at("exporters").front().at("pending") == 0)
        return books;
      std::this_thread::yield();
    }
    ADD_FAILURE() << "the books do not settle: " << get(metrics, "/debug/books").second;
    return {};
  }

  std::string metrics_text() { return get(metrics, "/metrics").second; }

  void expect_clean_end() {
    program->signal(SIGTERM);
    EXPECT_EQ(program->exit_status(), 0) << program->log();
    EXPECT_THAT(program->log(), HasSubstr("\"stopped\""));
    EXPECT_THAT(program->log(), Not(HasSubstr(token)));
  }

  /// A backend gets the only trace, tries as told, and takes it in the end.
  void expect_delivery_after(std::function<scripted_response(int attempt)> answer, std::size_t attempts) {
    std::atomic<int> number = 0;
    scripted_server backend{[&](const scripted_request&) { return answer(++number); }};
    start(backend.url());
    play();
    expect_changes(1, 0);
    EXPECT_TRUE(settled_books().at("balanced"));
    expect_clean_end();
    auto requests = backend.requests();
    ASSERT_EQ(requests.size(), attempts);
    for (const auto& request : requests)
      EXPECT_EQ(request.body, requests.front().body);
  }

  /// A backend refuses the only trace for good.
  void expect_refusal(scripted_response answer, const std::string& reason,
                      const std::string& flag = "--dead-letter-dir=",
                      const std::string& name = "dead-letters") {
    scripted_server backend{[&](const scripted_request&) { return answer; }};
    start(backend.url(), {flag + folder.path(name)});
    play();
    expect_changes(0, 1);
    auto books = settled_books();
    EXPECT_TRUE(books.at("balanced"));
    EXPECT_EQ(books.at("traces").front().at("dropped"), 1);
    for (auto end = std::chrono::steady_clock::now() + generous_limit;
         count(metrics_before_end, "dead_letters_total{") == 0 && std::chrono::steady_clock::now() < end;)
      metrics_before_end = metrics_text(); // written by a thread of its own
    EXPECT_THAT(metrics_text(), HasSubstr("trace_controller_changes_dropped_total{reason=\"refused\"} 1\n"));
    EXPECT_THAT(metrics_text(),
                HasSubstr("trace_controller_spans_dropped_total{provider=\"flux-system/backend\""));
    EXPECT_NE(program->wait_for_line({"the backend refused a trace", reason}), "") << program->log();
    auto refused = api.status().at("conditions").back();
    EXPECT_EQ(refused.at("type"), "ExportRefused") << api.status().dump(2);
    EXPECT_THAT(refused.at("message").get<std::string>(), HasSubstr(first_change_key));
    auto event = api.wait_for_event();
    ASSERT_TRUE(event.is_object()) << program->log();
    EXPECT_EQ(event.at("reason"), "ChangeDropped");
    EXPECT_THAT(event.at("message").get<std::string>(), HasSubstr(first_change_key));
    expect_clean_end();
    EXPECT_EQ(backend.requests().size(), 1U);
    expect_dead_letter();
  }

  /// The only trace is in the folder, whole, with the reason beside it.
  void expect_dead_letter() {
    std::map<std::string, std::string> found;
    for (const auto& each : std::filesystem::directory_iterator{folder.path("dead-letters")}) {
      std::ifstream in{each.path()};
      auto name = each.path().filename().string();
      found[name.substr(name.find('.'))] = {std::istreambuf_iterator<char>{in}, {}};
    }
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(json::parse(found.at(".reason.json")).at("changeKey"), first_change_key);
    auto letter = json::parse(found.at(".otlp.json"));
    EXPECT_EQ(count(found.at(".otlp.json"), "\"traceId\":\"" + hex(trace_id_bytes()) + '"'),
              count(found.at(".otlp.json"), "\"traceId\""));
    EXPECT_EQ(count(found.at(".otlp.json"), "reconcile Kustomization apps"), 1U);
    EXPECT_THAT(metrics_before_end, HasSubstr("trace_controller_dead_letters_total{reason="));
  }

  std::string metrics_before_end;
  temporary_folder folder;
  cluster_in_miniature api;
  bool installed = false; ///< Trace and Provider exist
  std::unique_ptr<running_program> program;
  int health = 0;
  int metrics = 0;
};

/// A port that refuses connections until open() is called; then each connection gets a fixed answer.
class late_backend {
public:
  late_backend() {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error{"no port"};
    port_ = ntohs(address.sin_port);
  }
  ~late_backend() {
    ::shutdown(socket_, SHUT_RDWR);
    if (thread_.joinable())
      thread_.join();
    ::close(socket_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int requests() const { return requests_; }

  /// Answers the first `bad` connections with garbage.
  void open(int bad = 0) {
    ::listen(socket_, 16);
    thread_ = std::thread{[this, bad] {
      for (int end = 0; (end = ::accept(socket_, nullptr, nullptr)) >= 0; ::close(end))
        serve(end, requests_++ < bad ? "\x15\x03\x01\x00\x02 what?\r\n\r\n"
                                     : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }};
  }

private:
  static void serve(int end, const std::string& answer) {
    std::string request;
    char piece[4096];
    auto complete = [&] {
      auto head = request.find("\r\n\r\n");
      auto length = request.find("Content-Length: ");
      return head != std::string::npos && length != std::string::npos &&
             request.size() >= head + 4 + std::stoul(request.substr(length + 16));
    };
    for (ssize_t got = 0; !complete() && (got = ::recv(end, piece, sizeof piece, 0)) > 0;)
      request.append(piece, static_cast<std::size_t>(got));
    ::send(end, answer.data(), answer.size(), MSG_NOSIGNAL);
  }

  int socket_ = -1;
  int port_ = 0;
  std::atomic<int> requests_ = 0;
  std::thread thread_;
};

} // namespace

TEST_F(process_test, one_change_is_one_trace) {
  scripted_server backend{[](const scripted_request&) { return accepted(); }};
  start(backend.url());
  ASSERT_TRUE(api.wait_for_status([](const json& status) {
    return status.contains("conditions") && status.at("conditions").at(0).at("status") == "True";
  }));
  play();
  expect_changes(1, 0);

  auto books = settled_books();
  EXPECT_TRUE(books.at("balanced"));
  EXPECT_EQ(books.at("traces").at("flux-system/demo").at("exported"), 1);
  auto spans = books.at("exporters").at("flux-system/backend").at("delivered").get<std::size_t>();
  EXPECT_GE(spans, 4U);
  auto text = metrics_text();
  EXPECT_THAT(text, HasSubstr("trace_controller_changes_opened_total 1\n"));
  EXPECT_THAT(text, HasSubstr("trace_controller_changes_exported_total{outcome=\"succeeded\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("trace_controller_spans_exported_total{provider=\"flux-system/backend\"} " +
                              std::to_string(spans) + "\n"));
  EXPECT_THAT(
      text,
      HasSubstr("trace_controller_export_attempts_total{code=\"200\",provider=\"flux-system/backend\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("trace_controller_observations_total{kind=\"Kustomization\",source=\"watch\"}"));
  EXPECT_EQ(get(health, "/nothing").first, 404);
  expect_clean_end();

  auto requests = backend.requests();
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(requests[0].path(), "/v1/traces");
  EXPECT_EQ(requests[0].header("content-type"), "application/x-protobuf");
  auto body = unpacked(folder, requests[0].body);
  EXPECT_EQ(count(body, "flux.span.kind"), spans);
  EXPECT_GE(count(body, "\x0a\x10" + trace_id_bytes()), spans); // field 1, 16 bytes; links have it too
  for (const auto* name : {"reconcile GitRepository demo", "reconcile Kustomization infra",
                           "reconcile Kustomization apps", "reconcile Kustomization tests"})
    EXPECT_EQ(count(body, name), 1U) << name;
  for (const auto& request : api.server().requests())
    EXPECT_EQ(request.header("authorization"), std::string{"Bearer "} + token);
}

TEST_F(process_test, after_a_restart_nothing_is_sent_again) {
  scripted_server backend{[](const scripted_request&) { return accepted(); }};
  start(backend.url());
  play();
  expect_changes(1, 0);
  expect_clean_end();
  auto before = api.status();
  // The status, and with it the last export, is read from the Trace.
  start(backend.url(), {"--backfill=0s"});
  EXPECT_TRUE(
      api.wait_for_status([](const json& status) { return status.value("exportedChanges", -1) == 0; }));
  expect_clean_end();
  EXPECT_EQ(backend.requests().size(), 1U);
  EXPECT_EQ(api.status().at("lastExportedTrace"), before.at("lastExportedTrace"));
  EXPECT_EQ(api.status().at("conditions").at(0).at("lastTransitionTime"),
            before.at("conditions").at(0).at("lastTransitionTime"));
}

TEST_F(process_test, flux_s_http_events_are_in_the_trace) {
  scripted_server backend{[](const scripted_request&) { return accepted(); }};
  const std::string planted = "planted-token";
  start(backend.url(),
        {"--events-addr=127.0.0.1:0", "--events-token-file=" + folder.write("events-token", planted)});
  auto events = program->port_of("--events-addr");
  ASSERT_GT(events, 0) << program->log();
  std::vector<json> told;
  auto objects = first_change(&told);
  std::string message;
  for (const auto& body : told) { // before their objects: whatever comes first waits for the rest
    message = body.at("message").get<std::string>();
    EXPECT_EQ(post(events, body.dump()).first, 401);
    auto [status, text] = post(events, body.dump(), "Authorization: Bearer " + planted + "\r\n");
    EXPECT_EQ(status, 202);
    EXPECT_EQ(text, "");
  }
  ASSERT_FALSE(message.empty());
  EXPECT_EQ(post(events, "{", "Authorization: Bearer " + planted + "\r\n").first, 400);
  EXPECT_EQ(get(events, "/").first, 405);
  EXPECT_EQ(post(events, std::string((3U << 20U) + 1, ' ')).first, 413);
  for (auto& object : objects)
    api.put(std::move(object));
  expect_changes(1, 0);
  EXPECT_THAT(metrics_text(), HasSubstr("events_received_total{code=\"202\",reason=\"accepted\"}"));
  expect_clean_end();
  std::string sent;
  for (const auto& request : backend.requests())
    sent += request.header("content-encoding") == "gzip" ? unpacked(folder, request.body) : request.body;
  EXPECT_THAT(sent, HasSubstr(message)); // whole, as only the HTTP event has it
  EXPECT_THAT(program->log(), Not(HasSubstr(planted)));
}

TEST_F(process_test, events_come_over_tls_and_the_certificate_is_renewed) {
  scripted_server backend{[](const scripted_request&) { return accepted(); }};
  certificate_authority authority;
  auto put = [&](const certificate& shown) {
    folder.write("tls.key", shown.key_pem);
    folder.write("tls.crt", shown.certificate_pem);
  };
  put(authority.issue_server());
  start(backend.url(), {"--events-addr=127.0.0.1:0", "--events-tls-cert-file=" + folder.path("tls.crt"),
                        "--events-tls-key-file=" + folder.path("tls.key")});
  auto port = program->port_of("--events-addr");
  ASSERT_GT(port, 0) << program->log();
  tc::runtime::http_loop loop;
  auto trusted = std::make_shared<tc::runtime::tls_options>();
  trusted->ca_pem = authority.pem();
  auto status_of = [&](const std::string& body) {
    std::promise<int> status;
    tc::runtime::http_request request;
    request.method = "POST";
    request.url = "https://127.0.0.1:" + std::to_string(port) + "/";
    request.headers = {"Content-Type: application/json"};
    request.body = body;
    request.tls = trusted;
    request.on_done = [&](const tc::runtime::http_result& result) { status.set_value(result.status); };
    loop.submit(std::move(request));
    return status.get_future().get();
  };
  std::vector<json> told;
  auto objects = first_change(&told);
  for (const auto& body : told)
    EXPECT_EQ(status_of(body.dump()), 202);
  EXPECT_EQ(status_of("{"), 400);
  put(authority.issue_server("renewed"));
  ASSERT_NE(program->wait_for_line({"the certificate for events was renewed"}), "") << program->log();
  EXPECT_EQ(status_of("{"), 400);
  for (auto& object : objects)
    api.put(std::move(object));
  expect_changes(1, 0);
  EXPECT_THAT(metrics_text(), HasSubstr("events_tls_total{outcome=\"renewed\"} 1"));
  expect_clean_end();
}

TEST_F(process_test, events_are_forwarded_and_how_that_went_is_in_the_trace) {
  scripted_server backend{[](const scripted_request&) { return accepted(); }};
  std::atomic<int> asked = 0;
  scripted_server notifier{[&](const scripted_request&) {
    return scripted_response::json("", ++asked == 1 ? 503 : 202); // away for a moment
  }};
  start(backend.url(), {"--events-addr=127.0.0.1:0", "--forward-events-to=" + notifier.url() + "/events"});
  auto events = program->port_of("--events-addr");
  ASSERT_GT(events, 0) << program->log();
  std::vector<json> told;
  auto objects = first_change(&told);
  std::vector<std::string> bodies;
  for (const auto& body : told) {
    bodies.push_back(body.dump());
    EXPECT_EQ(
        post(events, bodies.back(), "Content-Type: application/json\r\nX-Signature: sha256=ab\r\n").first,
        202);
  }
  // All of them, each exactly once but the first.
  EXPECT_TRUE(notifier.wait_for_requests(told.size() + 1));
  auto requests = notifier.requests();
  std::vector<std::string> arrived;
  for (const auto& request : requests) {
    EXPECT_EQ(request.path(), "/events");
    EXPECT_EQ(request.header("x-signature"), "sha256=ab");
    arrived.push_back(request.body);
  }
  std::sort(arrived.begin(), arrived.end());
  arrived.erase(std::unique(arrived.begin(), arrived.end()), arrived.end());
  std::sort(bodies.begin(), bodies.end());
  EXPECT_EQ(arrived, bodies);
  for (auto& object : objects)
    api.put(std::move(object));
  expect_changes(1, 0);
  EXPECT_THAT(metrics_text(), HasSubstr("events_forwarded_total{outcome=\"retried\"} 1\n"));
  expect_clean_end();
  std::string sent;
  for (const auto& request : backend.requests())
    sent += request.header("content-encoding") == "gzip" ? unpacked(folder, request.body) : request.body;
  // Those about a run or the source; an object that waits for others has no run yet.
  auto about_runs = std::count_if(told.begin(), told.end(),
                                  [](const json& body) { return body.at("reason") != "DependencyNotReady"; });
  EXPECT_EQ(count(sent, "flux.notification.receiver"), static_cast<std::size_t>(about_runs));
}

TEST_F(process_test, events_that_were_not_forwarded_at_the_end_are_said) {
  scripted_server backend{[](const scripted_request&) { return accepted(); }};
  scripted_server notifier{[](const scripted_request&) { return scripted_response::json("", 503); }};
  start(backend.url(),
        {"--events-addr=127.0.0.1:0", "--forward-events-to=" + notifier.url(), "--shutdown-timeout=3s"});
  auto events = program->port_of("--events-addr");
  ASSERT_GT(events, 0) << program->log();
  std::vector<json> told;
  first_change(&told);
  EXPECT_EQ(post(events, told.at(0).dump()).first, 202);
  EXPECT_EQ(post(events, told.at(0).dump(), "X-Trace-Controller-Forwarded: 1\r\n").first, 202);
  EXPECT_TRUE(notifier.wait_for_requests(1));
  EXPECT_THAT(metrics_text(), HasSubstr("events_forwarded_total{outcome=\"loop\"} 1\n"));
  program->signal(SIGTERM);
  program->exit_status();
  EXPECT_THAT(program->wait_for_line({"\"stopped\""}), HasSubstr("\"eventsNotForwarded\":1"));
}

TEST_F(process_test, a_bad_request_is_dropped_and_counted) {
  expect_refusal(scripted_response::json(R"({"message":"this is no span"})", 400), "400");
}

TEST_F(process_test, an_internal_error_is_not_retried) {
  // By default they lie below the data directory.
  expect_refusal(scripted_response::json("{}", 500), "500", "--data-dir=", "");
}

TEST_F(process_test, a_login_page_is_no_receiver) {
  scripted_response page;
  page.headers.emplace_back("Content-Type", "text/html");
  page.chunks.push_back("<html>please log in</html>");
  expect_refusal(page, "flux-system/demo");
}

TEST_F(process_test, a_busy_backend_is_asked_again_when_it_says) {
  std::mutex mutex;
  std::vector<std::chrono::steady_clock::time_point> times;
  expect_delivery_after(
      [&](int attempt) {
        std::lock_guard guard{mutex};
        times.push_back(std::chrono::steady_clock::now());
        if (attempt > 1)
          return accepted();
        auto busy = scripted_response::json("{}", 429);
        busy.headers.emplace_back("Retry-After", "1");
        return busy;
      },
      2);
  // The wait counts from the latest tick, and the first request was under way for a while.
  EXPECT_GE(times.at(1) - times.at(0), std::chrono::milliseconds{500});
}

TEST_F(process_test, an_unavailable_backend_is_asked_again) {
  expect_delivery_after(
      [](int attempt) { return attempt > 1 ? accepted() : scripted_response::json("{}", 503); }, 2);
}

TEST_F(process_test, what_is_no_http_at_all_is_tried_again) {
  late_backend backend;
  backend.open(1);
  start(backend.url());
  play();
  expect_changes(1, 0);
  expect_clean_end();
  EXPECT_EQ(backend.requests(), 2);
}

TEST_F(process_test, a_backend_that_is_not_there_yet) {
  late_backend backend;
  start(backend.url());
  play();
  EXPECT_NE(program->wait_for_line({"export failed and is tried again"}), "") << program->log();
  EXPECT_EQ(json::parse(get(metrics, "/debug/books").second).value("balanced", false), true);
  backend.open();
  expect_changes(1, 0);
  EXPECT_TRUE(settled_books().at("balanced"));
  expect_clean_end();
  EXPECT_EQ(backend.requests(), 1);
}

TEST_F(process_test, what_is_left_at_the_end_is_said) {
  late_backend backend;
  start(backend.url(), {"--shutdown-timeout=2s"});
  play();
  EXPECT_NE(program->wait_for_line({"export failed and is tried again"}), "") << program->log();
  program->signal(SIGTERM);
  EXPECT_EQ(program->exit_status(), 1) << program->log();
  auto line = program->wait_for_line({"\"stopped\""});
  EXPECT_THAT(line, HasSubstr("\"tracesLeft\":1"));
  EXPECT_THAT(line, HasSubstr("\"changesOpen\":0"));
}

TEST_F(process_test, what_waits_for_a_provider_at_the_end_is_said_too) {
  auto provider = provider_object("http://127.0.0.1:1");
  provider["spec"]["suspend"] = true;
  api.put(trace_object());
  api.put(provider);
  installed = true;
  start({}, {"--shutdown-timeout=10m"});
  play();
  EXPECT_NE(program->wait_for_line({"change settled", first_change_key}), "") << program->log();
  program->signal(SIGTERM);
  EXPECT_EQ(program->exit_status(), 1) << program->log(); // long before the timeout: nothing can come
  EXPECT_THAT(program->wait_for_line({"\"stopped\""}), HasSubstr("\"tracesLeft\":1"));
}

TEST_F(process_test, a_provider_that_comes_late_loses_nothing) {
  scripted_server backend{[](const scripted_request&) { return accepted(); }};
  auto provider = provider_object(backend.url());
  provider["spec"]["suspend"] = true;
  start(backend.url());
  api.put(provider);
  ASSERT_TRUE(api.wait_for_status([](const json& status) {
    return status.contains("conditions") && status.at("conditions").at(0).at("reason") == "ProviderSuspended";
  })) << api.status().dump(2)
      << program->log();
  play();
  // Settled, and waiting: said in the log before the Provider is back.
  EXPECT_NE(program->wait_for_line({"change settled", first_change_key}), "") << program->log();
  EXPECT_EQ(backend.requests().size(), 0U);
  provider["spec"].erase("suspend");
  api.put(provider);
  expect_changes(1, 0);
  expect_clean_end();
  EXPECT_EQ(backend.requests().size(), 1U);
}

TEST(process, over_tls_with_a_client_certificate) {
  certificate_authority authority;
  auto server = authority.issue_server();
  auto client = authority.issue_client("controller");
  cluster_in_miniature api{server_tls{server.certificate_pem, server.key_pem, authority.pem()}};
  scripted_server backend{[](const scripted_request&) { return accepted(); }};
  temporary_folder folder;
  folder.write("ca.pem", authority.pem());
  folder.write("client.pem", client.certificate_pem);
  folder.write("client-key.pem", client.key_pem);
  auto kubeconfig = folder.write(
      "kubeconfig",
      "current-context: c\nclusters: [{name: k, cluster: {server: '" + api.url() +
          "', certificate-authority: ca.pem}}]\n"
          "users: [{name: u, user: {client-certificate: client.pem, client-key: client-key.pem}}]\n"
          "contexts: [{name: c, context: {cluster: k, user: u}}]\n");
  api.put(trace_object());
  api.put(provider_object(backend.url()));
  running_program program{{"run", "--kubeconfig", kubeconfig, "--health-addr", "127.0.0.1:0",
                           "--metrics-addr", "127.0.0.1:0", "--shutdown-timeout=50s",
                           "--scheduler-threads=2"}};
  for (auto& object : first_change())
    api.put(std::move(object));
  EXPECT_TRUE(api.wait_for_status([](const json& status) { return status.value("exportedChanges", 0) == 1; }))
      << program.log();
  program.signal(SIGTERM);
  EXPECT_EQ(program.exit_status(), 0) << program.log();
  EXPECT_EQ(backend.requests().size(), 1U);
  EXPECT_EQ(api.server().requests().front().client_subject, "controller");
}
