#pragma once

// What a storm is made of. Every number is per storm, seeded: the same settings give the same bytes.

#include "messages/time.hpp"

#include <cstdint>

namespace tc::storm {

struct settings {
  std::uint64_t seed = 1;
  timestamp start{std::chrono::seconds{1'700'000'000}};

  // -- the estate ---

  unsigned sources = 2;        ///< GitRepositories, each with a tree of its own
  unsigned kustomizations = 6; ///< under the topmost Kustomization of each source
  unsigned deployments = 2;    ///< that each of them applies
  unsigned releases = 1;       ///< HelmReleases that each of them applies
  double depends_on = 0.4;     ///< share of the Kustomizations that wait for the one before them
  double waits = 0.6;          ///< share of the Kustomizations with spec.wait

  // -- what happens ---

  unsigned commits = 20;                           ///< to each source
  duration commit_every{std::chrono::seconds{60}}; ///< mean time between two commits to one source
  double touched = 0.3; ///< share of a source's deployments and releases that a commit changes
  double broken = 0.05; ///< share of the commits' changes that do not build, apply, upgrade or get ready
  duration interval{std::chrono::minutes{5}}; ///< spec.interval of every Kustomization: noise
  duration retry_interval{std::chrono::seconds{15}};
  duration timeout{std::chrono::seconds{30}};
  duration requeue_dependency{std::chrono::seconds{5}};
  duration rollout{std::chrono::seconds{3}}; ///< mean time until a Deployment is available
  duration rest{
      std::chrono::minutes{5}}; ///< after the last commit, for what is under way; besides an interval
};

} // namespace tc::storm
