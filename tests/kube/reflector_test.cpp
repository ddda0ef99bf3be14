#include "kube/reflector.hpp"

#include "tests/kube/objects.hpp"
#include "tests/kube/recording_sink.hpp"
#include "tests/kube/scripted_cluster.hpp"
#include "tests/support/certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

using namespace tc;
using namespace tc::kube;
using namespace tc::testing;
using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::HasSubstr;

namespace {

const watched_kind& kustomization() {
  return *find_watched_kind({}, "Kustomization");
}

reflector_options quick(bool watch_list = false) {
  reflector_options options;
  options.use_watch_list = watch_list;
  options.first_delay = 1ms;
  options.first_forbidden_delay = 1ms;
  options.longest_delay = 20ms;
  return options;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string result(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

/// A reflector on a server that the test scripts.
class reflecting : public ::testing::Test {
protected:
  void begin(scripted_cluster::answer_function answer, reflector_options options = quick(),
             std::optional<server_tls> tls = std::nullopt, runtime::tls_options trust = {}) {
    api.emplace(std::move(answer), std::move(tls));
    auto access = std::make_shared<fixed_access>(
        cluster_access{api->server.url(), std::make_shared<runtime::tls_options>(trust), {}, std::string{}});
    target.emplace(loop, access);
    versions.emplace(*target, wall_clock, 0s);
    watched.emplace(reflector_context{*target, *versions, sink, wall_clock}, kustomization(),
                    std::move(options));
    watched->start();
  }

  ~reflecting() override {
    if (watched)
      watched->stop();
    loop.stop();
  }

  static timestamp wall_clock() { return std::chrono::system_clock::now(); }

  bool wait_for_objects(std::size_t count) {
    return sink.wait_until([&] { return sink.objects.size() >= count; });
  }

  // What the scripts use lives as long as the server.
  std::atomic<int> lists{0};
  std::atomic<int> watches{0};
  std::atomic<int> calls{0};
  std::shared_ptr<body_stream> stream = std::make_shared<body_stream>();

  recording_sink sink;
  runtime::http_loop loop;
  std::optional<scripted_cluster> api;
  std::optional<cluster> target;
  std::optional<discovery> versions;
  std::optional<reflector> watched;
};

} // namespace

TEST_F(reflecting, lists_and_watches) {
  begin([&](const scripted_request& request) {
    if (request.query("watch").empty())
      return scripted_response::json(list({object("a", 1)}, 10));
    scripted_response response;
    response.stream = stream;
    return response;
  });
  ASSERT_TRUE(wait_for_objects(1));
  EXPECT_TRUE(sink.told().objects[0].initial);
  EXPECT_EQ(sink.told().objects[0].json, object("a", 1));
  ASSERT_TRUE(sink.wait_until([&] { return sink.synced == 1; }));
  stream->push(event("MODIFIED", object("a", 11)));
  ASSERT_TRUE(wait_for_objects(2));
  EXPECT_FALSE(sink.told().objects[1].initial);
  EXPECT_EQ(sink.told().objects[1].json, object("a", 11));
  EXPECT_EQ(sink.told().last_resource.api_version(), "kustomize.toolkit.fluxcd.io/v1");
  EXPECT_EQ(watched->look().counts.lists, 1U);
  watched->stop();
  stream->push(event("MODIFIED", object("a", 12)));
  stream->end();
  EXPECT_EQ(sink.told().objects.size(), 2U);
}

TEST_F(reflecting, follows_over_tls_with_the_cluster_s_own_authority) {
  certificate_authority authority;
  auto shown = authority.issue_server();
  begin(
      [&](const scripted_request& request) {
        if (request.query("sendInitialEvents").empty())
          return scripted_response::json("{}", 500);
        scripted_response response;
        response.chunks = {event("ADDED", object("a", 1)), bookmark(10, true),
                           event("ADDED", object("b", 11))};
        response.end = ending::hang;
        return response;
      },
      quick(true), server_tls{shown.certificate_pem, shown.key_pem, {}}, {.ca_pem = authority.pem()});
  ASSERT_TRUE(wait_for_objects(2));
  EXPECT_EQ(sink.told().synced, 1);
  EXPECT_TRUE(sink.told().objects[0].initial);
  EXPECT_FALSE(sink.told().objects[1].initial);
}

TEST_F(reflecting, an_untrusted_authority_is_refused_and_said) {
  certificate_authority authority;
  certificate_authority other{"another"};
  auto shown = authority.issue_server();
  begin([](const scripted_request&) { return scripted_response::json("{}"); }, quick(),
        server_tls{shown.certificate_pem, shown.key_pem, {}}, {.ca_pem = other.pem()});
  ASSERT_TRUE(sink.wait_until([&] { return !sink.states.empty() && sink.states.back() == "failing"; }));
  EXPECT_THAT(sink.told().reasons.back(), HasSubstr("certificate"));
  EXPECT_TRUE(api->server.requests().empty());
}

TEST_F(reflecting, an_expired_server_certificate_is_said) {
  certificate_authority authority;
  auto shown = authority.issue_server("localhost", expired);
  begin([](const scripted_request&) { return scripted_response::json("{}"); }, quick(),
        server_tls{shown.certificate_pem, shown.key_pem, {}}, {.ca_pem = authority.pem()});
  ASSERT_TRUE(sink.wait_until([&] { return !sink.states.empty() && sink.states.back() == "failing"; }));
  EXPECT_THAT(sink.told().reasons.back(), HasSubstr("expired"));
}

TEST_F(reflecting, a_large_object_arrives_in_a_gzipped_list_and_in_a_watch) {
  auto large = object("large", 1);
  large.insert(large.size() - 1, ",\"pad\":\"" + std::string(5 << 20, 'x') + '"');
  auto larger = object("large", 11);
  larger.insert(larger.size() - 1, ",\"pad\":\"" + std::string(5 << 20, 'y') + '"');
  begin([large, larger](const scripted_request& request) {
    scripted_response response;
    if (request.query("watch").empty()) {
      EXPECT_THAT(request.header("accept-encoding"), HasSubstr("gzip"));
      response = scripted_response::json(gzip(list({large}, 10)));
      response.headers.emplace_back("Content-Encoding", "gzip");
      return response;
    }
    response.chunks = {event("MODIFIED", larger)};
    response.end = ending::hang;
    return response;
  });
  ASSERT_TRUE(wait_for_objects(2));
  EXPECT_EQ(sink.told().objects[0].json, large);
  EXPECT_EQ(sink.told().objects[1].json, larger);
}

TEST_F(reflecting, resumes_after_truncated_json_and_resets) {
  begin([&](const scripted_request& request) {
    if (request.query("watch").empty())
      return scripted_response::json(list({}, 10));
    scripted_response response;
    auto line = event("ADDED", object("a", 11));
    switch (watches++) {
    case 0: // cut in the middle of a line
      EXPECT_EQ(request.query("resourceVersion"), "10");
      response.chunks = {line.substr(0, 60)};
      response.end = ending::cut;
      break;
    case 1: // reset in the middle of the next
      EXPECT_EQ(request.query("resourceVersion"), "10");
      response.chunks = {line, event("MODIFIED", object("a", 12)).substr(0, 60)};
      response.end = ending::reset;
      break;
    case 2: // not even an answer; a reset may have thrown away what came before it
      response.no_answer = true;
      response.end = ending::reset;
      break;
    default:
      if (request.query("resourceVersion") == "10")
        response.chunks.push_back(line);
      response.chunks.push_back(event("MODIFIED", object("a", 12)));
      response.end = ending::hang;
    }
    return response;
  });
  ASSERT_TRUE(wait_for_objects(2));
  EXPECT_EQ(sink.told().objects[0].json, object("a", 11));
  EXPECT_EQ(sink.told().objects[1].json, object("a", 12));
  EXPECT_TRUE(sink.told().errors.empty());
}

TEST_F(reflecting, expired_lists_again) {
  begin([&](const scripted_request& request) {
    if (request.query("watch").empty())
      return scripted_response::json(lists++ == 0 ? list({object("a", 1), object("gone", 2)}, 10)
                                                  : list({object("a", 1), object("new", 20)}, 30));
    scripted_response response;
    if (watches++ == 0)
      response.chunks = {event("ERROR", status(410, "Expired", "too old resource version"))};
    else
      EXPECT_EQ(request.query("resourceVersion"), "30");
    response.end = ending::hang;
    return response;
  });
  ASSERT_TRUE(wait_for_objects(4));
  EXPECT_EQ(sink.told().objects[2].type, "ADDED");
  EXPECT_EQ(sink.told().objects[2].json, object("new", 20));
  EXPECT_EQ(sink.told().objects[3].type, "DELETED");
  EXPECT_THAT(sink.told().objects[3].json, HasSubstr("\"uid-gone\""));
}

TEST_F(reflecting, too_many_requests_is_waited_out) {
  begin([&](const scripted_request& request) {
    if (!request.query("watch").empty()) {
      scripted_response response;
      response.end = ending::hang;
      return response;
    }
    if (calls++ > 0)
      return scripted_response::json(list({object("a", 1)}, 10));
    auto response = scripted_response::json(status(429, "TooManyRequests", "later"), 429);
    response.headers.emplace_back("Retry-After", "0");
    return response;
  });
  ASSERT_TRUE(wait_for_objects(1));
  EXPECT_THAT(sink.told().reasons, ::testing::Contains(HasSubstr("429")));
}

TEST_F(reflecting, a_dropped_connection_is_made_anew) {
  begin([&](const scripted_request& request) {
    if (request.query("watch").empty())
      return scripted_response::json(list({}, 10));
    scripted_response response;
    response.chunks = {bookmark(std::stoi(request.query("resourceVersion")) + 1)};
    response.end = ending::hang;
    return response;
  });
  for (std::size_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(sink.wait_until([&] { return sink.bookmarks.size() >= i; }));
    api->server.drop_connections();
  }
  ASSERT_TRUE(sink.wait_until([&] { return sink.bookmarks.size() >= 4; }));
  EXPECT_EQ(watched->look().counts.lists, 1U);
}

TEST_F(reflecting, a_kind_that_is_installed_later_is_picked_up) {
  begin([&](const scripted_request& request) {
    if (request.query("watch").empty())
      return scripted_response::json(list({object("a", 1)}, 10));
    scripted_response response;
    response.end = ending::hang;
    return response;
  });
  api->serve_nothing();
  ASSERT_TRUE(sink.wait_until([&] { return !sink.states.empty(); }));
  api->serve("v1beta2");
  ASSERT_TRUE(wait_for_objects(1));
  EXPECT_THAT(sink.told().last_resource.version, AnyOf("v1", "v1beta2"));
}

TEST_F(reflecting, stopping_the_loop_first_is_safe) {
  begin([&](const scripted_request&) {
    scripted_response response;
    response.end = ending::hang;
    return response;
  });
  ASSERT_TRUE(api->server.wait_for_requests(1));
  loop.stop();
  watched->stop();
}
