#include "bench/wide_change.hpp"

#include "tests/trace/cluster.hpp"

#include <algorithm>
#include <memory>
#include <string>

namespace tc::bench {

namespace {

using namespace std::chrono_literals;
using test::object;

/// How long after the last one the next Kustomization begins.
constexpr auto between_beginnings = 5ms;

const auto git = object("GitRepository", "demo");

std::string revision() {
  return "main@" + test::sha('a');
}

void install_release(test::cluster& world, const object_id& release, const object_id& chart) {
  world.wait(100ms);
  world.state(chart).source_ref = object("HelmRepository", "charts");
  world.own(chart, release);
  world.fetch(chart, "0.1.0");
  world.begin_release(release, "install", "0.1.0", "sha256:v1");
  world.end_release(release, "InstallSucceeded", 1);
}

/// What one Kustomization and the objects it applies show.
std::vector<observation_ptr> taken_by_one(std::size_t index, timestamp begins) {
  auto number = std::to_string(index);
  auto app = object("Kustomization", "app-" + number);
  auto web = object_id{"apps", "Deployment", "apps", "web-" + number};
  auto release = object("HelmRelease", "rel-" + number);
  auto chart = object("HelmChart", "flux-system-rel-" + number);
  bool with_release = index % 2 == 1;

  test::cluster world;
  world.now = begins;
  world.follow(app, git);
  world.patch(app);
  world.run(app, revision(), [&] {
    world.own(web, app);
    world.state(web).workload = workload_state{1, 0, 0, 0, 0, {"ghcr.io/acme/web:1.2"}};
    world.patch(web);
    auto applied = "Deployment/apps/" + web.name + " created";
    world.state(app).inventory = {web};
    if (with_release) {
      world.own(release, app);
      world.state(release).helm_chart = "flux-system/" + chart.name;
      world.patch(release);
      applied += "\nHelmRelease/flux-system/" + release.name + " created";
      world.state(app).inventory.push_back(release);
    }
    world.event(app, "Progressing", applied, revision());
  });
  if (with_release)
    install_release(world, release, chart);
  world.wait(3s);
  world.patch(web, [&](object_state& state) {
    state.observed_generation = state.generation;
    state.workload = workload_state{1, 1, 1, 1, 1, {"ghcr.io/acme/web:1.2"}};
    test::cluster::set_condition(state, "Progressing", "True", "NewReplicaSetAvailable", "has progressed",
                                 world.second());
  });
  return std::move(world.facts);
}

} // namespace

std::vector<observation_ptr> wide_change(std::size_t kustomizations) {
  test::cluster source;
  source.patch(git);
  source.fetch(git, revision());
  auto result = std::move(source.facts);
  for (std::size_t i = 0; i < kustomizations; ++i) {
    auto taken = taken_by_one(i, source.now + i * between_beginnings);
    result.insert(result.end(), taken.begin(), taken.end());
  }
  // Each was told with versions of its own; the API server counts them for all objects together.
  std::stable_sort(result.begin(), result.end(),
                   [](const observation_ptr& left, const observation_ptr& right) {
                     return left->received_at < right->received_at;
                   });
  std::uint64_t version = 100;
  for (auto& each : result) {
    auto numbered = std::make_shared<observation>(*each);
    numbered->resource_version = ++version;
    each = std::move(numbered);
  }
  return result;
}

} // namespace tc::bench
