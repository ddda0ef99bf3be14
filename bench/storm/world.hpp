#pragma once

// Everything that the controllers of a storm share: time, objects, what Git holds, and the truth.

#include "bench/storm/chance.hpp"
#include "bench/storm/cluster.hpp"
#include "bench/storm/recorder.hpp"
#include "bench/storm/settings.hpp"
#include "bench/storm/timeline.hpp"
#include "bench/storm/truth.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tc::storm {

/// What a commit says of one Deployment or HelmRelease.
struct wanted {
  unsigned version = 0;    ///< the commit that touched it last
  bool broken = false;     ///< never gets available; a release's upgrade fails
  bool fails_once = false; ///< a release: the first attempt only
};

/// What is wrong with the manifests of a Kustomization at a commit.
enum class defect : std::uint8_t { none, does_not_build, does_not_apply, applies_at_third };

struct kustomization;

/// Something that a Kustomization applies.
struct applied_item {
  object_key key;
  object_key workload;   ///< itself, or what the release rolls out
  std::size_t place = 0; ///< in a commit's list
  unsigned live = 0;     ///< the version that the cluster has
};

struct commit {
  std::string sha, revision, subject;
  truth::change_id change = truth::history;
  std::vector<wanted> items;
  std::vector<defect> defects; ///< by the Kustomization's place
};

struct source_tree {
  object_key key;
  std::vector<std::unique_ptr<kustomization>> members; ///< the first applies the others
  std::deque<commit> commits;                          ///< addresses stay
  const commit* current = nullptr;                     ///< what the artifact holds
  std::size_t items = 0;
};

struct kustomization {
  object_key key;
  source_tree* tree = nullptr;
  std::size_t place = 0;
  kustomization* depends_on = nullptr;
  bool waits = false;
  std::vector<applied_item> items;
  // The work queue's part
  bool running = false;
  bool again = false;
  std::optional<timestamp> due; ///< when it comes again by itself
  // At the commit attempted last
  const commit* attempted = nullptr;
  unsigned failures = 0;
};

struct release {
  object_key key;
  object_key chart;
  applied_item* item = nullptr;
  kustomization* owner = nullptr;
  const commit* asked_by = nullptr; ///< whose apply moved its generation last
  bool attempted = true;            ///< since then
  bool running = false;
  bool again = false;
  unsigned storage_version = 1;
};

struct world {
  world(const settings& chosen, cluster::watcher watching, post_sink posts)
      : with(chosen), time(chosen.start), random(chosen.seed), objects(time, random, std::move(watching)),
        source_events(time, objects, "source-controller", posts),
        kustomize_events(time, objects, "kustomize-controller", posts),
        helm_events(time, objects, "helm-controller", posts) {}

  settings with;
  timeline time;
  chance random;
  cluster objects;
  recorder source_events, kustomize_events, helm_events;
  truth expected;
  std::vector<std::unique_ptr<source_tree>> trees;
  std::vector<std::unique_ptr<release>> releases;
  std::size_t pushing = 0; ///< sources to which commits are still to come

  duration milliseconds(int from, int to) {
    return random.between(std::chrono::milliseconds{from}, std::chrono::milliseconds{to});
  }
};

inline constexpr const char* kustomize_group = "kustomize.toolkit.fluxcd.io/";
inline constexpr const char* source_group = "source.toolkit.fluxcd.io/";
inline constexpr const char* helm_group = "helm.toolkit.fluxcd.io/";

// -- what the controllers do; each returns at once and goes on in virtual time ---

/// The work queue of kustomize-controller gets that Kustomization.
void enqueue(world& in, kustomization& what);
/// helm-controller gets that release, of which an apply moved the generation.
void enqueue(world& in, release& what);
/// A workload's pod template has changed: the Deployment controller rolls it out, unless it is broken.
process roll_out(world& in, object_key workload, bool broken);
/// Whether a Deployment is rolled out and available.
bool is_available(world& in, const object_key& workload);
/// The source fetches the newest commit.
process fetch(world& in, source_tree& tree);

/// How a version is written into a pod template.
std::string image_of(unsigned version);

} // namespace tc::storm
