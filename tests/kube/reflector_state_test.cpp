#include "kube/reflector_state.hpp"

#include "tests/kube/objects.hpp"
#include "tests/kube/recording_sink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace tc;
using namespace tc::kube;
using namespace tc::testing;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

namespace {

const resource_ref kustomizations{"kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations"};
const resource_ref deployments{"apps", "v1", "Deployment", "deployments"};

class reflector_protocol : public ::testing::Test, public reflector_port {
protected:
  void resolve() override { ++resolutions; }
  void send(const reflector_request& request) override {
    requests.push_back(request);
    open = true;
  }
  void cancel_request() override {
    ++cancellations;
    open = false;
  }
  void set_timer(duration delay) override { timer = delay; }

  void begin(reflector_options options, const resource_ref& kind = kustomizations, bool distrusting = false) {
    state.emplace(resource_ref{kind.group, "", kind.kind, ""}, std::move(options), sink, *this);
    if (distrusting)
      state->distrust();
    state->start(now);
    state->on_resolved(std::optional{kind}, now);
  }

  void begin_with_lists() {
    reflector_options options;
    options.use_watch_list = false;
    begin(options);
  }

  /// Begins, lists these and is watching from that version.
  void begin_watching(const std::vector<std::string>& items, int version) {
    begin_with_lists();
    respond(200, list(items, version));
    state->on_head(200, now);
  }

  void feed(const std::string& text) { state->on_data(text, now); }

  void end(int status = 200) {
    open = false;
    reflector_reply reply;
    reply.complete = true;
    reply.status = status;
    reply.retry_after = retry_after;
    state->on_done(reply, now);
  }

  void respond(int status, const std::string& body) {
    state->on_head(status, now);
    feed(body);
    end(status);
  }

  void cut(const std::string& failure = "connection reset by peer") {
    open = false;
    reflector_reply reply;
    reply.interrupted = true;
    reply.status = 200;
    reply.failure = failure;
    state->on_done(reply, now);
  }

  /// Lets the timer fire. Returns how long it took.
  duration pass_timer() {
    auto passed = timer.value();
    timer.reset();
    now += passed;
    state->on_timer(now);
    return passed;
  }

  std::vector<std::string> told() const {
    std::vector<std::string> result;
    for (const auto& object : sink.objects) {
      auto at = object.json.find("\"name\":\"") + 8;
      result.push_back(object.type + ' ' + object.json.substr(at, object.json.find('"', at) - at) +
                       (object.initial ? " initial" : ""));
    }
    return result;
  }

  const std::string& path() const { return requests.back().path; }

  timestamp now{1'700'000'000s};
  recording_sink sink;
  std::optional<reflector_state> state;
  int resolutions = 0;
  std::vector<reflector_request> requests;
  int cancellations = 0;
  bool open = false;
  std::optional<duration> timer;
  std::optional<std::chrono::seconds> retry_after;
};

} // namespace

// -- list and watch -----------------------------------------------------------

TEST_F(reflector_protocol, lists_then_watches_from_the_version_of_the_list) {
  begin_with_lists();
  EXPECT_EQ(resolutions, 1);
  EXPECT_EQ(path(), "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations?limit=500");
  EXPECT_FALSE(requests.back().watch);
  respond(200, list({object("a", 5), object("b", 7)}, 10));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial"));
  EXPECT_EQ(sink.objects[0].json, object("a", 5));
  EXPECT_EQ(sink.synced, 1);
  EXPECT_TRUE(requests.back().watch);
  EXPECT_THAT(path(), HasSubstr("watch=true&allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds="));
  state->on_head(200, now);
  now += 3s;
  feed(event("MODIFIED", object("a", 11)));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial", "MODIFIED a"));
  EXPECT_EQ(sink.objects[2].json, object("a", 11));
  EXPECT_EQ(sink.objects[2].received_at, now);
  feed(event("DELETED", object("b", 12)));
  EXPECT_EQ(told().back(), "DELETED b");
  EXPECT_EQ(state->known_objects(), 1U);
  EXPECT_THAT(sink.states, ElementsAre("resolving", "listing", "watching"));
  EXPECT_THAT(sink.errors, IsEmpty());
}

TEST_F(reflector_protocol, asks_for_page_after_page) {
  begin_with_lists();
  respond(200, list({object("a", 5)}, 10, "to+ken/1"));
  EXPECT_EQ(sink.synced, 0);
  EXPECT_THAT(path(), HasSubstr("?limit=500&continue=to%2Bken%2F1"));
  respond(200, list({object("b", 6)}, 10));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial"));
  EXPECT_EQ(sink.synced, 1);
}

TEST_F(reflector_protocol, the_pieces_of_a_response_may_be_cut_anywhere) {
  auto body = list({object("a", 5), object("b", 6)}, 10);
  for (std::size_t size : {1U, 2U, 7U, 50U}) {
    SCOPED_TRACE(size);
    sink.objects.clear();
    begin_with_lists();
    state->on_head(200, now);
    for (std::size_t at = 0; at < body.size(); at += size)
      feed(body.substr(at, size));
    end();
    ASSERT_EQ(sink.objects.size(), 2U);
    EXPECT_EQ(sink.objects[1].json, object("b", 6));
    state->on_head(200, now);
    auto line = event("MODIFIED", object("b", 11)) + event("ADDED", object("c", 12));
    for (std::size_t at = 0; at < line.size(); at += size)
      feed(line.substr(at, size));
    ASSERT_EQ(sink.objects.size(), 4U);
    EXPECT_EQ(sink.objects[2].json, object("b", 11));
    EXPECT_EQ(sink.objects[3].json, object("c", 12));
  }
}

TEST_F(reflector_protocol, an_empty_list_may_be_null) {
  begin_with_lists();
  respond(
      200,
      R"({"kind":"KustomizationList","apiVersion":"v1","metadata":{"resourceVersion":"3"},"items":null})");
  EXPECT_EQ(sink.synced, 1);
  EXPECT_THAT(path(), HasSubstr("resourceVersion=3"));
}

TEST_F(reflector_protocol, items_without_type_get_it) {
  reflector_options options;
  options.use_watch_list = false;
  begin(options, deployments);
  respond(200, list({untyped_object("a", 5)}, 10));
  auto expected = R"({"kind":"Deployment","apiVersion":"apps/v1",)" + untyped_object("a", 5).substr(1);
  EXPECT_EQ(sink.objects.at(0).json, expected);
}

TEST_F(reflector_protocol, namespace_and_selector_are_part_of_every_request) {
  reflector_options options;
  options.use_watch_list = false;
  options.namespace_name = "flux-system";
  options.label_selector = "a=b,c in (d)";
  options.page_size = 7;
  begin(options);
  EXPECT_EQ(path(), "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/"
                    "kustomizations?limit=7&labelSelector=a%3Db%2Cc%20in%20%28d%29");
  respond(200, list({}, 10));
  EXPECT_THAT(path(), HasSubstr("/namespaces/flux-system/"));
  EXPECT_THAT(path(), HasSubstr("&labelSelector=a%3Db%2Cc%20in%20%28d%29"));
}

TEST_F(reflector_protocol, core_kinds_live_under_api) {
  reflector_options options;
  options.use_watch_list = false;
  begin(options, {"", "v1", "Event", "events"});
  EXPECT_EQ(path(), "/api/v1/events?limit=500");
}

TEST_F(reflector_protocol, the_time_of_a_watch_is_random_between_5_and_10_minutes) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    reflector_options options;
    options.use_watch_list = false;
    options.seed = seed;
    begin(options);
    respond(200, list({}, 10));
    auto seconds = path().substr(path().find("timeoutSeconds=") + 15);
    EXPECT_GE(std::stoi(seconds), 300);
    EXPECT_LE(std::stoi(seconds), 600);
    EXPECT_EQ(requests.back().limit, std::chrono::seconds{std::stoi(seconds)} + 30s);
    seen.insert(seconds);
  }
  EXPECT_GT(seen.size(), 10U);
}

// -- resuming -----------------------------------------------------------------

TEST_F(reflector_protocol, resumes_from_the_last_version_after_a_cut) {
  begin_watching({object("a", 5)}, 10);
  feed(event("MODIFIED", object("a", 12)));
  cut();
  EXPECT_FALSE(open);
  EXPECT_LE(pass_timer(), 500ms);
  EXPECT_THAT(path(), HasSubstr("resourceVersion=12&"));
  EXPECT_EQ(state->counts().lists, 1U);
  EXPECT_THAT(sink.states, Not(::testing::Contains("failing"))); // one cut is the usual course of things
}

TEST_F(reflector_protocol, a_bookmark_moves_the_version_and_is_passed_on_as_sent) {
  begin_watching({}, 10);
  feed(bookmark(99));
  EXPECT_EQ(R"({"type":"BOOKMARK","object":)" + sink.bookmarks.at(0) + "}\n", bookmark(99));
  cut();
  pass_timer();
  EXPECT_THAT(path(), HasSubstr("resourceVersion=99&"));
}

TEST_F(reflector_protocol, a_watch_that_ends_after_its_time_is_renewed_at_once) {
  begin_watching({}, 10);
  now += 7min;
  end();
  EXPECT_THAT(path(), HasSubstr("resourceVersion=10&"));
  EXPECT_EQ(state->counts().watches, 2U);
  EXPECT_EQ(state->counts().failures, 0U);
}

TEST_F(reflector_protocol, a_watch_that_ends_at_once_is_not_renewed_at_once) {
  begin_watching({}, 10);
  auto before = requests.size();
  end();
  EXPECT_EQ(requests.size(), before);
  EXPECT_GE(pass_timer(), 250ms);
  EXPECT_EQ(requests.size(), before + 1);
}

TEST_F(reflector_protocol, a_line_cut_in_the_middle_is_no_error_and_is_told_after_resuming) {
  begin_watching({}, 10);
  auto line = event("ADDED", object("a", 11));
  feed(line.substr(0, line.size() / 2));
  cut();
  pass_timer();
  EXPECT_THAT(path(), HasSubstr("resourceVersion=10&"));
  state->on_head(200, now);
  feed(line);
  EXPECT_THAT(told(), ElementsAre("ADDED a"));
  EXPECT_THAT(sink.errors, IsEmpty());
}

TEST_F(reflector_protocol, a_last_line_without_its_end_counts_when_it_is_complete) {
  begin_watching({}, 10);
  auto line = event("ADDED", object("a", 11));
  line.pop_back();
  feed(line);
  now += 2s;
  end();
  EXPECT_THAT(told(), ElementsAre("ADDED a"));
  EXPECT_THAT(path(), HasSubstr("resourceVersion=11&"));
}

TEST_F(reflector_protocol, delays_grow_and_shrink_after_progress) {
  begin_watching({}, 10);
  std::vector<duration> waits;
  for (int i = 0; i < 12; ++i) {
    cut("connection reset after " + std::to_string(i) + " ms");
    waits.push_back(pass_timer());
  }
  EXPECT_LE(waits[0], 500ms);
  EXPECT_GE(waits[0], 250ms);
  EXPECT_GE(waits[3], 2s);
  for (std::size_t i = 7; i < waits.size(); ++i) {
    EXPECT_LE(waits[i], 10s);
    EXPECT_GE(waits[i], 5s);
  }
  EXPECT_EQ(std::count(sink.states.begin(), sink.states.end(), "failing"),
            1); // told once, though the texts differ
  EXPECT_EQ(sink.reasons.back(), "connection reset after 1 ms");
  cut("no route to host");
  EXPECT_EQ(sink.reasons.back(), "no route to host");
  pass_timer();
  state->on_head(200, now);
  EXPECT_EQ(sink.states.back(), "watching");
  feed(event("ADDED", object("a", 11)));
  cut();
  EXPECT_LE(pass_timer(), 500ms);
}

TEST_F(reflector_protocol, a_server_that_answers_with_errors_is_asked_up_to_30_seconds_apart) {
  begin_with_lists();
  duration last{0};
  for (int i = 0; i < 12; ++i) {
    respond(500, status(500, "InternalError", "no"));
    last = pass_timer();
  }
  EXPECT_LE(last, 30s);
  EXPECT_GE(last, 15s);
}

TEST_F(reflector_protocol, an_interrupted_list_goes_on_with_its_page_and_repeats_nothing) {
  begin_with_lists();
  respond(200, list({object("a", 5)}, 10, "next"));
  state->on_head(200, now);
  auto body = list({object("b", 6), object("c", 7)}, 10);
  feed(body.substr(0, body.size() - 40));
  cut();
  pass_timer();
  EXPECT_THAT(path(), HasSubstr("continue=next"));
  respond(200, body);
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial", "ADDED c initial"));
}

// -- 410 ----------------------------------------------------------------------

TEST_F(reflector_protocol, expired_lists_again_and_tells_only_what_changed) {
  begin_watching({object("same", 1), object("moved", 2), object("gone", 3), object("replaced", 4, "old")},
                 10);
  sink.objects.clear();
  feed(event("ERROR", status(410, "Expired", "too old resource version: 10 (90)")));
  EXPECT_EQ(cancellations, 1);
  EXPECT_FALSE(requests.back().watch);
  respond(
      200,
      list({object("same", 1), object("moved", 20), object("replaced", 21, "new"), object("fresh", 22)}, 90));
  EXPECT_THAT(told(), ElementsAre("MODIFIED moved", "DELETED replaced", "ADDED replaced", "ADDED fresh",
                                  "DELETED gone"));
  EXPECT_EQ(sink.synced, 1);
  EXPECT_THAT(path(), HasSubstr("resourceVersion=90&"));
  EXPECT_EQ(state->counts().unchanged, 1U);
  EXPECT_EQ(state->counts().synthetic, 2U);
  EXPECT_EQ(state->counts().expired, 1U);
}

TEST_F(reflector_protocol, a_synthetic_deletion_carries_type_and_last_metadata) {
  begin_watching({object("gone", 3)}, 10);
  respond(410, status(410, "Gone", "too old"));
  respond(200, list({}, 90));
  EXPECT_EQ(sink.objects.back().type, "DELETED");
  EXPECT_EQ(
      sink.objects.back().json,
      R"({"kind":"Kustomization","apiVersion":"kustomize.toolkit.fluxcd.io/v1","metadata":{"name":"gone",)"
      R"("namespace":"apps","uid":"uid-gone","resourceVersion":"3","labels":{"a":"b"}}})");
}

TEST_F(reflector_protocol, expired_as_http_status_lists_again_at_once) {
  begin_watching({object("a", 1)}, 10);
  respond(410, status(410, "Gone", "too old"));
  EXPECT_FALSE(requests.back().watch);
  EXPECT_TRUE(open);
}

TEST_F(reflector_protocol, an_expired_continue_token_begins_the_list_again_without_repeating) {
  begin_with_lists();
  respond(200, list({object("a", 5)}, 10, "next"));
  respond(410, status(410, "Expired", "the continue token has expired"));
  EXPECT_THAT(path(), Not(HasSubstr("continue")));
  respond(200, list({object("a", 5), object("b", 6)}, 20));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial"));
  EXPECT_EQ(sink.synced, 1);
}

TEST_F(reflector_protocol, a_continue_token_that_expires_again_and_again_is_never_used_again) {
  begin_with_lists();
  for (int i = 0; i < 3; ++i) {
    respond(200, list({object("a", 5)}, 10, "token" + std::to_string(i)));
    respond(410, status(410, "Expired", "the continue token has expired"));
    if (!open)
      pass_timer();
    EXPECT_THAT(path(), Not(HasSubstr("continue")));
  }
}

TEST_F(reflector_protocol, a_server_that_always_says_expired_is_asked_ever_more_slowly) {
  begin_watching({}, 10);
  duration waited{0};
  for (int i = 0; i < 10; ++i) {
    respond(410, status(410, "Expired", "too old"));
    if (!open)
      waited += pass_timer();
    ASSERT_TRUE(open);
    if (!requests.back().watch)
      respond(200, list({}, 10));
  }
  EXPECT_GT(waited, 60s);
}

TEST_F(reflector_protocol, a_deletion_already_told_is_not_told_again) {
  begin_watching({object("a", 1), object("b", 2, "old")}, 10);
  feed(event("DELETED", object("a", 11)) + event("DELETED", object("a", 11)));
  feed(event("ADDED", object("b", 12, "new")) + event("DELETED", object("b", 13, "old")));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial", "DELETED a", "DELETED b", "ADDED b"));
}

// -- WatchList ----------------------------------------------------------------

TEST_F(reflector_protocol, watch_list_streams_the_initial_state_and_goes_on_as_a_watch) {
  begin({});
  EXPECT_THAT(path(), HasSubstr("?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                                "&allowWatchBookmarks=true&timeoutSeconds="));
  EXPECT_THAT(path(), Not(HasSubstr("resourceVersion=")));
  state->on_head(200, now);
  feed(event("ADDED", object("a", 5)) + event("ADDED", object("b", 6)));
  EXPECT_EQ(sink.synced, 0);
  feed(bookmark(10, true));
  EXPECT_EQ(sink.synced, 1);
  EXPECT_EQ(sink.bookmarks.size(), 1U);
  feed(event("MODIFIED", object("a", 11)));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial", "MODIFIED a"));
  EXPECT_EQ(requests.size(), 1U);
  cut();
  pass_timer();
  EXPECT_THAT(path(), HasSubstr("resourceVersion=11&"));
  EXPECT_THAT(path(), Not(HasSubstr("sendInitialEvents")));
}

TEST_F(reflector_protocol, watch_list_after_expiry_tells_only_what_changed) {
  begin({});
  state->on_head(200, now);
  feed(event("ADDED", object("same", 1)) + event("ADDED", object("moved", 2)) +
       event("ADDED", object("gone", 3)) + bookmark(10, true));
  sink.objects.clear();
  feed(event("ERROR", status(410, "Expired", "too old")));
  EXPECT_THAT(path(), HasSubstr("sendInitialEvents=true"));
  state->on_head(200, now);
  feed(event("ADDED", object("same", 1)) + event("ADDED", object("moved", 20)) +
       event("ADDED", object("new", 21)) + bookmark(30, true));
  EXPECT_THAT(told(), ElementsAre("MODIFIED moved", "ADDED new", "DELETED gone"));
}

TEST_F(reflector_protocol, a_server_that_refuses_watch_list_gets_a_list_request_from_then_on) {
  for (int code : {400, 422}) {
    begin({});
    respond(code, status(code, "Invalid", "sendInitialEvents: Forbidden"));
    EXPECT_THAT(path(), HasSubstr("?limit=500"));
    respond(200, list({object("a", 1)}, 10));
    respond(410, status(410, "Expired", "too old"));
    EXPECT_THAT(path(), HasSubstr("?limit=500"));
    EXPECT_EQ(std::count(sink.states.begin(), sink.states.end(), "failing"), 0);
  }
}

TEST_F(reflector_protocol, a_watch_list_that_falls_silent_is_given_up_for_a_list) {
  begin({});
  state->on_head(200, now);
  now += 20s;
  feed(event("ADDED", object("a", 5)));
  now += 10s;
  timer = 0s;
  pass_timer(); // data came 10 s ago: not yet
  EXPECT_EQ(cancellations, 0);
  EXPECT_EQ(pass_timer(), 20s);
  EXPECT_EQ(cancellations, 1);
  EXPECT_THAT(path(), HasSubstr("?limit=500"));
  respond(200, list({object("a", 5)}, 10));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial"));
}

TEST_F(reflector_protocol, a_watch_list_cut_before_its_end_begins_again_without_repeating) {
  begin({});
  state->on_head(200, now);
  feed(event("ADDED", object("a", 5)));
  cut();
  pass_timer();
  EXPECT_THAT(path(), HasSubstr("sendInitialEvents=true"));
  state->on_head(200, now);
  feed(event("ADDED", object("a", 5)) + event("ADDED", object("b", 6)) + bookmark(10, true));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial"));
}

// -- refusals -----------------------------------------------------------------

TEST_F(reflector_protocol, too_many_requests_waits_as_long_as_asked) {
  begin_with_lists();
  retry_after = 17s;
  respond(429, status(429, "TooManyRequests", "later"));
  retry_after.reset();
  EXPECT_EQ(pass_timer(), 17s);
  EXPECT_THAT(path(), HasSubstr("?limit=500"));
  EXPECT_EQ(requests.size(), 2U);
}

TEST_F(reflector_protocol, retry_after_may_stand_in_the_status) {
  begin_with_lists();
  respond(503, R"({"kind":"Status","code":503,"message":"m","details":{"retryAfterSeconds":9}})");
  EXPECT_EQ(pass_timer(), 9s);
}

TEST_F(reflector_protocol, an_absurd_retry_after_is_bounded) {
  begin_watching({}, 10);
  retry_after = 24h;
  respond(429, "");
  EXPECT_EQ(pass_timer(), 5min);
  EXPECT_THAT(path(), HasSubstr("resourceVersion=10&"));
}

TEST_F(reflector_protocol, forbidden_is_reported_once_and_tried_again) {
  begin_with_lists();
  auto body = status(403, "Forbidden", "kustomizations is forbidden: User x cannot list");
  std::vector<duration> waits;
  for (int i = 0; i < 10; ++i) {
    respond(403, body);
    waits.push_back(pass_timer());
  }
  EXPECT_LE(waits.front(), 1s);
  EXPECT_LE(waits.back(), 30s);
  EXPECT_GE(waits.back(), 15s);
  EXPECT_THAT(sink.states, ElementsAre("resolving", "listing", "forbidden"));
  EXPECT_THAT(sink.reasons.back(), HasSubstr("User x cannot list"));
  respond(200, list({}, 10));
  EXPECT_EQ(sink.synced, 1);
}

TEST_F(reflector_protocol, unauthorized_is_tried_again_at_once_and_then_slowly) {
  begin_with_lists();
  respond(401, status(401, "Unauthorized", "Unauthorized"));
  EXPECT_EQ(pass_timer(), 0s);
  respond(401, status(401, "Unauthorized", "Unauthorized"));
  EXPECT_GE(pass_timer(), 500ms);
  EXPECT_EQ(sink.states.back(), "failing");
}

TEST_F(reflector_protocol, a_kind_that_is_not_served_is_asked_for_quietly_and_starts_when_it_appears) {
  state.emplace(resource_ref{kustomizations.group, "", kustomizations.kind, ""}, reflector_options{}, sink,
                *this);
  state->start(now);
  for (int i = 0; i < 8; ++i) {
    state->on_resolved(std::nullopt, now);
    EXPECT_LE(pass_timer(), 15s);
  }
  EXPECT_EQ(resolutions, 9);
  state->on_resolved(tl::unexpected(std::string{"connection refused"}), now);
  pass_timer();
  EXPECT_THAT(sink.states, ElementsAre("resolving", "absent"));
  EXPECT_THAT(requests, IsEmpty());
  state->on_resolved(std::optional{kustomizations}, now);
  EXPECT_EQ(requests.size(), 1U);
}

TEST_F(reflector_protocol, a_kind_that_goes_and_comes_back_in_another_version_is_followed) {
  begin_watching({object("a", 1), object("b", 2)}, 10);
  respond(404, "404 page not found");
  EXPECT_EQ(sink.states.back(), "absent");
  pass_timer();
  EXPECT_EQ(resolutions, 2);
  auto other = kustomizations;
  other.version = "v2";
  state->on_resolved(std::optional{other}, now);
  EXPECT_THAT(path(), HasSubstr("/v2/kustomizations?limit=500"));
  sink.objects.clear();
  respond(200, list({object("a", 1)}, 20));
  EXPECT_THAT(told(), ElementsAre("DELETED b"));
}

TEST_F(reflector_protocol, a_discovery_that_fails_is_repeated) {
  state.emplace(resource_ref{kustomizations.group, "", kustomizations.kind, ""}, reflector_options{}, sink,
                *this);
  state->start(now);
  state->on_resolved(tl::unexpected(std::string{"connection refused"}), now);
  EXPECT_EQ(sink.states.back(), "failing");
  EXPECT_THAT(sink.reasons.back(), HasSubstr("connection refused"));
  pass_timer();
  EXPECT_EQ(resolutions, 2);
}

TEST_F(reflector_protocol, a_response_that_is_no_list_is_a_failure_and_deletes_nothing) {
  begin_watching({object("a", 1)}, 10);
  respond(410, status(410, "Expired", "too old"));
  for (auto* body : {"<html>", "", "{}", R"({"metadata":{"resourceVersion":"1"}})",
                     R"({"metadata":{},"items":[]})", R"({"metadata":{"resourceVersion":"1"},"items":[)"}) {
    respond(200, body);
    EXPECT_EQ(sink.states.back(), "failing") << body;
    pass_timer();
    EXPECT_FALSE(requests.back().watch);
  }
  EXPECT_EQ(sink.objects.size(), 1U);
}

TEST_F(reflector_protocol, a_version_the_server_refuses_for_ever_is_given_up_for_a_list) {
  begin_watching({}, 10);
  int refused = 0;
  while (requests.back().watch && refused < 20) {
    respond(504, status(504, "Timeout", "Too large resource version: 10, current: 3"));
    ++refused;
    pass_timer();
  }
  EXPECT_EQ(refused, 4);
  respond(200, list({}, 3));
  EXPECT_THAT(path(), HasSubstr("resourceVersion=3&"));
}

TEST_F(reflector_protocol, an_error_event_that_is_not_410_resumes_after_a_delay) {
  begin_watching({}, 10);
  feed(bookmark(20) + event("ERROR", status(500, "InternalError", "etcd said no")) +
       event("ADDED", object("a", 99)));
  EXPECT_EQ(cancellations, 1);
  EXPECT_THAT(told(), IsEmpty()); // nothing after the error counts
  pass_timer();
  EXPECT_THAT(path(), HasSubstr("resourceVersion=20&"));
}

TEST_F(reflector_protocol, an_error_event_says_when_to_come_again) {
  begin_watching({}, 10);
  feed(event("ERROR", R"({"kind":"Status","code":429,"message":"busy","details":{"retryAfterSeconds":77}})"));
  EXPECT_GE(pass_timer(), 77s);
}

// -- broken objects -----------------------------------------------------------

TEST_F(reflector_protocol, broken_lines_are_reported_and_skipped) {
  begin_watching({}, 10);
  feed("{\"type\":\"ADDED\",\"object\":{\n");
  feed("not JSON\n");
  feed(event("ADDED", "{\"kind\":\"Kustomization\"}"));
  feed(event("ADDED", R"({"metadata":{"name":"n","namespace":"apps","uid":"u"}})"));
  feed(event("WOBBLED", object("w", 11)));
  feed("{\"object\":{}}\n");
  feed(event("ADDED", object("good", 12)));
  EXPECT_THAT(told(), ElementsAre("ADDED good"));
  EXPECT_THAT(sink.errors,
              ElementsAre(HasSubstr("not valid JSON"), HasSubstr("not valid JSON"),
                          HasSubstr("has no metadata"), "apps/n: has no metadata.resourceVersion",
                          HasSubstr("WOBBLED"), HasSubstr("no type")));
  EXPECT_EQ(state->counts().broken, 6U);
  EXPECT_TRUE(open);
}

TEST_F(reflector_protocol, broken_items_of_a_list_are_reported_and_skipped) {
  begin_with_lists();
  respond(200,
          list({object("a", 1), "{\"metadata\":{\"name\":\"x\"}}", "{\"metadata\" 1}", object("b", 2)}, 10));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial"));
  EXPECT_EQ(sink.errors.size(), 2U);
  EXPECT_EQ(sink.synced, 1);
}

TEST_F(reflector_protocol, an_item_that_cannot_be_read_is_not_taken_for_gone) {
  begin_watching({object("a", 1), object("b", 2)}, 10);
  respond(410, status(410, "Expired", "too old"));
  respond(200, list({"{\"metadata\" 1}", object("b", 2)}, 20));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial", "ADDED b initial"));
  respond(410, status(410, "Expired", "too old"));
  pass_timer();
  respond(200, list({object("b", 2)}, 30));
  EXPECT_EQ(told().back(), "DELETED a");
}

TEST_F(reflector_protocol, an_item_that_cannot_be_read_but_named_hides_no_deletion) {
  begin_watching({object("a", 1), object("b", 2)}, 10);
  respond(410, status(410, "Expired", "too old"));
  auto new_and_broken = R"({"metadata":{"name":"n","namespace":"apps","uid":"u"}})"; // no resourceVersion
  respond(200, list({new_and_broken, object("b", 2)}, 20));
  EXPECT_EQ(told().back(), "DELETED a");
}

TEST_F(reflector_protocol, large_objects_pass_up_to_the_bound) {
  auto padded = [](const std::string& name, int version, std::size_t size) {
    auto json = object(name, version);
    return json.substr(0, json.size() - 1) + ",\"pad\":\"" + std::string(size, 'x') + "\"}";
  };
  begin_watching({padded("listed", 1, 5'000'000), padded("too-large", 1, 17'000'000), object("small", 2)},
                 10);
  feed(event("ADDED", padded("watched", 11, 5'000'000)));
  feed(event("ADDED", padded("too-large", 12, 17'000'000)) + event("ADDED", object("after", 13)));
  EXPECT_THAT(told(),
              ElementsAre("ADDED listed initial", "ADDED small initial", "ADDED watched", "ADDED after"));
  EXPECT_THAT(sink.errors,
              ElementsAre(HasSubstr("larger than the limit"), HasSubstr("larger than the limit")));
}

TEST_F(reflector_protocol, an_object_that_its_receiver_refuses_is_reported_and_the_watch_goes_on) {
  begin_watching({}, 10);
  sink.refuse = "poison";
  feed(event("ADDED", object("poison", 11)) + event("ADDED", object("good", 12)));
  EXPECT_EQ(told().back(), "ADDED good");
  EXPECT_THAT(sink.errors, ElementsAre(HasSubstr("apps/poison: was refused")));
}

TEST_F(reflector_protocol, late_answers_to_an_ended_request_change_nothing) {
  begin_watching({}, 10);
  cut();
  auto before = requests.size();
  feed(event("ADDED", object("late", 11)));
  end();
  state->on_resolved(std::optional{kustomizations}, now);
  EXPECT_EQ(requests.size(), before);
  EXPECT_THAT(told(), IsEmpty());
}

// -- going on from an earlier process -----------------------------------------

namespace {

/// Of objects "a" and "b", at versions 5 and 7.
reflector_options remembering(const std::string& version) {
  reflector_memory memory;
  memory.objects = {{"apps/a", "uid-a", "5", R"({"name":"a","namespace":"apps","uid":"uid-a"})"},
                    {"apps/b", "uid-b", "7", R"({"name":"b","namespace":"apps","uid":"uid-b"})"}};
  memory.resource_version = version;
  reflector_options out;
  out.use_watch_list = false;
  out.memory = std::make_shared<const reflector_memory>(std::move(memory));
  return out;
}

} // namespace

TEST_F(reflector_protocol, goes_on_with_a_watch_from_where_an_earlier_process_was) {
  begin(remembering("10"));
  EXPECT_TRUE(requests.back().watch);
  EXPECT_THAT(path(), HasSubstr("watch=true&allowWatchBookmarks=true&resourceVersion=10&timeoutSeconds="));
  state->on_head(200, now);
  feed(event("MODIFIED", object("a", 11)));
  EXPECT_THAT(told(), ElementsAre("MODIFIED a"));
  EXPECT_FALSE(sink.objects.back().relisted) << "nothing was missed";
  EXPECT_EQ(sink.synced, 0) << "more may come of what was missed";
  pass_timer();
  EXPECT_EQ(sink.synced, 1);
  feed(event("DELETED", object("b", 12)));
  EXPECT_EQ(told().back(), "DELETED b");
}

TEST_F(reflector_protocol, lists_as_after_an_outage_when_the_server_has_forgotten_that_version) {
  begin(remembering("10"));
  state->on_head(200, now);
  feed(event("ERROR", status(410, "Expired", "too old resource version: 10 (20)")));
  EXPECT_FALSE(requests.back().watch);
  respond(200, list({object("a", 5), object("c", 20)}, 30));
  // Of a nothing is new, b has gone, c is new: all of it by a list after an outage.
  EXPECT_THAT(told(), ::testing::UnorderedElementsAre("ADDED c", "DELETED b"));
  for (const auto& each : sink.objects)
    EXPECT_TRUE(each.relisted);
  EXPECT_EQ(sink.synced, 1);
}

TEST_F(reflector_protocol, lists_as_after_an_outage_when_the_version_is_not_known) {
  begin(remembering(""));
  EXPECT_FALSE(requests.back().watch);
  respond(200, list({object("a", 6), object("b", 7)}, 30));
  EXPECT_THAT(told(), ElementsAre("MODIFIED a"));
  EXPECT_TRUE(sink.objects.back().relisted);
}

TEST_F(reflector_protocol, lists_as_if_for_the_first_time_when_what_was_known_is_lost) {
  begin(remembering("10"), kustomizations, true);
  EXPECT_FALSE(requests.back().watch);
  respond(200, list({object("a", 5)}, 30));
  EXPECT_THAT(told(), ElementsAre("ADDED a initial")) << "unchanged, and told; that b has gone is not known";
  EXPECT_FALSE(sink.objects.back().relisted);
}

TEST_F(reflector_protocol, tells_up_to_which_version_its_watch_was_read) {
  begin(remembering(""));
  EXPECT_EQ(state->watched_version(), 0U) << "a list";
  respond(200, list({object("a", 6), object("b", 7)}, 30));
  EXPECT_EQ(state->watched_version(), 30U);
  state->on_head(200, now);
  feed(event("MODIFIED", object("a", 31)));
  EXPECT_EQ(state->watched_version(), 31U);
  feed(bookmark(35));
  EXPECT_EQ(state->watched_version(), 35U);
}

TEST_F(reflector_protocol, tells_up_to_which_version_all_is_told) {
  begin_watching({object("a", 5)}, 10);
  EXPECT_THAT(sink.positions, ElementsAre("10"));
  feed(event("MODIFIED", object("a", 11)));
  feed(bookmark(15));
  EXPECT_THAT(sink.positions, ElementsAre("10", "15"));
}
