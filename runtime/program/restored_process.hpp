#pragma once

// What a data directory had, as what the parts of the program go on from.

#include "actors/restored.hpp"
#include "kube/reflector_state.hpp"
#include "runtime/store/contents.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace tc::runtime {

struct restored_process {
  std::shared_ptr<actors::restored_state> actors;
  std::vector<observation_batch_ptr> observations; ///< to be played in before the first lists, in this order
  /// By resource_ref::to_string(): what a reflector goes on from.
  std::map<std::string, std::shared_ptr<const kube::reflector_memory>> watches;
};

/// Waiting traces as they were found, without their spans: those stay in the data directory.
class found_traces {
public:
  void add(const store::waiting_trace& found);
  std::size_t size() const { return found_.size(); }
  /// Returns the UIDs of the Trace resources that they are of.
  std::set<std::string> owners() const;
  void move_to(actors::restored_state& state);

private:
  std::map<store::trace_key, actors::restored_submission> found_; ///< one may be found twice
};

restored_process restore(store::contents found, found_traces traces, std::size_t batch_size);

} // namespace tc::runtime
