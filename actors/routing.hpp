#pragma once

// Which Trace resources an observation is for. An index, not a scan: the cost of an observation does not grow
// with the number of Traces that it does not concern. A Trace is interested in what it selects, in all that
// this comes from (sources, charts, the Kustomizations that applied it), because a tree needs its root, and
// in the workloads that it applies. What a change was is not decided here but in trace/.

#include "messages/actors.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tc::actors {

class routing {
public:
  /// Names a subscribed Trace.
  using subscriber = std::uint32_t;
  /// What one subscriber gets.
  using delivery = std::pair<subscriber, observation_ptr>;

  /// `max_recent`: how many recent observations are kept beside the latest state of each object, to be told
  /// to a Trace that becomes interested in their object later: the watches of different kinds are not in
  /// step.
  explicit routing(std::size_t max_recent = 4096) : max_recent_(max_recent) {}

  /// A Trace begins to listen. Returns what is retained of the objects that concern it.
  std::pair<subscriber, observation_batch> subscribe(const trace_resource& resource);
  /// The Trace is gone, or about to be subscribed anew with another spec.
  void unsubscribe(subscriber who);
  /// Returns all that is retained for that subscriber, oldest first: what a restarted trace actor is told.
  observation_batch retained_for(subscriber who) const;

  /// Takes an observation in and adds to `out` who gets it, and what else becomes due to whom because of it.
  void route(const observation_ptr& fact, std::vector<delivery>& out);

  std::size_t objects() const { return nodes_.size(); }

private:
  struct node {
    object_id id;
    observation_ptr latest; ///< the latest state
    std::deque<observation_ptr> recent;
    bool truncated = false; ///< older states were let go: the first one left is no creation
    std::vector<object_id> parents;
    std::vector<object_id> children;
    std::vector<subscriber> upward;   ///< who selects it, or something below it; sorted
    std::vector<subscriber> downward; ///< who is interested in it for what applied it; sorted
  };
  struct entry {
    subscriber who;
    event_source source;
    std::string trace_namespace;
  };

  node& node_of(const object_id& id);
  void remember(node& at, const observation_ptr& fact);
  /// Objects that were deleted, and names that only Events know, do not stay for ever.
  void forget_if_gone(node& candidate, const node& in_use);
  void select(node& at, std::vector<delivery>& out);
  void gain(node& at, subscriber who, bool upward, std::vector<delivery>& out);
  void link(node& at, const object_state& state, std::vector<delivery>& out);
  static void add_retained(const node& at, subscriber who, std::vector<delivery>& out);
  static std::string index_key(std::string_view kind, std::string_view namespace_name, std::string_view name);

  std::size_t max_recent_;
  std::unordered_map<object_id, node> nodes_;
  std::deque<object_id> order_; ///< object of each recent observation, oldest first
  std::unordered_map<std::string, std::vector<entry>> index_;
  std::vector<subscriber> everything_; ///< of Traces without eventSources
  subscriber next_ = 1;
};

/// Returns what an object comes from: its sources, its chart, and what applied or generated it.
std::vector<object_id> parents_of(const object_id& id, const object_state& state);

} // namespace tc::actors
