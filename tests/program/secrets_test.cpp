// Secrets planted wherever one can be given, and then the program as a process through success and through
// every failure in which a message might repeat them: none may show in what it writes.

#include "runtime/http_client/base64.hpp"
#include "tests/program/cluster_in_miniature.hpp"
#include "tests/program/running_program.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/recording.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

using namespace tc::testing;
using nlohmann::json;
using ::testing::HasSubstr;

namespace {

// Distinctive, and none a part of another.
constexpr const char* kube_token = "planted-kubeconfig-token-1a";
constexpr const char* bearer_token = "planted-bearer-2b";
constexpr const char* user_name = "planted-user-3c";
constexpr const char* password = "planted-password-4d";
constexpr const char* header_value = "planted-header-5e";
constexpr const char* proxy_user = "planted-proxy-user-6f";
constexpr const char* proxy_password = "planted-proxy-password-7g";
constexpr const char* url_password = "planted-url-password-8h";
constexpr const char* url_query = "planted-url-query-9i";
constexpr const char* event_token = "planted-event-token-10j";
constexpr const char* event_key = "planted-event-key-11k";
constexpr const char* forward_password = "planted-forward-password-12l";
constexpr const char* environment_header = "planted-environment-13m";
constexpr const char* unread_key = "planted-unread-14n";

std::string content(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// An answer that repeats all that it was told: the worst a backend or proxy can do.
scripted_response echo(const scripted_request& request, int status) {
  auto text = request.target;
  for (const auto& [name, value] : request.headers)
    text += "; " + name + ": " + value;
  scripted_response out;
  out.status = status;
  out.headers.emplace_back("Content-Type", "text/plain");
  out.chunks.push_back(text);
  return out;
}

class Secrets : public ::testing::Test {
protected:
  void SetUp() override {
    // Also what is derived from them.
    for (const auto* secret :
         {kube_token, bearer_token, user_name, password, header_value, proxy_user, proxy_password,
          url_password, url_query, event_token, event_key, forward_password, environment_header, unread_key})
      planted.emplace_back(secret);
    for (const auto& pair :
         {std::string{user_name} + ':' + password, std::string{proxy_user} + ':' + proxy_password,
          std::string{"someone:"} + url_password, std::string{"teller:"} + forward_password})
      planted.push_back(tc::runtime::encode_base64(pair));
    auto client = authority.issue_client("controller");
    client_key = client.key_pem;
    client_certificate = client.certificate_pem;
    auto line = client_key.find('\n') + 1;
    planted.push_back(client_key.substr(line, 60)); // the first line of the key itself
    ::setenv("OTEL_EXPORTER_OTLP_HEADERS", (std::string{"x-environment="} + environment_header).c_str(), 1);
  }
  void TearDown() override { ::unsetenv("OTEL_EXPORTER_OTLP_HEADERS"); }

  std::map<std::string, std::string> basic() const {
    return {
        {"username", user_name}, {"password", password}, {"headers", std::string{"X-Key: "} + header_value}};
  }

  /// Starts the program with a Provider of these fields beside its address; the Secrets exist.
  void start(const std::string& address, json more) {
    api.put(trace_object());
    auto provider = provider_object(address);
    provider["spec"].update(std::move(more));
    api.put(provider);
    auto kubeconfig = folder.write("kubeconfig", kubeconfig_for(api.url(), kube_token));
    auto notifier_url = "http://teller:" + std::string{forward_password} +
                        "@127.0.0.1:" + std::to_string(notifier.port()) + "/?key=" + url_query;
    program = std::make_unique<running_program>(std::vector<std::string>{
        "run", "--kubeconfig", kubeconfig, "--health-addr=127.0.0.1:0", "--metrics-addr=127.0.0.1:0",
        "--events-addr=127.0.0.1:0", "--events-token-file=" + folder.write("token", event_token),
        "--events-hmac-key-file=" + folder.write("key", event_key), "--forward-events-to=" + notifier_url,
        "--dead-letter-dir=" + folder.path("dead"), "--shutdown-timeout=2s", "--scheduler-threads=2",
        "--log-level=trace"});
    ASSERT_NE(program->wait_for_line({"the first lists are complete"}), "") << program->log();
    for (auto& object : first_change())
      api.put(std::move(object));
    auto events = program->port_of("--events-addr");
    post(events, "{}",
         std::string{"Authorization: Bearer "} + event_token + "\r\nX-Signature: sha256=00\r\n");
    post(events, "{}", std::string{"Authorization: Bearer wrong\r\n"});
  }

  /// Ends the program and looks into all that it has written.
  void expect_none_shown() {
    auto port = program->port_of("--metrics-addr");
    std::map<std::string, std::string> written{{"/metrics", get(port, "/metrics").second},
                                               {"/debug/books", get(port, "/debug/books").second}};
    EXPECT_THAT(written["/debug/books"], HasSubstr("exporters"));
    EXPECT_THAT(written["/metrics"], HasSubstr("build_info"));
    program->signal(SIGTERM);
    program->exit_status();
    written["the log"] = program->log();
    int number = 0;
    for (const auto& request : api.server().requests())
      if (request.method != "GET") // statuses and Events
        written["API request " + std::to_string(++number)] = request.target + request.body;
    EXPECT_GT(number, 0);
    for (const auto& request : sent)
      written["spans " + std::to_string(++number)] =
          tc::test::read_lines(folder.write("body.gz", request.body)).empty() ? "" : unpacked(request.body);
    if (std::filesystem::exists(folder.path("dead")))
      for (const auto& each : std::filesystem::directory_iterator{folder.path("dead")})
        written["dead letter " + each.path().filename().string()] = content(each.path());
    for (const auto& [where, text] : written)
      for (const auto& secret : planted)
        EXPECT_EQ(text.find(secret), std::string::npos) << '"' << secret << "\" is in " << where << ":\n"
                                                        << text;
  }

  std::string unpacked(const std::string& body) const {
    std::string out;
    for (const auto& line : tc::test::read_lines(folder.write("body.gz", body)))
      out += line + '\n';
    return out;
  }
  std::size_t dead_letters() const {
    std::size_t out = 0;
    if (std::filesystem::exists(folder.path("dead")))
      for (const auto& each : std::filesystem::directory_iterator{folder.path("dead")})
        out += each.path().string().ends_with(".otlp.json") ? 1 : 0;
    return out;
  }

  certificate_authority authority{"theirs"}, other{"ours"};
  std::string client_key, client_certificate;
  std::vector<std::string> planted;
  temporary_folder folder;
  cluster_in_miniature api;
  scripted_server notifier{[](const scripted_request& request) { return echo(request, 403); }};
  std::unique_ptr<running_program> program;
  std::vector<scripted_request> sent;
  int generation = 1;
};

TEST_F(Secrets, DoNotShowWhenAllGoesWell) {
  scripted_server backend{[](const scripted_request&) { return scripted_response::json("{}"); }};
  api.put_secret("auth", basic());
  start("http://127.0.0.1:" + std::to_string(backend.port()) + "/v1/traces?key=" + url_query,
        {{"secretRef", {{"name", "auth"}}}});
  EXPECT_NE(program->wait_for_line({"trace exported"}), "") << program->log();
  sent = backend.requests();
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(sent[0].header("x-key"), header_value) << "they are used";
  EXPECT_EQ(sent[0].header("x-environment"), environment_header);
  expect_none_shown();
}

TEST_F(Secrets, DoNotShowWhenTheBackendRefusesAndRepeatsThem) {
  scripted_server backend{[](const scripted_request& request) { return echo(request, 401); }};
  auto auth = basic();
  auth["token"] = bearer_token; // which wins over username and password
  auth["address"] = "http://someone:" + std::string{url_password} +
                    "@127.0.0.1:" + std::to_string(backend.port()) + "/v1/traces?key=" + url_query;
  api.put_secret("auth", auth);
  start("http://elsewhere.invalid", {{"secretRef", {{"name", "auth"}}}});
  EXPECT_NE(program->wait_for_line({"the backend refused a trace", "401"}), "") << program->log();
  EXPECT_TRUE(api.wait_for_event().is_object());
  EXPECT_TRUE(api.wait_for_status([](const json& status) { return status.value("droppedChanges", 0) == 1; }));
  sent = backend.requests();
  ASSERT_FALSE(sent.empty());
  EXPECT_EQ(sent[0].header("authorization"), std::string{"Bearer "} + bearer_token);
  expect_none_shown();
  EXPECT_EQ(dead_letters(), 1U);
}

TEST_F(Secrets, DoNotShowWhenTlsFails) {
  auto server = authority.issue_server();
  scripted_server backend{[](const scripted_request&) { return scripted_response::json("{}"); },
                          server_tls{server.certificate_pem, server.key_pem, authority.pem()}};
  api.put_secret("auth", basic());
  api.put_secret("certificates",
                 {{"tls.crt", client_certificate}, {"tls.key", client_key}, {"ca.crt", other.pem()}});
  start(backend.url(), {{"secretRef", {{"name", "auth"}}}, {"certSecretRef", {{"name", "certificates"}}}});
  EXPECT_NE(program->wait_for_line({"export failed and is tried again", "\"tls\""}), "") << program->log();
  expect_none_shown();
}

TEST_F(Secrets, DoNotShowWhenTheNameIsUnknown) {
  auto auth = basic();
  auth["address"] =
      "http://someone:" + std::string{url_password} + "@backend.invalid:4318/v1/traces?key=" + url_query;
  api.put_secret("auth", auth);
  start("http://elsewhere.invalid", {{"secretRef", {{"name", "auth"}}}});
  EXPECT_NE(program->wait_for_line({"export failed and is tried again"}), "") << program->log();
  expect_none_shown();
}

TEST_F(Secrets, DoNotShowWhenTheProxyRefusesAndRepeatsThem) {
  scripted_server proxy{[](const scripted_request& request) { return echo(request, 407); }};
  api.put_secret("auth", basic());
  api.put_secret("proxy", {{"address", proxy.url()}, {"username", proxy_user}, {"password", proxy_password}});
  start("http://backend.invalid/v1/traces?key=" + std::string{url_query},
        {{"secretRef", {{"name", "auth"}}}, {"proxySecretRef", {{"name", "proxy"}}}});
  EXPECT_NE(program->wait_for_line({"407", "export "}), "") << program->log();
  ASSERT_FALSE(proxy.requests().empty());
  EXPECT_EQ(proxy.requests()[0].header("proxy-authorization"),
            "Basic " + tc::runtime::encode_base64(std::string{proxy_user} + ':' + proxy_password));
  expect_none_shown();
}

TEST_F(Secrets, DoNotShowWhenTheProxyIsAwayAndItsAddressHasCredentials) {
  api.put_secret("auth", basic());
  api.put_secret("proxy", {{"address", "http://" + std::string{proxy_user} + ':' + proxy_password +
                                           "@127.0.0.1:1/?key=" + url_query}});
  start("http://backend.invalid",
        {{"secretRef", {{"name", "auth"}}}, {"proxySecretRef", {{"name", "proxy"}}}});
  EXPECT_NE(program->wait_for_line({"export failed and is tried again"}), "") << program->log();
  expect_none_shown();
}

TEST_F(Secrets, DoNotShowWhenASecretIsOfNoUse) {
  using data = std::map<std::string, std::string>;
  for (const auto& [bad, problem] : std::initializer_list<std::pair<data, const char*>>{
           {{{"headers", std::string{"X-Key: ["} + unread_key}}, "not valid YAML"},
           {{{"headers", std::string{"- "} + unread_key}}, "not a YAML map"},
           {{{"headers", std::string{"X-Key: \"a\\n"} + unread_key + '"'}}, "no HTTP header"},
           {{{"token", std::string{"two\nlines "} + unread_key}}, "control characters"},
           {{{"address", std::string{"ftp://u:"} + unread_key + "@host/?" + unread_key}}, "ftp"},
           {{{"address", std::string{"http://u:"} + unread_key + "@host:notaport/"}}, "port"}}) {
    api.put_secret("auth", bad);
    if (!program) {
      start("http://127.0.0.1:1", {{"secretRef", {{"name", "auth"}}}});
    } else { // read again when the Provider changes
      auto provider = provider_object("http://127.0.0.1:1");
      provider["spec"]["secretRef"] = {{"name", "auth"}};
      provider["metadata"]["generation"] = ++generation;
      api.put(provider);
    }
    EXPECT_NE(program->wait_for_line({"a provider cannot be used", problem}), "") << program->log();
  }
  api.put_secret("auth", {});
  api.put_secret("certificates", {{"tls.crt", std::string{"no certificate "} + unread_key},
                                  {"tls.key", std::string{"no key "} + unread_key}});
  auto provider = provider_object("https://127.0.0.1:1");
  provider["spec"]["certSecretRef"] = {{"name", "certificates"}};
  provider["metadata"]["generation"] = ++generation;
  api.put(provider);
  EXPECT_NE(program->wait_for_line({"export failed and is tried again"}), "") << program->log();
  expect_none_shown();
}

TEST_F(Secrets, AreInNoCoreDump) {
  scripted_server backend{[](const scripted_request&) { return scripted_response::json("{}"); }};
  start(backend.url(), json::object());
  auto process = "/proc/" + std::to_string(program->process());
  auto limits = content(process + "/limits");
  auto at = limits.find("Max core file size");
  ASSERT_NE(at, std::string::npos) << limits;
  std::istringstream line{limits.substr(at + std::string{"Max core file size"}.size())};
  std::string soft, hard;
  line >> soft >> hard;
  EXPECT_EQ(soft, "0");
  EXPECT_EQ(hard, "0");
  // A handler that the kernel pipes cores to is not bound by the limit: there is nothing in them for it.
  EXPECT_EQ(std::stoul(content(process + "/coredump_filter"), nullptr, 16), 0U);
}

} // namespace
