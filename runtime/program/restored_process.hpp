#pragma once

// What a data directory had, as what the parts of the program go on from.

#include "actors/restored.hpp"
#include "kube/reflector_state.hpp"
#include "runtime/store/contents.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tc::runtime {

struct restored_process {
  std::shared_ptr<actors::restored_state> actors;
  std::vector<observation_batch_ptr> observations; ///< to be played in before the first lists, in this order
  /// By resource_ref::to_string(): what a reflector goes on from.
  std::map<std::string, std::shared_ptr<const kube::reflector_memory>> watches;
};

restored_process restore(store::contents found, std::size_t batch_size);

} // namespace tc::runtime
