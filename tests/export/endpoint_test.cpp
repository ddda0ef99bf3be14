// Where addresses lead, beyond the examples of the table in docs/exporting.md (endpoint_table_test.cpp).

#include "export/endpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tc::exporting {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct row {
  const char* type;
  const char* address;
  protocol transport;
  const char* url;
};

class resolves : public ::testing::TestWithParam<row> {};

TEST_P(resolves, to_protocol_and_url) {
  auto found = resolve_endpoint(GetParam().type, GetParam().address);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(to_string(found->transport), to_string(GetParam().transport));
  EXPECT_EQ(found->url, GetParam().url);
}

constexpr auto http = protocol::otlp_http_protobuf;
constexpr auto grpc = protocol::otlp_grpc;
constexpr auto zipkin = protocol::zipkin_json;

INSTANTIATE_TEST_SUITE_P(
    addresses, resolves,
    ::testing::Values(
        // A path is used as it is, with its query.
        row{"otel", "http://collector:4318/v1/traces", http, "http://collector:4318/v1/traces"},
        row{"otlp", "https://api.example.com/otlp/in?key=1", http, "https://api.example.com/otlp/in?key=1"},
        row{"otel", "http://collector:4317/v1/traces", http, "http://collector:4317/v1/traces"},
        row{"otel", "http://collector:4318/v1/traces/", http, "http://collector:4318/v1/traces/"},
        // Without a path the signal's path is appended.
        row{"otel", "http://collector:4318", http, "http://collector:4318/v1/traces"},
        row{"otlp", "https://collector/", http, "https://collector/v1/traces"},
        row{"otlp", "https://collector?key=1", http, "https://collector/v1/traces?key=1"},
        // Bare addresses.
        row{"otel", "collector:4318", http, "http://collector:4318/v1/traces"},
        row{"otel", "collector", http, "http://collector:4318/v1/traces"},
        row{"jaeger", "jaeger-collector.tracing", http, "http://jaeger-collector.tracing:4318/v1/traces"},
        row{"zipkin", "zipkin", zipkin, "http://zipkin:9411/api/v2/spans"},
        row{"otel", "[::1]:4318", http, "http://[::1]:4318/v1/traces"},
        row{"otel", "[fe80::1]", http, "http://[fe80::1]:4318/v1/traces"},
        // gRPC, by scheme or by port.
        row{"otel", "grpc://collector:9000", grpc, "http://collector:9000"},
        row{"otlp", "grpcs://collector", grpc, "https://collector"},
        row{"otlp", "collector:4317", grpc, "http://collector:4317"},
        row{"jaeger", "http://jaeger:4317", grpc, "http://jaeger:4317"},
        // Jaeger, by port.
        row{"jaeger", "http://jaeger:4318", http, "http://jaeger:4318/v1/traces"},
        row{"jaeger", "http://jaeger-collector.jaeger-system.svc.cluster.local:9411", zipkin,
            "http://jaeger-collector.jaeger-system.svc.cluster.local:9411/api/v2/spans"},
        row{"jaeger", "jaeger:9411", zipkin, "http://jaeger:9411/api/v2/spans"},
        row{"jaeger", "https://jaeger/api/v2/spans", zipkin, "https://jaeger/api/v2/spans"},
        row{"jaeger", "http://jaeger:9411/v1/traces", http, "http://jaeger:9411/v1/traces"},
        // Zipkin, whatever the port.
        row{"zipkin", "http://zipkin:80", zipkin, "http://zipkin:80/api/v2/spans"},
        row{"zipkin", "https://zipkin/prefix/api/v2/spans", zipkin, "https://zipkin/prefix/api/v2/spans"},
        // Schemes and what is left out.
        row{"otel", "HTTPS://Collector:4318", http, "https://Collector:4318/v1/traces"},
        row{"otel", "http://collector:4318#part", http, "http://collector:4318/v1/traces"}));

TEST(resolve_endpoint, lets_a_preference_decide_where_only_a_convention_would) {
  auto chosen = [](std::string_view address, protocol preferred) {
    auto found = resolve_endpoint("otel", address, preferred);
    return found ? std::string{to_string(found->transport)} + ' ' + found->url : found.error().message;
  };
  constexpr auto json = protocol::otlp_http_json;
  EXPECT_EQ(chosen("collector", json), "http/json http://collector:4318/v1/traces");
  EXPECT_EQ(chosen("http://collector/in", json), "http/json http://collector/in");
  EXPECT_EQ(chosen("collector:4317", json), "grpc http://collector:4317");
  EXPECT_EQ(chosen("collector", grpc), "grpc http://collector:4317");
  EXPECT_EQ(chosen("https://collector:9000", grpc), "grpc https://collector:9000");
  EXPECT_EQ(chosen("http://collector:4318", grpc), "http/protobuf http://collector:4318/v1/traces");
  EXPECT_EQ(chosen("http://collector:9000/in", grpc), "http/protobuf http://collector:9000/in");
  EXPECT_EQ(chosen("http+json://collector", grpc), "http/json http://collector/v1/traces");
  EXPECT_EQ(resolve_endpoint("zipkin", "zipkin", grpc)->transport, zipkin);
}

TEST(resolve_endpoint, takes_user_and_password_out_of_the_url) {
  auto found = resolve_endpoint("otel", "https://user:p%40ss@collector:4318/v1/traces?token=abc");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->user_and_password, "user:p@ss");
  EXPECT_EQ(found->url, "https://collector:4318/v1/traces?token=abc");
  EXPECT_EQ(found->for_display(), "https://collector:4318/v1/traces");
}

TEST(resolve_endpoint, says_what_is_wrong_and_what_to_do) {
  auto problem = [](std::string_view type, std::string_view address) {
    auto found = resolve_endpoint(type, address);
    return found ? "no error: " + found->url : found.error().message;
  };
  EXPECT_THAT(problem("slack", "http://x"), HasSubstr("use otel, otlp, jaeger or zipkin"));
  EXPECT_THAT(problem("otel", ""), HasSubstr("set spec.address"));
  EXPECT_THAT(problem("otel", "ftp://x"), HasSubstr("use http://"));
  EXPECT_THAT(problem("otel", "http://"), HasSubstr("no valid host"));
  EXPECT_THAT(problem("otel", "http://x y"), HasSubstr("space or a control character"));
  EXPECT_THAT(problem("otel", "http://x\r\nHost: y"), HasSubstr("space or a control character"));
  EXPECT_THAT(problem("otel", "http://x:99999"), HasSubstr("1 to 65535"));
  EXPECT_THAT(problem("otel", "http://x:"), HasSubstr("1 to 65535"));
  EXPECT_THAT(problem("otel", "http://[::1"), HasSubstr("no valid host"));
  EXPECT_THAT(problem("jaeger", "http://jaeger:14268/api/traces"), HasSubstr("use port 4318"));
  EXPECT_THAT(problem("jaeger", "jaeger:14250"), HasSubstr("use port 4318"));
  EXPECT_THAT(problem("zipkin", "grpc://zipkin"), HasSubstr("http:// or https://"));
}

TEST(resolve_endpoint, shows_no_credential_in_its_errors) {
  for (auto* address : {"ftp://user:hunter2@x/?key=hunter2", "http://user:hunter2@x:99999",
                        "http://user:hunter2@", "http://user:hunter2@x y"}) {
    auto found = resolve_endpoint("jaeger", address);
    ASSERT_FALSE(found) << address;
    EXPECT_THAT(found.error().message, Not(HasSubstr("hunter2")));
  }
}

} // namespace
} // namespace tc::exporting
