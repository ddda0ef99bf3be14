// What each variable of OpenTelemetry does for a Provider that leaves it open, and that docs/exporting.md
// lists them all.

#include "runtime/program/provider_resolution.hpp"

#include "export/delivery_queue.hpp"
#include "export/environment.hpp"
#include "runtime/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

using namespace tc;
using namespace tc::runtime;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

namespace {

using variables = std::map<std::string, std::string>;

exporting::export_environment environment_of(const variables& set) {
  return exporting::read_export_environment([&](const char* name) -> std::optional<std::string> {
    auto found = set.find(name);
    return found == set.end() ? std::nullopt : std::optional{found->second};
  });
}

provider_resource backend(std::string address = {}, std::string type = "otlp") {
  provider_resource out;
  out.namespace_name = "flux-system";
  out.name = "backend";
  out.type = std::move(type);
  out.address = std::move(address);
  return out;
}

tl::expected<std::string, std::string> content_of(const std::string& path) {
  if (path == "/gone")
    return tl::unexpected<std::string>("No such file or directory");
  return "PEM of " + path;
}

/// A Provider as it is used under these variables.
resolved_provider used(const variables& set, const provider_resource& provider = backend("https://own"),
                       const provider_secrets& secrets = {}, bool tenants = false) {
  auto out = resolve_provider(provider, secrets, {environment_of(set), tenants});
  EXPECT_TRUE(out) << (out ? "" : out.error().message);
  if (!out)
    return {};
  auto read = read_default_files(*out, content_of);
  EXPECT_TRUE(read) << (read ? "" : read.error());
  return *out;
}

std::string target(const variables& set, const provider_resource& provider) {
  auto out = used(set, provider).target;
  return std::string{to_string(out.transport)} + ' ' + out.url;
}

std::string pem(const resolved_provider& from, std::string tls_options::*which) {
  return from.options.tls ? (*from.options.tls).*which : "";
}

pool_options pool_under(const variables& set, std::vector<const char*> more = {}) {
  surroundings world = surroundings::of_process();
  world.environment = [&](std::string_view name) -> std::optional<std::string> {
    auto found = set.find(std::string{name});
    return found == set.end() ? std::nullopt : std::optional{found->second};
  };
  std::vector<const char*> words{"trace-controller", "run"};
  words.insert(words.end(), more.begin(), more.end());
  auto parsed = parse(static_cast<int>(words.size()), words.data(), world);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? std::get<run_options>(*parsed).pool : pool_options{};
}

const std::string prefix = "OTEL_EXPORTER_OTLP_";
const std::string traces_prefix = "OTEL_EXPORTER_OTLP_TRACES_";

/// The variables of the table in docs/exporting.md.
std::set<std::string> documented() {
  std::ifstream in{TC_SOURCE_DIR "/docs/exporting.md"};
  std::set<std::string> out;
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("| `OTEL_"))
      out.insert(line.substr(3, line.find('`', 3) - 3));
  return out;
}

} // namespace

TEST(provider_defaults, every_variable_sets_its_default_and_is_documented) {
  std::set<std::string> checked;
  // Sets a variable, and its form for traces over another value: what is read must change with each.
  auto changes = [&](const std::string& setting, const std::string& one, const std::string& other,
                     const variables& beside, auto reads) {
    checked.insert(prefix + setting);
    auto with = [&](const variables& more) {
      auto set = beside;
      set.insert(more.begin(), more.end());
      return reads(set);
    };
    auto neither = with({});
    auto general = with({{prefix + setting, one}});
    auto specific = with({{prefix + setting, one}, {traces_prefix + setting, other}});
    EXPECT_NE(neither, general) << setting;
    EXPECT_NE(general, specific) << setting << " for traces";
    EXPECT_EQ(with({{prefix + setting, ""}}), neither) << setting << " empty";
  };
  auto nowhere = [](const variables& set) {
    return resolve_provider(backend(), {}, {environment_of(set), false}).has_value() ? target(set, backend())
                                                                                     : std::string{"nowhere"};
  };
  changes("ENDPOINT", "http://one:4318", "http://two:4318/own", {}, nowhere);
  changes("INSECURE", "true", "false", {{prefix + "ENDPOINT", "one:4317"}, {prefix + "PROTOCOL", "grpc"}},
          [&](const variables& set) {
            // "false" for traces is the default again, so that it does not differ from nothing: count it
            // apart.
            return nowhere(set) + (set.count(traces_prefix + "INSECURE") > 0 ? " for traces" : "");
          });
  changes("PROTOCOL", "grpc", "http/json", {},
          [](const variables& set) { return target(set, backend("https://own")); });
  changes("HEADERS", "a=1", "b=2", {}, [](const variables& set) { return used(set).options.headers; });
  changes("COMPRESSION", "none", "gzip", {}, [](const variables& set) {
    return std::pair{used(set).options.gzip, set.count(traces_prefix + "COMPRESSION")};
  });
  changes("TIMEOUT", "1000", "2000", {}, [](const variables& set) { return used(set).options.timeout; });
  changes("CERTIFICATE", "/one", "/two", {},
          [](const variables& set) { return pem(used(set), &tls_options::ca_pem); });
  changes("CLIENT_CERTIFICATE", "/one", "/two", {{prefix + "CLIENT_KEY", "/key"}}, [](const variables& set) {
    return set.size() < 2 || set.at(prefix + "CLIENT_CERTIFICATE").empty()
               ? ""
               : pem(used(set), &tls_options::certificate_pem);
  });
  changes("CLIENT_KEY", "/one", "/two", {{prefix + "CLIENT_CERTIFICATE", "/certificate"}},
          [](const variables& set) {
            return set.size() < 2 || set.at(prefix + "CLIENT_KEY").empty()
                       ? ""
                       : pem(used(set), &tls_options::key_pem);
          });

  EXPECT_EQ(environment_of({{"OTEL_SERVICE_NAME", "mine"}}).service_name, "mine");
  EXPECT_EQ(environment_of({{"OTEL_RESOURCE_ATTRIBUTES", "team=a"}}).resource_attributes,
            (std::vector<attribute>{{"team", "a"}}));
  EXPECT_EQ(pool_under({{"OTEL_BSP_MAX_QUEUE_SIZE", "2048"}}).exporter_queue_spans, 2048U);
  EXPECT_EQ(
      pool_under({{"OTEL_BSP_MAX_QUEUE_SIZE", "2048"}}, {"--exporter-queue-spans=5"}).exporter_queue_spans,
      5U);
  EXPECT_EQ(pool_under({{"OTEL_BSP_MAX_QUEUE_SIZE", "many"}}).exporter_queue_spans,
            pool_options{}.exporter_queue_spans);
  EXPECT_EQ(environment_of({{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512"}}).batch_spans, 512U);
  EXPECT_EQ(environment_of({{"OTEL_BSP_SCHEDULE_DELAY", "5000"}}).schedule_delay, std::chrono::seconds{5});
  EXPECT_EQ(used({{"OTEL_BSP_EXPORT_TIMEOUT", "30000"}}).options.timeout, std::chrono::seconds{30});
  EXPECT_EQ(used({{"OTEL_BSP_EXPORT_TIMEOUT", "30000"}, {prefix + "TIMEOUT", "10000"}}).options.timeout,
            std::chrono::seconds{10});
  for (const auto* name :
       {"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT"})
    checked.insert(name);
  EXPECT_EQ(checked, documented());
}

TEST(provider_defaults, what_a_provider_says_wins) {
  const variables all = {{prefix + "ENDPOINT", "http://default:4318"},
                         {prefix + "PROTOCOL", "http/json"},
                         {prefix + "HEADERS", "X-Scope=env,Authorization=Bearer%20env,X-More=env"},
                         {prefix + "TIMEOUT", "1000"},
                         {prefix + "CERTIFICATE", "/ca"},
                         {prefix + "CLIENT_CERTIFICATE", "/crt"},
                         {prefix + "CLIENT_KEY", "/key"}};
  auto own = backend("grpcs://own");
  own.timeout = std::chrono::seconds{7};
  own.secret_name = "auth";
  own.cert_secret_name = "tls";
  auto out = used(all, own,
                  {{{"username", "u"}, {"password", "p"}, {"headers", "x-scope: mine"}},
                   {{"ca.crt", "CA"}, {"tls.crt", "CRT"}, {"tls.key", "KEY"}},
                   {}});
  EXPECT_EQ(out.target.url, "https://own");
  EXPECT_EQ(out.target.transport, exporting::protocol::otlp_grpc);
  EXPECT_EQ(out.options.timeout, std::chrono::seconds{7});
  EXPECT_THAT(out.options.headers, ElementsAre(Pair("x-scope", "mine"), Pair("X-More", "env")));
  EXPECT_EQ(out.options.user_and_password, "u:p");
  EXPECT_EQ(pem(out, &tls_options::ca_pem), "CA");
  EXPECT_EQ(pem(out, &tls_options::certificate_pem), "CRT");
  EXPECT_EQ(pem(out, &tls_options::key_pem), "KEY");
}

TEST(provider_defaults, the_endpoint_of_the_environment_is_read_as_the_specification_has_it) {
  auto reached = [](const variables& set) { return target(set, backend()); };
  EXPECT_EQ(reached({{prefix + "ENDPOINT", "http://c:4318"}}), "http/protobuf http://c:4318/v1/traces");
  EXPECT_EQ(reached({{prefix + "ENDPOINT", "https://c/base"}, {prefix + "PROTOCOL", "http/json"}}),
            "http/json https://c/base/v1/traces");
  EXPECT_EQ(reached({{prefix + "ENDPOINT", "http://c:4318"}, {prefix + "PROTOCOL", "grpc"}}),
            "grpc http://c:4318");
  EXPECT_EQ(reached({{prefix + "ENDPOINT", "c:9000"}, {prefix + "PROTOCOL", "grpc"}}), "grpc https://c:9000");
  EXPECT_EQ(
      reached(
          {{prefix + "ENDPOINT", "c:9000"}, {prefix + "PROTOCOL", "grpc"}, {prefix + "INSECURE", "true"}}),
      "grpc http://c:9000");
  EXPECT_FALSE(resolve_provider(backend("", "zipkin"), {},
                                {environment_of({{prefix + "ENDPOINT", "http://c"}}), false}));
}

TEST(provider_defaults, zipkin_is_no_otlp) {
  auto out = used({{prefix + "HEADERS", "a=1"},
                   {prefix + "COMPRESSION", "none"},
                   {prefix + "TIMEOUT", "1"},
                   {prefix + "CERTIFICATE", "/ca"}},
                  backend("https://zipkin", "zipkin"));
  EXPECT_THAT(out.options.headers, IsEmpty());
  EXPECT_TRUE(out.options.gzip);
  EXPECT_EQ(out.options.tls, nullptr);
}

TEST(provider_defaults, with_tenants_the_controllers_credentials_go_only_where_they_belong) {
  const variables set = {{prefix + "ENDPOINT", "https://collector:4318"},
                         {prefix + "HEADERS", "Authorization=secret"},
                         {prefix + "CLIENT_CERTIFICATE", "/crt"},
                         {prefix + "CLIENT_KEY", "/key"},
                         {prefix + "CERTIFICATE", "/ca"}};
  auto elsewhere = used(set, backend("https://tenant:4318"), {}, true);
  EXPECT_THAT(elsewhere.options.headers, IsEmpty());
  EXPECT_EQ(pem(elsewhere, &tls_options::key_pem), "");
  EXPECT_EQ(pem(elsewhere, &tls_options::ca_pem), "PEM of /ca") << "whom to trust is no credential";
  for (const auto* address : {"", "https://collector:4318", "https://collector:4318/v1/traces"}) {
    auto there = used(set, backend(address), {}, true);
    EXPECT_THAT(there.options.headers, Contains(Pair("Authorization", "secret"))) << address;
    EXPECT_EQ(pem(there, &tls_options::key_pem), "PEM of /key") << address;
  }
  EXPECT_THAT(used(set, backend("https://own"), {}, false).options.headers,
              Contains(Pair("Authorization", "secret")));
  EXPECT_THAT(used({{prefix + "HEADERS", "a=1"}}, backend("https://own"), {}, true).options.headers,
              IsEmpty());
}

TEST(provider_defaults, a_file_that_cannot_be_read_is_named_with_its_variable) {
  auto problem = [](const variables& set) {
    auto out = resolve_provider(backend("https://own"), {}, {environment_of(set), false});
    auto read = read_default_files(*out, content_of);
    return read ? "" : read.error();
  };
  EXPECT_EQ(problem({{prefix + "CERTIFICATE", "/gone"}}),
            "OTEL_EXPORTER_OTLP_CERTIFICATE: /gone cannot be read: No such file or directory; mount it, or "
            "unset the "
            "variable");
  EXPECT_THAT(problem({{prefix + "CLIENT_KEY", "/key"}}), HasSubstr("belong together"));
}
