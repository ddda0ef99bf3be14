// Which Providers are ready for use, and when their Secrets are read, with a fake API server and clock.

#include "runtime/program/provider_registry.hpp"

#include "actors/exporter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

using namespace tc;
using namespace tc::runtime;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

namespace {

provider_resource backend(std::string secret = {}) {
  provider_resource out;
  out.namespace_name = "flux-system";
  out.name = "backend";
  out.uid = "provider-1";
  out.type = "otlp";
  out.address = "http://collector:4318";
  out.secret_name = std::move(secret);
  return out;
}

const secret_failure missing{true, false, "secrets \"auth\" not found"};
const secret_failure forbidden{false, true, "no access"};
const secret_failure unreadable{false, false, "connection refused"};

class provider_registry_test : public ::testing::Test {
protected:
  using done_function = std::function<void(provider_registry::secret_result)>;

  provider_registry_test()
      : registry(
            {[this](const std::string& space, const std::string& name, done_function done) {
               reads.push_back(space + '/' + name);
               if (answers_wait)
                 waiting.push_back(std::move(done));
               else
                 done(answer_for(space + '/' + name));
             },
             [this](const std::string&,
                    const resolved_provider& target) -> tl::expected<exporter_setup_ptr, std::string> {
               if (!sink_problem.empty())
                 return tl::unexpected(sink_problem);
               made.push_back(target);
               return std::make_shared<exporter_setup>();
             },
             [this](provider_binding_ptr binding) {
               EXPECT_EQ(binding->namespace_name + '/' + binding->name, "flux-system/backend");
               EXPECT_EQ(binding->setup == nullptr, !binding->reason.empty() || binding->forgotten);
               told.push_back(binding->setup ? "ready" : binding->forgotten ? "forgotten" : binding->reason);
               messages.push_back(binding->problem);
             },
             [this] { return now; }, [](const std::function<void()>& task) { task(); }}) {}

  provider_registry::secret_result answer_for(const std::string& name) {
    auto found = secrets.find(name);
    return found == secrets.end() ? tl::unexpected(missing) : found->second;
  }

  void let_pass(duration time) {
    now += time;
    registry.tick();
  }

  timestamp now{std::chrono::hours{1}};
  std::map<std::string, provider_registry::secret_result> secrets;
  std::string sink_problem;
  bool answers_wait = false;
  std::vector<done_function> waiting;
  std::vector<std::string> reads, told, messages;
  std::vector<resolved_provider> made;
  provider_registry registry;
};

} // namespace

TEST_F(provider_registry_test, secrets_of_a_provider_that_no_trace_names_are_not_read) {
  registry.apply(backend("auth"));
  let_pass(std::chrono::minutes{5});
  EXPECT_THAT(reads, IsEmpty());
  EXPECT_THAT(told, IsEmpty());

  secrets["flux-system/auth"] = secret_data{};
  registry.reference("trace-1", "flux-system/backend");
  EXPECT_THAT(told, ElementsAre("ready"));
  registry.reference("trace-1", "");
  reads.clear();
  let_pass(std::chrono::minutes{5});
  EXPECT_THAT(reads, IsEmpty());
}

TEST_F(provider_registry_test, trace_and_provider_may_come_in_either_order) {
  registry.reference("trace-1", "flux-system/backend");
  EXPECT_THAT(told, IsEmpty());
  registry.apply(backend());
  EXPECT_THAT(told, ElementsAre("ready"));
  registry.apply(backend()); // a status of it changed
  registry.reference("trace-1", "flux-system/backend");
  registry.reference("trace-2", "flux-system/backend");
  EXPECT_THAT(told, ElementsAre("ready"));
}

TEST_F(provider_registry_test, a_missing_secret_is_told_once_and_heals_when_it_appears) {
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(backend("auth"));
  let_pass(provider_registry::retry);
  let_pass(provider_registry::retry);
  EXPECT_EQ(reads.size(), 3U);
  EXPECT_THAT(told, ElementsAre("SecretNotFound"));
  EXPECT_THAT(messages.back(), HasSubstr("Secret 'flux-system/auth' of Provider 'flux-system/backend'"));

  secrets["flux-system/auth"] = secret_data{{"token", "t"}};
  let_pass(provider_registry::retry / 2);
  EXPECT_THAT(told, ElementsAre("SecretNotFound"));
  let_pass(provider_registry::retry);
  EXPECT_THAT(told, ElementsAre("SecretNotFound", "ready"));
  EXPECT_EQ(made.back().options.headers.at(0).second, "Bearer t");
}

TEST_F(provider_registry_test, a_rotated_secret_takes_effect_and_an_unchanged_one_does_nothing) {
  secrets["flux-system/auth"] = secret_data{{"token", "one"}};
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(backend("auth"));
  let_pass(provider_registry::reread);
  EXPECT_EQ(reads.size(), 2U);
  EXPECT_THAT(told, ElementsAre("ready"));
  secrets["flux-system/auth"] = secret_data{{"token", "two"}};
  let_pass(provider_registry::reread);
  EXPECT_THAT(told, ElementsAre("ready", "ready"));
  EXPECT_EQ(made.back().options.headers.at(0).second, "Bearer two");
}

TEST_F(provider_registry_test, all_three_secrets_are_read) {
  auto provider = backend("auth");
  provider.cert_secret_name = "tls";
  provider.proxy_secret_name = "proxy";
  secrets["flux-system/auth"] = secret_data{{"token", "t"}};
  secrets["flux-system/tls"] = secret_data{{"ca.crt", "CA"}};
  secrets["flux-system/proxy"] = secret_data{{"address", "http://proxy"}};
  answers_wait = true;
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(provider);
  ASSERT_THAT(reads, ElementsAre("flux-system/auth", "flux-system/tls", "flux-system/proxy"));
  for (std::size_t i = waiting.size(); i-- > 0;) { // in any order
    EXPECT_THAT(told, IsEmpty());
    waiting[i](answer_for(reads[i]));
  }
  EXPECT_THAT(told, ElementsAre("ready"));
  EXPECT_EQ(made.back().options.tls->ca_pem, "CA");
  EXPECT_EQ(made.back().options.proxy, "http://proxy");
}

TEST_F(provider_registry_test, an_api_server_that_is_away_does_not_undo_what_works) {
  secrets["flux-system/auth"] = secret_data{};
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(backend("auth"));
  secrets["flux-system/auth"] = tl::unexpected(unreadable);
  let_pass(provider_registry::reread);
  EXPECT_THAT(told, ElementsAre("ready"));
  secrets["flux-system/auth"] = tl::unexpected(forbidden);
  let_pass(provider_registry::retry);
  EXPECT_THAT(told, ElementsAre("ready", "SecretForbidden"));
  secrets["flux-system/auth"] = secret_data{}; // as it was: still to be bound again
  let_pass(provider_registry::retry);
  EXPECT_THAT(told, ElementsAre("ready", "SecretForbidden", "ready"));
}

TEST_F(provider_registry_test, before_it_ever_worked_an_unreadable_secret_is_told) {
  secrets["flux-system/auth"] = tl::unexpected(unreadable);
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(backend("auth"));
  EXPECT_THAT(told, ElementsAre("SecretUnreadable"));
}

TEST_F(provider_registry_test, a_provider_that_goes_and_comes_again) {
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(backend());
  registry.remove("flux-system", "backend");
  EXPECT_THAT(told, ElementsAre("ready", "ProviderNotFound"));
  registry.apply(backend());
  EXPECT_THAT(told, ElementsAre("ready", "ProviderNotFound", "ready"));
  registry.remove("flux-system", "unknown");
  EXPECT_EQ(told.size(), 3U);
}

TEST_F(provider_registry_test, a_suspended_provider_lets_changes_wait) {
  auto provider = backend("auth");
  provider.suspend = true;
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(provider);
  EXPECT_THAT(told, ElementsAre("ProviderSuspended"));
  EXPECT_THAT(reads, IsEmpty());
  secrets["flux-system/auth"] = secret_data{};
  registry.apply(backend("auth"));
  EXPECT_THAT(told, ElementsAre("ProviderSuspended", "ready"));
}

TEST_F(provider_registry_test, a_foreign_type_is_refused_without_reading_its_secret) {
  auto provider = backend("auth");
  provider.type = "slack";
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(provider);
  EXPECT_THAT(told, ElementsAre("ProviderTypeUnsupported"));
  EXPECT_THAT(reads, IsEmpty());
}

TEST_F(provider_registry_test, a_sink_that_cannot_be_made_is_a_problem_of_the_provider) {
  sink_problem = "no gRPC in this build";
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(backend());
  EXPECT_THAT(told, ElementsAre("ProviderInvalid"));
  EXPECT_THAT(messages.back(), HasSubstr("no gRPC"));
  sink_problem.clear();
  let_pass(provider_registry::retry);
  EXPECT_THAT(told, ElementsAre("ProviderInvalid", "ready"));
}

TEST_F(provider_registry_test, an_edit_while_secrets_are_read_is_not_lost) {
  answers_wait = true;
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(backend("auth"));
  auto edited = backend("auth");
  edited.address = "http://other:4318";
  registry.apply(edited);
  ASSERT_EQ(waiting.size(), 1U);
  waiting[0](secret_data{});
  ASSERT_EQ(waiting.size(), 2U);
  waiting[1](secret_data{});
  EXPECT_THAT(told, ElementsAre("ready"));
  EXPECT_THAT(made.back().target.url, HasSubstr("other"));
}

TEST_F(provider_registry_test, what_is_read_for_a_provider_that_is_gone_does_not_bind_its_successor) {
  answers_wait = true;
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(backend("auth"));
  registry.reference("trace-1", "");
  registry.remove("flux-system", "backend");
  auto successor = backend("auth");
  successor.address = "http://other:4318";
  registry.apply(successor);
  registry.reference("trace-2", "flux-system/backend");
  ASSERT_EQ(waiting.size(), 2U);
  waiting[0](secret_data{});
  EXPECT_THAT(told, ElementsAre("forgotten"));
  waiting[1](secret_data{});
  EXPECT_THAT(told, ElementsAre("forgotten", "ready"));
  EXPECT_THAT(made.back().target.url, HasSubstr("other"));
}

TEST_F(provider_registry_test, messages_hold_no_secret) {
  secrets["flux-system/auth"] = secret_data{{"token", "PLANTED\nheader: x"}};
  registry.reference("trace-1", "flux-system/backend");
  registry.apply(backend("auth"));
  EXPECT_THAT(told, ElementsAre("ProviderInvalid"));
  EXPECT_THAT(messages.back(), Not(HasSubstr("PLANTED")));
}
