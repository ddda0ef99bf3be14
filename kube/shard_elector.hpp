#pragma once

// Shards divided among replicas, on the HTTP client: drives shard_election.hpp with the API server's answers,
// the loop's timers and the two clocks.

#include "kube/lease_elector.hpp"
#include "kube/shard_election.hpp"

#include <functional>
#include <memory>
#include <string>

namespace tc::kube {

/// Everything happens on the loop's thread, which must outlive it. Destroyed on another one, and not before
/// what it is telling has returned; afterwards nothing is told.
class shard_elector {
public:
  /// `changed` is told after each step, also of those that changed nothing.
  shard_elector(elector_context context, std::string namespace_name, sharding_settings with,
                std::function<void(const shard_election&)> changed);
  ~shard_elector();
  shard_elector(const shard_elector&) = delete;
  shard_elector& operator=(const shard_elector&) = delete;

  void start();
  /// Nothing is done for that shard any more: the next one may have it.
  void give_back(std::size_t shard);
  /// Takes nothing any more and calls `done` once all that is held has been given back.
  void retire(std::function<void()> done);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace tc::kube
