#pragma once

// One change that many objects take at once: a revision of one GitRepository, applied by many Kustomizations.
// Each applies a Deployment, which rolls out, and every second one a HelmRelease with its HelmChart, which
// installs. Shapes and order are those of tests/trace/cluster.hpp, which takes them from the recordings.

#include "messages/observation.hpp"

#include <cstddef>
#include <vector>

namespace tc::bench {

/// How many observations the source itself adds to those of the Kustomizations.
constexpr std::size_t source_observations = 3;

/// Returns the observations of a change that so many Kustomizations take, side by side in time, in the order
/// of their arrival and of their resource versions.
std::vector<observation_ptr> wide_change(std::size_t kustomizations);

} // namespace tc::bench
