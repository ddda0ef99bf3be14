#pragma once

// What a data directory had, as what the parts of the program go on from.

#include "actors/restored.hpp"
#include "kube/reflector_state.hpp"
#include "runtime/store/contents.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tc::runtime {

struct restored_process {
  std::shared_ptr<actors::restored_state> actors;
  /// Row of the last observation that is to be played in before the first lists; 0 where there is none.
  std::int64_t last_observation = 0;
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

/// Observations as they were found, of which no more is kept than the latest state of each object tells a
/// watch.
class found_observations {
public:
  void add(const observation& found);
  void clear();
  std::size_t size() const { return size_; }
  /// By resource_ref::to_string(), without resource versions.
  std::map<std::string, kube::reflector_memory> take_watches();

private:
  struct object {
    std::uint64_t version = 0;
    std::optional<kube::reflector_memory::object> known; ///< nothing: it was deleted
  };
  std::map<std::string, std::map<object_id, object>> kinds_;
  std::size_t size_ = 0;
};

restored_process restore(store::contents found, found_traces traces, found_observations observations);

} // namespace tc::runtime
