// Flux's HTTP events, as its controllers send them.

#include "runtime/program/event_intake.hpp"

#include "tests/support/recording.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace tc;
using namespace tc::runtime;
using namespace tc::testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

constexpr const char* event = R"({"involvedObject":{"apiVersion":"kustomize.toolkit.fluxcd.io/v1",
  "kind":"Kustomization","namespace":"flux-system","name":"apps","uid":"u-1"},
  "severity":"info","timestamp":"2026-01-02T03:04:05Z","reason":"ReconciliationSucceeded",
  "message":"Reconciliation finished in 1.5s, next run in 10m0s",
  "metadata":{"kustomize.toolkit.fluxcd.io/revision":"main@sha1:0123456789012345678901234567890123456789"},
  "reportingController":"kustomize-controller","reportingInstance":"pod"})";

struct event_intake_test : ::testing::Test {
  event_intake& intake() {
    if (!made) {
      with.clock = [this] { return now; };
      with.answered = [this](int status, const std::string& reason) {
        answers.push_back(std::to_string(status) + ' ' + reason);
      };
      with.broken = [this](const std::string& problem) { problems.push_back(problem); };
      made = std::make_unique<event_intake>(with);
    }
    return *made;
  }

  server_response post(const std::string& body,
                       std::vector<std::pair<std::string, std::string>> headers = {}) {
    return intake().answer({"POST", "/any/path", "", std::move(headers), body});
  }

  temporary_folder folder;
  timestamp now{std::chrono::hours{1}};
  event_intake::settings with;
  std::unique_ptr<event_intake> made;
  std::vector<std::string> answers;
  std::vector<std::string> problems;
};

} // namespace

TEST_F(event_intake_test, an_event_is_accepted_without_a_word_and_kept_until_it_is_taken) {
  auto answer = post(event);
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.body, ""); // a body would cost Flux's client its connection
  auto batch = intake().take();
  ASSERT_TRUE(batch);
  ASSERT_EQ(batch->size(), 1U);
  EXPECT_EQ(batch->front()->kind, observation_kind::post);
  EXPECT_EQ(batch->front()->object.name, "apps");
  EXPECT_EQ(batch->front()->received_at, now);
  EXPECT_FALSE(intake().take());
}

TEST_F(event_intake_test, what_is_not_followed_is_accepted_and_forgotten) {
  auto body = std::string{event};
  body.replace(body.find("\"Kustomization\""), 15, "\"Receiver\"");
  body.replace(body.find("kustomize.toolkit.fluxcd.io/v1"), 30, "notification.toolkit.fluxcd.io/v1");
  EXPECT_EQ(post(body).status, 202);
  EXPECT_FALSE(intake().take());
  EXPECT_THAT(answers, ElementsAre("202 not_followed"));
}

TEST_F(event_intake_test, what_cannot_be_read_is_named_by_its_place) {
  for (const auto* body : {"", "{", "[]", R"({"involvedObject":{}})", R"({"message":"no object"})"}) {
    EXPECT_EQ(post(body).status, 400) << body;
    EXPECT_FALSE(intake().take());
  }
  EXPECT_THAT(post(R"({"involvedObject":{"kind":"Kustomization"}})").body, HasSubstr("involvedObject.name"));
  EXPECT_EQ(problems.size(), 6U);
}

TEST_F(event_intake_test, only_posts_are_answered) {
  auto answer = intake().answer({"GET", "/", "", {}, ""});
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.headers.at(0).second, "POST");
}

TEST_F(event_intake_test, a_sender_that_is_not_taken_in_time_is_told_to_come_again) {
  with.most_waiting = 2;
  EXPECT_EQ(post(event).status, 202);
  EXPECT_EQ(post(event).status, 202);
  auto answer = post(event);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at(0).first, "Retry-After");
  {
    auto batch = intake().take();
    EXPECT_EQ(batch->size(), 2U);
    EXPECT_EQ(post(event).status, 503); // the actors have not had it yet
  }
  EXPECT_EQ(post(event).status, 202);
}

TEST_F(event_intake_test, few_large_events_are_bounded_too) {
  auto body = nlohmann::json::parse(event);
  body["message"] = std::string(30'000, 'x');
  with.most_waiting_bytes = 70'000;
  EXPECT_EQ(post(body.dump()).status, 202);
  EXPECT_EQ(post(body.dump()).status, 202);
  EXPECT_EQ(post(body.dump()).status, 503);
}

TEST_F(event_intake_test, a_bearer_token_is_asked_for_and_may_be_rotated) {
  with.token_file = folder.write("token", "planted-token\n");
  EXPECT_EQ(post(event).status, 401);
  EXPECT_EQ(post(event, {{"authorization", "Bearer planted-tokeN"}}).status, 401);
  EXPECT_EQ(post(event, {{"authorization", "planted-token"}}).status, 401);
  EXPECT_EQ(post(event, {{"authorization", "Bearer planted-token"}}).status, 202);
  EXPECT_EQ(post(event, {{"authorization", "bearer planted-token"}}).status, 202);
  folder.write("token", "the-next-token");
  EXPECT_EQ(post(event, {{"authorization", "Bearer planted-token"}}).status, 401);
  EXPECT_EQ(post(event, {{"authorization", "Bearer the-next-token"}}).status, 202);
}

TEST_F(event_intake_test, an_empty_or_missing_secret_lets_nobody_in) {
  with.token_file = folder.write("token", "\n");
  EXPECT_EQ(post(event, {{"authorization", "Bearer "}}).status, 401);
  made.reset();
  with.token_file = folder.path("nowhere");
  EXPECT_EQ(post(event, {{"authorization", "Bearer "}}).status, 401);
  EXPECT_THAT(answers, ElementsAre("401 token_unreadable", "401 token_unreadable"));
}

TEST_F(event_intake_test, a_signature_covers_the_body) {
  with.hmac_key_file = folder.write("key", "key");
  // printf %s BODY | openssl dgst -sha256 -hmac key
  const std::string body = "The quick brown fox jumps over the lazy dog";
  const std::string good = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
  EXPECT_EQ(post(body, {{"x-signature", good}}).status, 400); // believed, and no event
  EXPECT_EQ(post(body + ' ', {{"x-signature", good}}).status, 401);
  EXPECT_EQ(post(body).status, 401);
  EXPECT_EQ(post(body, {{"x-signature", "md5=9e107d9d372bb6826bd81d3542a419d6"}}).status, 401);
  EXPECT_EQ(post(body, {{"x-signature", "sha256="}}).status, 401);
}

TEST_F(event_intake_test, reads_what_real_controllers_sent) {
  std::size_t followed = 0;
  for (const auto& line :
       test::read_lines(std::string{TC_SOURCE_DIR} + "/tests/recordings/s02-helm/posts.jsonl.gz")) {
    EXPECT_EQ(post(nlohmann::json::parse(line).at("body").dump()).status, 202);
    if (auto batch = intake().take())
      followed += batch->size();
  }
  EXPECT_GT(followed, 10U);
  EXPECT_TRUE(problems.empty());
}
