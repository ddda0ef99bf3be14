#include "tests/runtime/http_client/fetch.hpp"
#include "tests/support/certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace tc::runtime;
using namespace tc::testing;
using ::testing::HasSubstr;

namespace {

scripted_response answer(const scripted_request& request) {
  return scripted_response::json(request.client_subject + "@" + request.header("host"));
}

http_result get(const std::string& url, tls_options tls) {
  http_loop loop;
  http_request request;
  request.url = url;
  request.tls = std::make_shared<tls_options>(std::move(tls));
  return fetch(loop, std::move(request));
}

server_tls as_server(const certificate& shown, std::string client_ca = {}) {
  return {shown.certificate_pem, shown.key_pem, std::move(client_ca)};
}

} // namespace

TEST(tls, a_server_of_the_given_authority_is_trusted) {
  certificate_authority authority;
  scripted_server server{answer, as_server(authority.issue_server())};
  EXPECT_TRUE(get(server.url(), {.ca_pem = authority.pem()}).ok());
}

TEST(tls, another_authority_is_refused) {
  certificate_authority authority;
  certificate_authority other{"other"};
  scripted_server server{answer, as_server(authority.issue_server())};
  for (const auto& tls : {tls_options{}, tls_options{.ca_pem = other.pem()}}) {
    auto result = get(server.url(), tls);
    EXPECT_EQ(result.failure, http_failure::tls);
    EXPECT_THAT(result.error, HasSubstr("certificate"));
  }
  EXPECT_TRUE(get(server.url(), {.verify = false}).ok());
  EXPECT_TRUE(server.requests().size() == 1); // nothing was sent to a server that was not trusted
}

TEST(tls, an_expired_server_certificate_says_so) {
  certificate_authority authority;
  scripted_server server{answer, as_server(authority.issue_server("localhost", expired))};
  auto result = get(server.url(), {.ca_pem = authority.pem()});
  EXPECT_EQ(result.failure, http_failure::tls);
  EXPECT_THAT(result.error, HasSubstr("expired"));
}

TEST(tls, the_name_to_verify_may_differ_from_the_host) {
  certificate_authority authority;
  scripted_server server{answer, as_server(authority.issue_server("kubernetes.default"))};
  auto right = get(server.url(), {.ca_pem = authority.pem(), .server_name = "kubernetes.default"});
  EXPECT_TRUE(right.ok()) << right.error;
  EXPECT_EQ(right.body, "@127.0.0.1:" + std::to_string(server.port()));
  auto wrong = get(server.url(), {.ca_pem = authority.pem(), .server_name = "elsewhere"});
  EXPECT_EQ(wrong.failure, http_failure::tls);
}

TEST(tls, shows_a_client_certificate) {
  certificate_authority authority;
  auto client = authority.issue_client("flux-admin");
  scripted_server server{answer, as_server(authority.issue_server(), authority.pem())};
  auto result =
      get(server.url(),
          {.ca_pem = authority.pem(), .certificate_pem = client.certificate_pem, .key_pem = client.key_pem});
  EXPECT_TRUE(result.ok()) << result.error;
  EXPECT_THAT(result.body, HasSubstr("flux-admin@"));
  EXPECT_FALSE(get(server.url(), {.ca_pem = authority.pem()}).ok());
}

TEST(tls, an_expired_client_certificate_is_a_tls_failure) {
  certificate_authority authority;
  auto client = authority.issue_client("late", expired);
  scripted_server server{answer, as_server(authority.issue_server(), authority.pem())};
  auto result =
      get(server.url(),
          {.ca_pem = authority.pem(), .certificate_pem = client.certificate_pem, .key_pem = client.key_pem});
  EXPECT_FALSE(result.ok());
  EXPECT_TRUE(result.failure == http_failure::tls || result.failure == http_failure::interrupted)
      << to_string(result.failure) << result.error;
}

TEST(tls, a_client_certificate_that_is_none_is_invalid) {
  certificate_authority authority;
  scripted_server server{answer, as_server(authority.issue_server())};
  auto result = get(server.url(), {.ca_pem = authority.pem(), .certificate_pem = "x", .key_pem = "y"});
  EXPECT_EQ(result.failure, http_failure::invalid);
}
