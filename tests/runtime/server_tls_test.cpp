// The server with TLS: what it speaks and to whom, and how certificates are renewed under it.

#include "runtime/http_server.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/temporary_folder.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace tc::runtime;
using namespace std::chrono_literals;
using tc::testing::certificate;
using tc::testing::certificate_authority;
using tc::testing::temporary_folder;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

namespace {

/// How a client comes.
struct approach {
  std::string trusted; ///< PEM of the authority
  certificate own;     ///< empty: without
  int version = 0;     ///< the only one it speaks; 0: any
};

/// What a TLS client saw: its answer, or "" when there was none; and the server's name.
struct encounter {
  std::string answer;
  std::string server;
  bool is_trusted = false;
};

int connected(std::uint16_t port) {
  int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  timeval patience{10, 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  return socket;
}

template <class Use>
void with_pem(const std::string& text, Use use) {
  BIO* in = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  use(in);
  BIO_free(in);
}

encounter ask(std::uint16_t port, const approach& how, const std::string& request) {
  encounter out;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (how.version != 0) {
    SSL_CTX_set_min_proto_version(context, how.version);
    SSL_CTX_set_max_proto_version(context, how.version);
    SSL_CTX_set_security_level(context, 0); // TLS 1.1 at all
  }
  with_pem(how.trusted, [&](BIO* in) {
    X509* authority = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority);
    X509_free(authority);
  });
  if (!how.own.key_pem.empty()) {
    with_pem(how.own.certificate_pem, [&](BIO* in) {
      X509* own = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
      SSL_CTX_use_certificate(context, own);
      X509_free(own);
    });
    with_pem(how.own.key_pem, [&](BIO* in) {
      EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
      SSL_CTX_use_PrivateKey(context, key);
      EVP_PKEY_free(key);
    });
  }
  SSL* stream = SSL_new(context);
  int socket = connected(port);
  SSL_set_fd(stream, socket);
  if (SSL_connect(stream) == 1) {
    out.is_trusted = SSL_get_verify_result(stream) == X509_V_OK;
    char name[128] = "";
    X509* shown = SSL_get1_peer_certificate(stream);
    X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof(name));
    X509_free(shown);
    out.server = name;
    std::string_view rest = request;
    while (!rest.empty()) {
      auto piece = std::min<std::size_t>(rest.size(), 16384);
      if (SSL_write(stream, rest.data(), static_cast<int>(piece)) <= 0)
        break;
      rest.remove_prefix(piece);
    }
    char piece[4096];
    for (int got = 0; (got = SSL_read(stream, piece, sizeof(piece))) > 0;)
      out.answer.append(piece, static_cast<std::size_t>(got));
    SSL_shutdown(stream);
  }
  ERR_clear_error();
  SSL_free(stream);
  SSL_CTX_free(context);
  close(socket);
  return out;
}

constexpr auto question = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

class server_tls_test : public testing::Test {
protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN); // OpenSSL writes without MSG_NOSIGNAL
    put(authority.issue_server("first"));
  }

  void put(const certificate& shown) const {
    folder.write("tls.crt", shown.certificate_pem);
    folder.write("tls.key", shown.key_pem);
  }

  server_tls_files files() const {
    return {
        {"--cert", folder.path("tls.crt")}, {"--key", folder.path("tls.key")}, {"--client-ca", client_ca}};
  }

  void start() {
    auto tls = server_tls::load(files());
    ASSERT_TRUE(tls) << tls.error();
    http_server::settings with;
    with.address = {"127.0.0.1", 0};
    with.routes = {{"GET", "/healthz",
                    [](const server_request&) {
                      return server_response{200, "ok\n"};
                    }},
                   {"POST", "/", [](const server_request& request) {
                      return server_response{200, std::to_string(request.body.size()) + '\n'};
                    }}};
    with.tls = std::move(*tls);
    with.limits.renewal_interval = 20ms;
    with.renewed = [this](const std::string& problem) {
      std::lock_guard guard{mutex};
      renewals.push_back(problem);
      ++renewal_count;
      renewal_count.notify_all();
    };
    with.handshake_failed = [this](const std::string& problem) {
      std::lock_guard guard{mutex};
      failures.push_back(problem);
    };
    auto made = http_server::start(std::move(with));
    ASSERT_TRUE(made) << made.error();
    server = std::move(*made);
  }

  std::string problem_of_loading() const {
    auto made = server_tls::load(files());
    return made ? "no problem" : made.error();
  }

  /// Waits for the next renewal after `known` and returns what was told of it.
  std::string next_renewal(int known) {
    renewal_count.wait(known);
    std::lock_guard guard{mutex};
    return renewals.back();
  }

  certificate_authority authority;
  temporary_folder folder;
  std::string client_ca;
  std::mutex mutex;
  std::vector<std::string> renewals, failures;
  std::atomic<int> renewal_count{0};
  std::unique_ptr<http_server> server; // last: its thread uses the above
};

} // namespace

TEST_F(server_tls_test, answers_over_tls_1_2_and_1_3_and_nothing_older) {
  start();
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION, 0}) {
    auto seen = ask(server->port(), {authority.pem(), {}, version}, question);
    EXPECT_THAT(seen.answer, EndsWith("\r\n\r\nok\n")) << version;
    EXPECT_TRUE(seen.is_trusted);
  }
  EXPECT_THAT(ask(server->port(), {authority.pem(), {}, TLS1_1_VERSION}, question).answer, IsEmpty());
  server->stop();
  EXPECT_EQ(failures.size(), 1U);
}

TEST_F(server_tls_test, a_client_that_speaks_no_tls_gets_nothing_and_is_counted) {
  start();
  int socket = connected(server->port());
  ASSERT_GT(send(socket, question, std::string_view{question}.size(), MSG_NOSIGNAL), 0);
  char piece[256];
  auto got = recv(socket, piece, sizeof(piece), 0);
  EXPECT_FALSE(got > 4 && std::string_view(piece, 4) == "HTTP");
  close(socket);
  server->stop();
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_THAT(failures[0], HasSubstr("http request"));
}

TEST_F(server_tls_test, large_bodies_arrive_and_too_large_ones_are_answered) {
  start();
  auto post = [&](std::size_t size) {
    return ask(server->port(), {authority.pem(), {}, 0},
               "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + std::to_string(size) +
                   "\r\n\r\n" + std::string(size, 'x'))
        .answer;
  };
  EXPECT_THAT(post(900'000), EndsWith("\r\n\r\n900000\n"));
  EXPECT_THAT(post((1U << 20U) + 100'000), StartsWith("HTTP/1.1 413"));
}

TEST_F(server_tls_test, with_an_authority_for_clients_only_theirs_are_served) {
  certificate_authority clients{"clients"};
  client_ca = folder.write("clients.crt", clients.pem());
  start();
  EXPECT_THAT(ask(server->port(), {authority.pem(), clients.issue_client("flux"), 0}, question).answer,
              HasSubstr("200 OK"));
  EXPECT_THAT(ask(server->port(), {authority.pem(), {}, 0}, question).answer, IsEmpty());
  EXPECT_THAT(ask(server->port(), {authority.pem(), authority.issue_client("flux"), 0}, question).answer,
              IsEmpty());
  EXPECT_THAT(
      ask(server->port(), {authority.pem(), clients.issue_client("flux", tc::testing::expired), 0}, question)
          .answer,
      IsEmpty());
}

TEST_F(server_tls_test, a_renewed_certificate_is_used_without_a_restart) {
  start();
  EXPECT_EQ(ask(server->port(), {authority.pem(), {}, 0}, question).server, "first");
  // An open connection goes on with what it began with.
  auto renewed = authority.issue_server("second");
  folder.write("tls.crt", renewed.certificate_pem);
  auto problem = next_renewal(0);
  EXPECT_THAT(problem, HasSubstr("--key: " + folder.path("tls.key") +
                                 " is not the key of the certificate in " + folder.path("tls.crt")));
  EXPECT_EQ(ask(server->port(), {authority.pem(), {}, 0}, question).server, "first");
  folder.write("tls.key", renewed.key_pem);
  EXPECT_EQ(next_renewal(1), "");
  EXPECT_EQ(ask(server->port(), {authority.pem(), {}, 0}, question).server, "second");
}

TEST_F(server_tls_test, a_bad_renewal_leaves_the_former_certificate_and_is_told_once) {
  start();
  folder.write("tls.crt", "-----BEGIN CERTIFICATE-----\nhalf of it");
  EXPECT_THAT(next_renewal(0),
              HasSubstr("--cert: " + folder.path("tls.crt") + " holds no certificate in PEM"));
  EXPECT_THAT(ask(server->port(), {authority.pem(), {}, 0}, question).answer, HasSubstr("200 OK"));
  unlink(folder.path("tls.crt").c_str());
  EXPECT_THAT(next_renewal(1), HasSubstr("cannot be read: No such file"));
  EXPECT_THAT(ask(server->port(), {authority.pem(), {}, 0}, question).answer, HasSubstr("200 OK"));
  put(authority.issue_server("second"));
  // The two files are written one after the other, and that moment may last on a busy machine.
  for (int known = 2; !next_renewal(known).empty();)
    known = renewal_count;
  EXPECT_EQ(ask(server->port(), {authority.pem(), {}, 0}, question).server, "second");
  server->stop();
  EXPECT_LE(renewals.size(), 4U);
}

TEST_F(server_tls_test, files_that_are_no_good_are_named_with_their_flag_and_what_to_do) {
  EXPECT_EQ(problem_of_loading(), "no problem");
  folder.write("tls.key", "nothing");
  EXPECT_EQ(problem_of_loading(),
            "--key: " + folder.path("tls.key") +
                " holds no private key in PEM; give the key that belongs to the certificate, "
                "without a password");
  folder.write("tls.key", authority.issue_server("other").key_pem);
  EXPECT_THAT(problem_of_loading(), HasSubstr("is not the key of the certificate"));
  folder.write("tls.crt", "");
  EXPECT_THAT(problem_of_loading(),
              StartsWith("--cert: " + folder.path("tls.crt") + " holds no certificate in PEM"));
  put(authority.issue_server("first"));
  client_ca = folder.write("clients.crt", "nothing");
  EXPECT_THAT(problem_of_loading(), StartsWith("--client-ca: " + client_ca + " holds no certificate in PEM"));
  client_ca = folder.path("gone.crt");
  EXPECT_EQ(problem_of_loading(),
            "--client-ca: " + client_ca +
                " cannot be read: No such file or directory; mount the Secret that holds it, "
                "or correct the path");
}
