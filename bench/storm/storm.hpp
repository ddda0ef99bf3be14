#pragma once

// A Flux estate in virtual time: its objects are there and at rest when watching begins, then commits come,
// and all that Flux's controllers would write about them goes to a watcher, with the truth beside it.

#include "bench/storm/cluster.hpp"
#include "bench/storm/recorder.hpp"
#include "bench/storm/settings.hpp"

#include <cstddef>

namespace tc::storm {

struct outcome {
  json truth;
  std::size_t changes = 0;
  std::size_t runs = 0;
};

/// Plays the whole storm. Watch events come in order of time.
outcome play(const settings& with, cluster::watcher watching, post_sink posts);

} // namespace tc::storm
