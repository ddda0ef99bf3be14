// Credentials are those of now when a request starts: with a registry, a fake API server and backends that
// refuse what was rotated away.

#include "runtime/program/fresh_sink.hpp"

#include "actors/exporter.hpp"
#include "export/otlp_encoder.hpp"
#include "export/otlp_json.hpp"
#include "runtime/program/provider_registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

using namespace tc;
using namespace tc::runtime;
using exporting::attempt_outcome;
using exporting::attempt_result;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace {

/// What the world outside knows: the token that the backend takes, and what was asked of it.
struct backend_state {
  std::string good_token = "one";
  std::vector<std::string> requests; ///< the token that each came with
  bool speaks_grpc = false;
};

/// Answers at once, as the backend does that knows one token.
class token_sink : public exporting::span_sink {
public:
  token_sink(std::string token, backend_state& backend, std::shared_ptr<const exporting::span_encoder> format)
      : token_(std::move(token)), backend_(backend), format_(std::move(format)) {}

  void send(std::shared_ptr<const exporting::encoded_batch>, done_function done) override {
    backend_.requests.push_back(token_);
    attempt_result out;
    if (token_ != backend_.good_token) {
      out.outcome = attempt_outcome::rejected;
      out.status = backend_.speaks_grpc ? 200 : 401;
      out.reason = backend_.speaks_grpc ? "grpc_unauthenticated" : "status_401";
    }
    done(out);
  }
  std::shared_ptr<const exporting::span_encoder> encoder() const override { return format_; }
  std::string description() const override { return "backend"; }

private:
  std::string token_;
  backend_state& backend_;
  std::shared_ptr<const exporting::span_encoder> format_;
};

class fresh_sink_test : public ::testing::Test {
protected:
  fresh_sink_test() : registry(outside()) {
    secret = secret_data{{"token", "one"}};
    provider.namespace_name = "flux-system";
    provider.name = "backend";
    provider.type = "otlp";
    provider.address = "http://collector:4318";
    provider.secret_name = "auth";
    registry.reference("trace-1", "flux-system/backend");
    registry.apply(provider);
    reads = 0;
  }

  provider_registry::outside outside() {
    provider_registry::outside out;
    out.read_secret = [this](const std::string&, const std::string&, auto done) {
      ++reads;
      if (is_api_silent)
        unanswered.push_back(std::move(done));
      else
        done(secret);
    };
    out.make_setup =
        [this](const std::string&,
               const resolved_provider& target) -> tl::expected<exporter_setup_ptr, std::string> {
      auto setup = std::make_shared<exporter_setup>();
      const auto& headers = target.options.headers;
      std::shared_ptr<const exporting::span_encoder> format;
      if (target.target.transport == exporting::protocol::otlp_http_json)
        format = std::make_shared<exporting::otlp_json_encoder>(exporting::encoder_options{});
      else
        format = std::make_shared<exporting::otlp_protobuf_encoder>(exporting::encoder_options{});
      setup->sink = std::make_shared<token_sink>(
          headers.empty() ? "" : headers.at(0).second.substr(std::string_view{"Bearer "}.size()), backend,
          format);
      return setup;
    };
    out.bind = [this](const provider_binding_ptr& binding) { bound.push_back(binding->setup); };
    out.clock = [this] { return now; };
    out.post = [](const std::function<void()>& task) { task(); };
    return out;
  }

  /// Sends through what was bound first, as an exporter does that has not heard of anything newer.
  void send() {
    bound.front()->sink->send(std::make_shared<exporting::encoded_batch>(),
                              [this](const attempt_result& result) { results.push_back(result); });
  }

  std::vector<attempt_outcome> outcomes() const {
    std::vector<attempt_outcome> out;
    for (const auto& result : results)
      out.push_back(result.outcome);
    return out;
  }

  timestamp now{std::chrono::hours{1}};
  provider_registry::secret_result secret;
  bool is_api_silent = false;
  std::vector<std::function<void(provider_registry::secret_result)>> unanswered;
  int reads = 0;
  backend_state backend;
  provider_resource provider;
  std::vector<exporter_setup_ptr> bound;
  std::vector<attempt_result> results;
  provider_registry registry;
};

} // namespace

TEST_F(fresh_sink_test, the_next_request_carries_the_rotated_credential) {
  now += std::chrono::seconds{2};
  backend.good_token = "two";
  secret = secret_data{{"token", "two"}};
  send();
  EXPECT_THAT(backend.requests, ElementsAre("two"));
  EXPECT_THAT(outcomes(), ElementsAre(attempt_outcome::delivered));
  EXPECT_EQ(bound.size(), 2U) << "the exporter is told of it too";
}

TEST_F(fresh_sink_test, requests_that_follow_closely_share_a_reading) {
  now += std::chrono::seconds{2};
  for (int i = 0; i < 5; ++i)
    send();
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(backend.requests.size(), 5U);
  EXPECT_EQ(bound.size(), 1U);
}

TEST_F(fresh_sink_test, a_refusal_is_not_believed_before_the_secret_was_read_again) {
  // Rotated a moment after the last reading: too soon to be noticed before use.
  for (bool grpc : {false, true}) {
    backend.speaks_grpc = grpc;
    backend.requests.clear();
    results.clear();
    backend.good_token += "x";
    secret = secret_data{{"token", backend.good_token}};
    auto before = bound.back();
    send();
    ASSERT_EQ(backend.requests.size(), 2U) << "grpc: " << grpc;
    EXPECT_EQ(backend.requests[1], backend.good_token);
    EXPECT_THAT(outcomes(), ElementsAre(attempt_outcome::delivered));
  }
}

TEST_F(fresh_sink_test, a_credential_that_stays_wrong_is_refused_once) {
  backend.good_token = "other";
  send();
  EXPECT_THAT(backend.requests, ElementsAre("one"));
  EXPECT_THAT(outcomes(), ElementsAre(attempt_outcome::rejected));
  EXPECT_EQ(reads, 1);
}

TEST_F(fresh_sink_test, an_api_server_that_is_away_stops_no_request) {
  now += std::chrono::seconds{2};
  secret = tl::unexpected(secret_failure{false, false, "connection refused"});
  send();
  EXPECT_THAT(outcomes(), ElementsAre(attempt_outcome::delivered));

  is_api_silent = true;
  now += std::chrono::seconds{10};
  send();
  EXPECT_EQ(results.size(), 1U) << "it waits a little";
  registry.tick();
  now += provider_registry::patience;
  registry.tick();
  EXPECT_THAT(outcomes(), ElementsAre(attempt_outcome::delivered, attempt_outcome::delivered));
}

TEST_F(fresh_sink_test, without_its_secret_a_provider_sends_nothing_and_loses_nothing) {
  now += std::chrono::seconds{2};
  secret = tl::unexpected(secret_failure{true, false, "not found"});
  send();
  EXPECT_THAT(backend.requests, IsEmpty());
  EXPECT_THAT(outcomes(), ElementsAre(attempt_outcome::retry));
  EXPECT_EQ(results.back().reason, "provider_changed");
}

TEST_F(fresh_sink_test, a_provider_that_goes_while_its_secret_is_read_loses_nothing) {
  now += std::chrono::seconds{2};
  is_api_silent = true;
  send();
  registry.remove("flux-system", "backend");
  EXPECT_THAT(outcomes(), ElementsAre(attempt_outcome::retry));
  ASSERT_EQ(unanswered.size(), 1U);
  unanswered[0](secret_data{{"token", "one"}});
  EXPECT_THAT(backend.requests, IsEmpty());
}

TEST_F(fresh_sink_test, what_was_encoded_for_another_protocol_is_sent_later_in_the_right_one) {
  now += std::chrono::seconds{2};
  secret = secret_data{{"token", "one"}, {"address", "http+json://collector:4318"}};
  send();
  EXPECT_THAT(backend.requests, IsEmpty());
  EXPECT_THAT(outcomes(), ElementsAre(attempt_outcome::retry));
  ASSERT_EQ(bound.size(), 2U);
  EXPECT_EQ(bound[1]->sink->encoder()->content_type(), "application/json");
}

TEST_F(fresh_sink_test, a_provider_without_secrets_asks_for_none) {
  provider.secret_name.clear();
  registry.apply(provider);
  now += std::chrono::seconds{10};
  bound.back()->sink->send(std::make_shared<exporting::encoded_batch>(), [](const attempt_result&) {});
  EXPECT_EQ(reads, 0);
  EXPECT_EQ(backend.requests.size(), 1U);
}
