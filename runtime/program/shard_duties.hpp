#pragma once

// What follows for this process from which shards it holds (kube/shard_election.hpp): when it begins to
// follow the Traces of one, when it hands them over or drops them, whether it may send at this moment; what
// the log and the metrics say. Which Traces these are is followed_shards.hpp's. No clock and no thread of its
// own.

#include "kube/shard_election.hpp"
#include "runtime/logging.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tc::runtime {

/// Something happened to a shard, for metrics.
enum class shard_event : std::uint8_t {
  acquired,    ///< its Lease is ours
  handed_over, ///< its Lease was given back, for another replica or at the end
  lost,        ///< its Lease ran out, or another has it
};

std::string_view to_string(shard_event event);

class shard_duties {
public:
  /// How long until what former owners delivered is asked for once more.
  static constexpr auto pause = std::chrono::seconds{1};

  struct outside {
    std::function<duration()> clock; ///< steady; the one of the election. From any thread
    std::function<void(duration, std::function<void()>)> later;
    /// Has all Traces read, as they are at this moment; calls back with "" or the error.
    std::function<void(std::function<void(const std::string& error)>)> catch_up;
    /// The Traces of these shards are followed from now on, as they were just read.
    std::function<void(const std::vector<std::size_t>& shards)> begin;
    /// Whether what has settled in that shard can be delivered now: while it cannot, it is no burden on
    /// others.
    std::function<bool(std::size_t shard)> delivers;
    /// Nothing more is judged of the Traces of that shard; handed_over() when the last status of each is
    /// written.
    std::function<void(std::size_t shard)> drain;
    /// Its Traces are followed no more. `recall`: what exporters have of them must not be sent. Calls back
    /// when nothing of them is there any more.
    std::function<void(std::size_t shard, bool recall, std::function<void()> done)> drop;
    std::function<void(std::size_t shard)> give_back; ///< its Lease
    std::function<void(shard_event)> counted;
    std::function<void(std::size_t held, std::size_t replicas)> shown;
  };

  /// `patience`: how long a shard may take to be handed over before it is dropped as it is.
  shard_duties(std::size_t count, duration patience, outside functions, const logger& log);

  /// Takes a step of the election over. On one thread, that of `later`, and of all but the next two.
  void changed(const kube::shard_election& now);
  /// The last status of each Trace of that shard is written.
  void handed_over(std::size_t shard);
  /// Whether the Traces of that shard are to be followed.
  bool follows(std::size_t shard) const { return shards_[shard].state == duty::following; }

  /// Whether this process may send at this moment: not while it has anything of a shard whose Lease may have
  /// run out. Asked before each request, because a process that was stopped for a while has lost what it
  /// held. Thread-safe.
  bool may_send() const { return outside_.clock().count() < send_until_.load(); }
  /// Whether it may write the status of a Trace of that shard. Thread-safe.
  bool may_write(std::size_t shard) const { return outside_.clock().count() < write_until_[shard].load(); }

private:
  enum class duty : std::uint8_t {
    none,
    reading,   ///< what its former owner delivered
    following, ///< its Traces
    draining,  ///< it is to be handed over
    dropping,  ///< its Traces are being forgotten
  };
  struct shard_state {
    duty state = duty::none;
    std::uint64_t tenure = 0; ///< to which the state belongs
    kube::shard_holding latest;
  };

  void look_at(std::size_t shard);
  void catch_up();
  void drop(std::size_t shard, bool recall);
  void set_fences();
  void log_changes(const kube::shard_election& now);

  outside outside_;
  duration patience_;
  logger log_;
  std::vector<shard_state> shards_;
  bool reading_ = false;
  std::string problem_;
  std::string rival_;
  bool warming_up_ = false;
  std::size_t replicas_ = 0;
  std::atomic<duration::rep> send_until_;
  std::unique_ptr<std::atomic<duration::rep>[]> write_until_;
};

} // namespace tc::runtime
