// How main wires the parts: access, HTTP client, cluster, reflectors, sink, and single requests beside them.

#include "kube/api_client.hpp"
#include "kube/in_cluster.hpp"
#include "kube/reflector_set.hpp"

#include "tests/kube/objects.hpp"
#include "tests/kube/recording_sink.hpp"
#include "tests/kube/scripted_cluster.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

using namespace tc;
using namespace tc::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

timestamp wall_clock() {
  return std::chrono::system_clock::now();
}

} // namespace

TEST(wiring, from_a_kubeconfig_to_the_sink) {
  scripted_cluster api{[](const scripted_request& request) {
    if (request.header("authorization") != "Bearer t")
      return scripted_response::json(status(401, "Unauthorized", "who?"), 401);
    if (request.path() == "/api/v1/namespaces/apps/secrets/s")
      return scripted_response::json(R"({"data":{"address":"aHR0cDovL3g="}})");
    if (request.path() != "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations")
      return scripted_response::json("404 page not found", 404);
    scripted_response response;
    response.chunks = {event("ADDED", object("a", 1)), bookmark(2, true)};
    response.end = ending::hang;
    return response;
  }};
  temporary_folder folder;
  auto file = folder.write("config", "current-context: c\nclusters: [{name: k, cluster: {server: '" +
                                         api.server.url() +
                                         "'}}]\nusers: [{name: u, user: {token: t}}]\n"
                                         "contexts: [{name: c, context: {cluster: k, user: u}}]\n");

  kube::find_access_options where;
  where.kubeconfig = file;
  where.pod.env = [](const std::string&) { return std::string{}; }; // main: std::getenv
  where.pod.clock = wall_clock;
  auto access = kube::find_access(where);
  ASSERT_TRUE(access) << access.error().message; // main: print it and exit with 2

  recording_sink sink; // main: copies the JSON and sends it to the watcher actor
  runtime::http_loop loop;
  kube::cluster cluster{loop, *access};
  kube::reflector_set watches{cluster, sink, wall_clock, 1};
  for (const auto* kind : {"Kustomization", "HelmRelease"})
    watches.add(*kube::find_watched_kind({}, kind), {});
  EXPECT_EQ(watches.waiting_for().size(), 2U);
  watches.start();

  ASSERT_TRUE(sink.wait_until([&] { return sink.synced == 1; }));
  ASSERT_TRUE(
      sink.wait_until([&] { return std::count(sink.states.begin(), sink.states.end(), "absent") == 1; }));
  EXPECT_EQ(sink.objects.at(0).json, object("a", 1));

  kube::api_client client{cluster, wall_clock};
  std::promise<std::string> address;
  client.get_secret("apps", "s",
                    [&](auto secret) { address.set_value(secret ? secret->at("address") : "none"); });
  EXPECT_EQ(address.get_future().get(), "http://x");

  watches.stop(); // then the loop, then what the sink uses
  loop.stop();
  auto views = watches.look();
  EXPECT_EQ(views.at(0).objects, 1U);
  EXPECT_TRUE(views.at(0).synced);
  EXPECT_EQ(views.at(1).resource.kind, "HelmRelease");
}

TEST(wiring, what_is_waited_for_is_said) {
  scripted_cluster api{[](const scripted_request&) {
    return scripted_response::json(status(403, "Forbidden", "you cannot list kustomizations"), 403);
  }};
  recording_sink sink;
  runtime::http_loop loop;
  kube::cluster cluster{loop, std::make_shared<kube::fixed_access>(
                                  kube::cluster_access{api.server.url(), nullptr, {}, std::string{}})};
  kube::reflector_set watches{cluster, sink, wall_clock, 1};
  watches.add(*kube::find_watched_kind({}, "Kustomization"), {});
  watches.start();
  ASSERT_TRUE(sink.wait_until([&] { return !sink.states.empty() && sink.states.back() == "forbidden"; }));
  std::promise<void> through; // the view is renewed after the sink was told, on the loop's thread
  loop.post([&] { through.set_value(); });
  through.get_future().wait();
  EXPECT_THAT(watches.waiting_for(),
              ElementsAre(HasSubstr("Kustomization.kustomize.toolkit.fluxcd.io: forbidden, HTTP 403")));
}
