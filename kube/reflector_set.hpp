#pragma once

// All the reflectors of a process, started and stopped together, and what they are waiting for. Which kinds,
// namespaces and selectors are watched is for the owner to say.

#include "kube/cluster.hpp"
#include "kube/discovery.hpp"
#include "kube/reflector.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tc::kube {

class reflector_set {
public:
  /// `target` and `sink` must outlive the set. `seed` is that of the jitter. Discovery answers are kept for
  /// some seconds, on `clock`, the wall clock.
  reflector_set(cluster& target, reflector_sink& sink, std::function<timestamp()> clock, std::uint64_t seed);
  /// Calls stop().
  ~reflector_set();
  reflector_set(const reflector_set&) = delete;
  reflector_set& operator=(const reflector_set&) = delete;

  /// Adds a reflector that start() will start. `kind` is one of watched_kinds().
  void add(const watched_kind& kind, reflector_options options);

  /// Starts all. Once.
  void start();

  /// Ends all. When it returns the sink is not called any more.
  void stop();

  /// Returns where each stands, in the order of add().
  std::vector<reflector::snapshot> look() const;

  /// Returns why the first view of the cluster is not complete yet, a line for each resource; empty when it
  /// is. A kind that the cluster does not serve is not waited for.
  std::vector<std::string> waiting_for() const;

private:
  cluster& target_;
  reflector_sink& sink_;
  std::function<timestamp()> clock_;
  std::uint64_t seed_;
  std::unique_ptr<discovery> versions_;
  std::vector<std::unique_ptr<reflector>> reflectors_;
};

} // namespace tc::kube
