// OTEL_* variables.

#include "export/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace tc::exporting {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

export_environment read(const std::map<std::string, std::string>& variables) {
  return read_export_environment([&](const char* name) -> std::optional<std::string> {
    auto found = variables.find(name);
    if (found == variables.end())
      return std::nullopt;
    return found->second;
  });
}

TEST(export_environment, asks_for_nothing_when_nothing_is_set) {
  auto found = read({{"OTEL_EXPORTER_OTLP_ENDPOINT", ""}, {"OTEL_EXPORTER_OTLP_TIMEOUT", " "}});
  EXPECT_EQ(found.endpoint, "");
  EXPECT_FALSE(found.transport || found.gzip || found.timeout || found.insecure);
  EXPECT_THAT(found.headers, IsEmpty());
  EXPECT_THAT(found.warnings, IsEmpty());
}

TEST(export_environment, appends_the_path_to_the_base_endpoint_only) {
  EXPECT_EQ(read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"}}).endpoint, "http://c:4318/v1/traces");
  EXPECT_EQ(read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c/base/"}}).endpoint, "http://c/base/v1/traces");
  EXPECT_EQ(read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c/base?k=v"}}).endpoint,
            "http://c/base/v1/traces?k=v");
  EXPECT_EQ(read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"},
                  {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/own"}})
                .endpoint,
            "http://t/own");
  EXPECT_EQ(read({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:4318"}}).endpoint, "http://t:4318/");
}

TEST(export_environment, gives_grpc_the_endpoint_without_a_path) {
  auto found =
      read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}});
  EXPECT_EQ(found.transport, protocol::otlp_grpc);
  EXPECT_EQ(found.endpoint, "http://c:4317");
}

TEST(export_environment, prefers_the_variables_for_traces) {
  auto found = read({{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
                     {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"},
                     {"OTEL_EXPORTER_OTLP_HEADERS", "a=1"},
                     {"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"},
                     {"OTEL_EXPORTER_OTLP_TIMEOUT", "1"},
                     {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"},
                     {"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"},
                     {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"},
                     {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca"},
                     {"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/traces-ca"},
                     {"OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"},
                     {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/certificate"},
                     {"OTEL_EXPORTER_OTLP_INSECURE", "True"}});
  EXPECT_EQ(found.transport, protocol::otlp_http_json);
  EXPECT_THAT(found.headers, ElementsAre(Pair("b", "2")));
  EXPECT_EQ(found.timeout, std::chrono::milliseconds{2500});
  EXPECT_EQ(found.gzip, false);
  EXPECT_EQ(found.certificate_file, "/traces-ca");
  EXPECT_EQ(found.client_key_file, "/key");
  EXPECT_EQ(found.client_certificate_file, "/certificate");
  EXPECT_TRUE(found.insecure);
}

TEST(export_environment, decodes_headers) {
  auto found = read({{"OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b%3D, Authorization = Bearer x=y ,,"}});
  EXPECT_THAT(found.headers, ElementsAre(Pair("api-key", "a b="), Pair("Authorization", "Bearer x=y")));
  EXPECT_THAT(found.warnings, IsEmpty());
}

TEST(export_environment, warns_of_wrong_headers_without_showing_them) {
  auto found =
      read({{"OTEL_EXPORTER_OTLP_HEADERS", "hunter2,x=%0d%0ahunter2,bad name=hunter2,y=%zz,good=1"}});
  EXPECT_THAT(found.headers, ElementsAre(Pair("good", "1")));
  ASSERT_EQ(found.warnings.size(), 4U);
  for (const auto& warning : found.warnings) {
    EXPECT_THAT(warning, HasSubstr("OTEL_EXPORTER_OTLP_HEADERS"));
    EXPECT_THAT(warning, Not(HasSubstr("hunter2")));
  }
}

TEST(export_environment, warns_of_wrong_values_and_ignores_them) {
  auto found = read({{"OTEL_EXPORTER_OTLP_PROTOCOL", "thrift"},
                     {"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"},
                     {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s"},
                     {"OTEL_BSP_MAX_QUEUE_SIZE", "0"},
                     {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1"},
                     {"OTEL_BSP_SCHEDULE_DELAY", "soon"}});
  EXPECT_FALSE(found.transport || found.gzip || found.timeout || found.queue_spans || found.batch_spans ||
               found.schedule_delay);
  EXPECT_THAT(found.warnings,
              ElementsAre(HasSubstr("thrift"), HasSubstr("zstd"), HasSubstr("10s"),
                          HasSubstr("MAX_QUEUE_SIZE"), HasSubstr("BATCH_SIZE"), HasSubstr("soon")));
}

TEST(export_environment, reads_the_resource) {
  auto found = read({{"OTEL_RESOURCE_ATTRIBUTES", "service.name=a,team=b%2Cc"}});
  EXPECT_EQ(found.service_name, "a");
  EXPECT_EQ(found.resource_attributes, (std::vector<attribute>{{"team", "b,c"}}));
  EXPECT_EQ(
      read({{"OTEL_RESOURCE_ATTRIBUTES", "service.name=a"}, {"OTEL_SERVICE_NAME", "wins"}}).service_name,
      "wins");
}

} // namespace
} // namespace tc::exporting
