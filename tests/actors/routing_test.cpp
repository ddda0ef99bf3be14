#include "actors/routing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tc::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

object_id source_id(std::string name) {
  return {"source.toolkit.fluxcd.io", "GitRepository", "flux-system", std::move(name)};
}

object_id kustomization_id(std::string name) {
  return {"kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", std::move(name)};
}

object_id deployment_id(std::string name) {
  return {"apps", "Deployment", "apps", std::move(name)};
}

class Routing : public testing::Test {
protected:
  observation_ptr state_of(object_id id, object_state state = {},
                           observation_kind kind = observation_kind::state) {
    auto out = std::make_shared<observation>();
    out->kind = kind;
    out->object = std::move(id);
    out->resource_version = ++version;
    out->received_at = timestamp{std::chrono::seconds{static_cast<int>(version)}};
    out->state = std::move(state);
    return out;
  }

  observation_ptr kustomization(std::string name, std::string source, std::string owner = {}) {
    object_state state;
    state.source_ref = source_id(std::move(source));
    if (!owner.empty()) {
      state.labels["kustomize.toolkit.fluxcd.io/name"] = std::move(owner);
      state.labels["kustomize.toolkit.fluxcd.io/namespace"] = "flux-system";
    }
    return state_of(kustomization_id(std::move(name)), state);
  }

  observation_ptr deployment(std::string name, std::string owner) {
    object_state state;
    state.labels["kustomize.toolkit.fluxcd.io/name"] = std::move(owner);
    state.labels["kustomize.toolkit.fluxcd.io/namespace"] = "flux-system";
    return state_of(deployment_id(std::move(name)), state);
  }

  std::vector<routing::delivery> route(const observation_ptr& fact) {
    std::vector<routing::delivery> out;
    routes.route(fact, out);
    return out;
  }

  trace_resource following(std::string kind, std::string name) {
    trace_resource out;
    out.namespace_name = "flux-system";
    out.event_sources.push_back({{}, std::move(kind), std::move(name), {}, {}});
    return out;
  }

  std::uint64_t version = 0;
  routing routes;
};

std::vector<routing::subscriber> receivers(const std::vector<routing::delivery>& deliveries) {
  std::vector<routing::subscriber> out;
  for (const auto& item : deliveries)
    out.push_back(item.first);
  return out;
}

TEST_F(Routing, TellsOnlyTheTraceThatSelectsTheObject) {
  auto apps = routes.subscribe(following("Kustomization", "apps")).first;
  auto infra = routes.subscribe(following("Kustomization", "infra")).first;
  EXPECT_THAT(receivers(route(kustomization("apps", "demo"))), ElementsAre(apps));
  EXPECT_THAT(receivers(route(kustomization("infra", "demo"))), ElementsAre(infra));
  EXPECT_THAT(route(kustomization("other", "other")), IsEmpty());
}

TEST_F(Routing, TellsOfEverythingTheSelectedObjectComesFrom) {
  auto apps = routes.subscribe(following("Kustomization", "apps")).first;
  route(kustomization("apps", "demo", "cluster"));
  EXPECT_THAT(receivers(route(state_of(source_id("demo")))), ElementsAre(apps));
  EXPECT_THAT(receivers(route(kustomization("cluster", "fleet"))), ElementsAre(apps));
  EXPECT_THAT(receivers(route(state_of(source_id("fleet")))), ElementsAre(apps));
}

TEST_F(Routing, CatchesUpOnASourceThatWasSeenBeforeItsConsumer) {
  auto apps = routes.subscribe(following("Kustomization", "apps")).first;
  auto first = state_of(source_id("demo"));
  auto second = state_of(source_id("demo"));
  EXPECT_THAT(route(first), IsEmpty());
  EXPECT_THAT(route(second), IsEmpty());
  auto consumer = kustomization("apps", "demo");
  EXPECT_THAT(route(consumer),
              UnorderedElementsAre(routing::delivery{apps, first}, routing::delivery{apps, second},
                                   routing::delivery{apps, consumer}));
}

TEST_F(Routing, TellsOfWorkloadsButNotOfUnselectedSiblings) {
  auto apps = routes.subscribe(following("Kustomization", "apps")).first;
  route(kustomization("apps", "demo"));
  EXPECT_THAT(receivers(route(deployment("web", "apps"))), ElementsAre(apps));
  EXPECT_THAT(route(kustomization("nested", "demo", "apps")), IsEmpty());
  EXPECT_THAT(route(deployment("db", "nested")), IsEmpty());
}

TEST_F(Routing, ATraceThatComesLateIsToldWhatIsRetained) {
  auto source = state_of(source_id("demo"));
  auto consumer = kustomization("apps", "demo");
  route(source);
  route(consumer);
  auto [apps, seed] = routes.subscribe(following("Kustomization", "*"));
  EXPECT_THAT(seed, ElementsAre(source, consumer));
}

TEST_F(Routing, KeepsTheLatestStateWhenRecentOnesAreGone) {
  routes = routing{2};
  auto source = state_of(source_id("demo"));
  route(source);
  for (int i = 0; i < 5; ++i)
    route(state_of(source_id("other")));
  auto consumer = kustomization("apps", "demo");
  auto apps = routes.subscribe(following("Kustomization", "apps")).first;
  auto told = route(consumer);
  ASSERT_THAT(receivers(told), ElementsAre(apps, apps));
  auto listed = told[0].second == consumer ? told[1].second : told[0].second;
  EXPECT_EQ(listed->resource_version, source->resource_version);
  // What came before it is gone: it must not be taken for the object's creation.
  EXPECT_TRUE(listed->initial);
}

TEST_F(Routing, ForgetsDeletedObjects) {
  routes = routing{2};
  for (int i = 0; i < 100; ++i)
    route(state_of(source_id("gone-" + std::to_string(i)), {}, observation_kind::deleted));
  EXPECT_LE(routes.objects(), 3u);
}

TEST_F(Routing, AnUnsubscribedTraceIsToldNothing) {
  auto apps = routes.subscribe(following("Kustomization", "apps")).first;
  route(kustomization("apps", "demo"));
  routes.unsubscribe(apps);
  EXPECT_THAT(route(kustomization("apps", "demo")), IsEmpty());
  EXPECT_THAT(route(state_of(source_id("demo"))), IsEmpty());
}

TEST_F(Routing, ATraceWithoutEventSourcesGetsEverything) {
  auto all = routes.subscribe(trace_resource{}).first;
  EXPECT_THAT(receivers(route(state_of(source_id("demo")))), ElementsAre(all));
  EXPECT_THAT(receivers(route(deployment("web", "apps"))), ElementsAre(all));
}

} // namespace
} // namespace tc::actors
