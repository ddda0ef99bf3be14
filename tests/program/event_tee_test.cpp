// HTTP events forwarded: in order, again and again, and told.

#include "runtime/program/event_tee.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace tc;
using namespace tc::runtime;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace {

struct event_tee_test : ::testing::Test {
  event_tee& tee() {
    if (!made) {
      with.url = "http://user:planted@notifier:9090/path";
      with.send = [this](http_request request) { sent.push_back(std::move(request)); };
      with.later = [this](duration wait, std::function<void()> then) {
        waits.push_back(wait);
        waiting = std::move(then);
      };
      with.clock = [this] { return now; };
      with.random = [] { return 0.999; };
      with.told = [this](observation_ptr fact) { told.push_back(std::move(fact)); };
      with.counted = [this](const std::string& outcome) { counts.push_back(outcome); };
      made = std::make_unique<event_tee>(with);
    }
    return *made;
  }

  void forward(const std::string& name, const std::string& body) {
    auto fact = std::make_shared<observation>();
    fact->kind = observation_kind::post;
    fact->object = {"kustomize.toolkit.fluxcd.io", "Kustomization", "apps", name};
    fact->message.emplace();
    fact->message->reason = "Progressing";
    fact->message->text = body;
    fact->message->revision = "main@sha1:abc";
    fact->message->last = now;
    tee().forward({{"Content-Type: application/json"}, body, std::move(fact)});
  }

  /// Ends the oldest request that is open.
  void answer(int status, http_failure failure = http_failure::none) {
    http_result result;
    result.status = status;
    result.failure = failure;
    if (failure != http_failure::none)
      result.error = "no route";
    auto request = std::move(sent.at(answered++));
    now += 10ms;
    request.on_done(std::move(result));
  }

  std::vector<std::string> bodies() const {
    std::vector<std::string> out;
    for (const auto& request : sent)
      out.push_back(request.body);
    return out;
  }

  timestamp now{1h};
  event_tee::settings with;
  std::unique_ptr<event_tee> made;
  std::vector<http_request> sent;
  std::size_t answered = 0;
  std::vector<duration> waits;
  std::function<void()> waiting;
  std::vector<observation_ptr> told;
  std::vector<std::string> counts;
};

} // namespace

TEST_F(event_tee_test, events_of_one_object_go_one_after_the_other_those_of_others_beside_them) {
  forward("a", "a1");
  forward("a", "a2");
  forward("b", "b1");
  EXPECT_THAT(bodies(), ElementsAre("a1", "b1"));
  EXPECT_THAT(sent[0].headers, ElementsAre("Content-Type: application/json"));
  answer(202);
  EXPECT_THAT(bodies(), ElementsAre("", "b1", "a2")); // the first was moved out by the test
  answer(202);
  answer(429); // a duplicate, as notification-controller sees it
  EXPECT_THAT(counts, ElementsAre("forwarded", "forwarded", "forwarded"));
  EXPECT_EQ(tee().waiting(), 0U);
}

TEST_F(event_tee_test, a_receiver_that_is_away_is_tried_again_and_what_comes_after_waits) {
  forward("a", "a1");
  forward("a", "a2");
  answer(0, http_failure::connect);
  EXPECT_THAT(bodies(), ElementsAre(""));
  ASSERT_TRUE(waiting);
  waiting();
  answer(503);
  waiting();
  EXPECT_EQ(sent.at(2).body, "a1");
  answer(202);
  EXPECT_EQ(sent.at(3).body, "a2");
  EXPECT_LT(waits.at(0), waits.at(1));
  EXPECT_THAT(counts, ElementsAre("retried", "retried", "forwarded"));
  ASSERT_EQ(told.size(), 1U);
  const auto& how = *told[0]->notification;
  EXPECT_EQ(how.receiver, "notifier:9090"); // and no credentials
  EXPECT_EQ(how.attempts, 3);
  EXPECT_EQ(how.error, "");
  EXPECT_EQ(how.revision, "main@sha1:abc");
  EXPECT_EQ(how.ended - how.began, 30ms);
}

TEST_F(event_tee_test, what_is_refused_is_not_tried_again) {
  forward("a", "a1");
  forward("a", "a2");
  answer(400);
  EXPECT_EQ(told.at(0)->notification->error, "HTTP status 400");
  answer(501);
  EXPECT_THAT(counts, ElementsAre("refused", "refused"));
  EXPECT_THAT(waits, IsEmpty());
}

TEST_F(event_tee_test, an_event_that_is_too_old_is_given_up) {
  forward("a", "a1");
  while (told.empty()) {
    answer(0, http_failure::timeout);
    if (told.empty()) {
      now += waits.back();
      waiting();
    }
  }
  EXPECT_EQ(counts.back(), "gave_up");
  EXPECT_EQ(told[0]->notification->error, "no route");
  EXPECT_EQ(static_cast<std::size_t>(told[0]->notification->attempts), sent.size());
  EXPECT_LE(now, timestamp{1h + 15min + 1s});
}

TEST_F(event_tee_test, is_bounded_in_events_and_requests) {
  with.most_events = 2;
  with.most_requests = 1;
  for (const auto* name : {"a", "b", "c"})
    forward(name, "x");
  EXPECT_THAT(counts, ElementsAre("overflow"));
  EXPECT_EQ(sent.size(), 1U);
  answer(202);
  EXPECT_EQ(sent.size(), 2U);
  forward("d", "x");
  EXPECT_THAT(counts, ElementsAre("overflow", "forwarded"));
}

TEST_F(event_tee_test, is_bounded_in_bytes) {
  with.most_bytes = 100'000;
  forward("a", std::string(30'000, 'x')); // its text is held twice
  forward("b", std::string(30'000, 'x'));
  EXPECT_THAT(counts, ElementsAre("overflow"));
  answer(202);
  forward("b", std::string(30'000, 'x'));
  EXPECT_THAT(counts, ElementsAre("overflow", "forwarded"));
  EXPECT_EQ(tee().waiting(), 1U);
}

TEST_F(event_tee_test, what_is_not_followed_is_forwarded_and_not_told) {
  tee().forward({{}, "receiver event", nullptr});
  answer(202);
  EXPECT_THAT(counts, ElementsAre("forwarded"));
  EXPECT_THAT(told, IsEmpty());
}
