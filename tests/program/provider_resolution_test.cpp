// Where and how a Provider's traces go, by every key of its Secrets.

#include "runtime/program/provider_resolution.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace tc;
using namespace tc::runtime;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

namespace {

provider_resource backend(std::string type = "otlp", std::string address = "http://collector:4318") {
  provider_resource out;
  out.namespace_name = "flux-system";
  out.name = "backend";
  out.type = std::move(type);
  out.address = std::move(address);
  out.secret_name = "auth";
  out.cert_secret_name = "tls";
  return out;
}

resolved_provider resolve(const provider_resource& provider, const provider_secrets& secrets) {
  auto out = resolve_provider(provider, secrets);
  EXPECT_TRUE(out) << (out ? "" : out.error().message);
  return out ? *out : resolved_provider{};
}

provider_problem problem_of(const provider_resource& provider, const provider_secrets& secrets) {
  auto out = resolve_provider(provider, secrets);
  EXPECT_FALSE(out);
  return out ? provider_problem{} : out.error();
}

provider_secrets with_auth(secret_data auth) {
  return {std::move(auth), {}, {}};
}

} // namespace

TEST(provider_resolution, without_secrets_the_address_decides) {
  auto provider = backend();
  provider.timeout = std::chrono::seconds{3};
  auto out = resolve(provider, {});
  EXPECT_EQ(out.target.url, "http://collector:4318/v1/traces");
  EXPECT_EQ(out.options.timeout, std::chrono::seconds{3});
  EXPECT_THAT(out.options.headers, IsEmpty());
  EXPECT_EQ(out.options.tls, nullptr);
  EXPECT_FALSE(out.options.proxy);
}

TEST(provider_resolution, the_address_of_the_secret_wins) {
  auto out = resolve(backend(), with_auth({{"address", "https://other\n"}}));
  EXPECT_EQ(out.target.url, "https://other/v1/traces");
}

TEST(provider_resolution, a_provider_without_any_address_is_invalid) {
  auto problem = problem_of(backend("otlp", ""), with_auth({{"token", "t"}}));
  EXPECT_EQ(problem.reason, "ProviderInvalid");
  EXPECT_THAT(problem.message, HasSubstr("'flux-system/backend' has no address: set spec.address"));
}

TEST(provider_resolution, types_of_notification_controller_are_refused_by_name) {
  auto problem = problem_of(backend("slack"), {});
  EXPECT_EQ(problem.reason, "ProviderTypeUnsupported");
  EXPECT_THAT(problem.message,
              HasSubstr("has type 'slack'; traces go to types otel, otlp, jaeger and zipkin"));
  for (const auto* type : {"otel", "otlp", "jaeger", "zipkin"})
    EXPECT_TRUE(is_tracing_type(type)) << type;
  EXPECT_FALSE(is_tracing_type("OTLP"));
}

TEST(provider_resolution, a_token_is_a_bearer_token) {
  for (const auto* key : {"token", "bearerToken"}) {
    auto out = resolve(backend(), with_auth({{key, "s3cret\n"}}));
    EXPECT_THAT(out.options.headers, ElementsAre(Pair("Authorization", "Bearer s3cret"))) << key;
  }
  EXPECT_THAT(resolve(backend(), with_auth({{"token", "\n"}})).options.headers, IsEmpty());
}

TEST(provider_resolution, username_and_password_are_basic_authentication) {
  auto out = resolve(backend(), with_auth({{"username", "u"}, {"password", "p:q"}}));
  EXPECT_EQ(out.options.user_and_password, "u:p:q");
  out = resolve(backend("otlp", "http://a:b@collector"), {});
  EXPECT_EQ(out.options.user_and_password, "a:b");
  EXPECT_THAT(out.target.url, Not(HasSubstr("a:b")));
  out = resolve(backend("otlp", "http://a:b@collector"), with_auth({{"username", "u"}, {"password", "p"}}));
  EXPECT_EQ(out.options.user_and_password, "u:p");
}

TEST(provider_resolution, headers_are_a_yaml_map) {
  auto out = resolve(backend(), with_auth({{"headers", "X-Team: delivery\nX-Number: 7\nX-Empty:\n"}}));
  EXPECT_THAT(out.options.headers,
              ElementsAre(Pair("X-Team", "delivery"), Pair("X-Number", "7"), Pair("X-Empty", "")));
}

TEST(provider_resolution, a_header_wins_over_the_token_in_any_case) {
  for (const auto* name : {"Authorization", "authorization"}) {
    auto out = resolve(backend(), with_auth({{"token", "t"}, {"headers", std::string{name} + ": ApiKey k"}}));
    EXPECT_THAT(out.options.headers, ElementsAre(Pair(name, "ApiKey k")));
  }
}

TEST(provider_resolution, certificates_by_both_of_their_names) {
  provider_secrets secrets;
  secrets.cert = {{"ca.crt", "CA"}, {"tls.crt", "CERT"}, {"tls.key", "KEY"}};
  auto out = resolve(backend(), secrets);
  ASSERT_NE(out.options.tls, nullptr);
  EXPECT_EQ(out.options.tls->ca_pem, "CA");
  EXPECT_EQ(out.options.tls->certificate_pem, "CERT");
  EXPECT_EQ(out.options.tls->key_pem, "KEY");
  EXPECT_TRUE(out.options.tls->verify);

  secrets.cert = {{"caFile", "CA"}, {"certFile", "CERT"}, {"keyFile", "KEY"}};
  EXPECT_EQ(*resolve(backend(), secrets).options.tls, *out.options.tls);

  out = resolve(backend(), with_auth({{"ca.crt", "CA"}}));
  ASSERT_NE(out.options.tls, nullptr);
  EXPECT_EQ(out.options.tls->ca_pem, "CA");
}

TEST(provider_resolution, half_a_client_certificate_is_refused) {
  for (const auto* key : {"tls.crt", "tls.key"}) {
    provider_secrets secrets;
    secrets.cert = {{key, "PLANTED"}};
    auto problem = problem_of(backend(), secrets);
    EXPECT_THAT(problem.message, HasSubstr("Secret 'flux-system/tls'"));
    EXPECT_THAT(problem.message, HasSubstr("belong together"));
  }
}

TEST(provider_resolution, a_proxy_needs_its_address) {
  auto provider = backend();
  provider.proxy_secret_name = "proxy";
  auto problem = problem_of(provider, {});
  EXPECT_THAT(problem.message, HasSubstr("Secret 'flux-system/proxy'"));
  EXPECT_THAT(problem.message, HasSubstr("key 'address' is missing"));

  provider_secrets secrets;
  secrets.proxy = {{"address", "http://proxy:3128\n"}, {"username", "u"}, {"password", "p"}};
  auto out = resolve(provider, secrets);
  EXPECT_EQ(out.options.proxy, "http://proxy:3128");
  EXPECT_EQ(out.options.proxy_user_and_password, "u:p");
}

TEST(provider_resolution, what_is_wrong_with_a_secret_is_said_without_its_value) {
  const std::vector<secret_data> wrong{
      {{"token", "PLANTED\nX: y"}},
      {{"headers", "PLANTED"}},
      {{"headers", "- PLANTED"}},
      {{"headers", "X: [PLANTED"}},
      {{"headers", "X: [PLANTED]"}},
      {{"headers", "X: \"PLANTED\\nY: z\""}},
      {{"headers", "\"PLANTED\\nY\": z"}},
      {{"headers", "PLAN TED: z"}},
      {{"headers", "\"\": PLANTED"}},
      {{"headers", "'A:PLANTED': z"}},
      {{"address", "http://PLANTED@:4318"}},
      {{"address", "http://user:PLANTED@host:99999"}},
      {{"address", "http://PLANTED space"}},
      {{"address", "http://host:14268/api/traces?key=PLANTED"}, {"token", "t"}},
  };
  for (const auto& data : wrong) {
    SCOPED_TRACE(data.begin()->first + ": " + data.begin()->second);
    auto problem = problem_of(backend("jaeger"), with_auth(data));
    EXPECT_EQ(problem.reason, "ProviderInvalid");
    EXPECT_THAT(problem.message, Not(HasSubstr("PLANTED")));
    EXPECT_THAT(problem.message, Not(HasSubstr("PLAN TED")));
    EXPECT_THAT(problem.message, HasSubstr(data.begin()->first));
  }
}
