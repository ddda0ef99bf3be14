#pragma once

// How much of what has settled, and of what open changes know, may stay in memory, and which of it leaves
// first. The trace actors charge what they hold; every observation is counted from its arrival to its end;
// the process tells its resident set; this decides. Plain state behind a lock, without clock, input or
// output; what leaves memory, and where to, is the trace actors' work.
//
// Both are bounded by accounts of bytes, which move at once and are the same in every run. The resident set,
// which is what the kernel kills for, comes late and holds all else too: it only lowers what the accounts may
// reach, and raises it again.

#include "actors/packed_facts.hpp"
#include "messages/observation.hpp"
#include "messages/span.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tc::actors {

/// Returns how many bytes of memory the trace takes, in one cheap pass.
std::size_t memory_of(const completed_trace& trace);

class memory_ledger : public std::enable_shared_from_this<memory_ledger> {
public:
  /// `limit` is the resident set that the process must not pass; 0 bounds nothing. Without a packer what open
  /// changes know is in no account.
  explicit memory_ledger(std::size_t limit, fact_packer packer = {});
  static std::shared_ptr<memory_ledger> with_limit(std::size_t limit, fact_packer packer = {}) {
    return std::make_shared<memory_ledger>(limit, std::move(packer));
  }

  // -- what is held ---

  /// A settled trace in memory: it is counted until the last copy of this is gone.
  class charge;
  using charge_ptr = std::shared_ptr<charge>;
  /// `owner` is the UID of the Trace, `number` that of its submission.
  charge_ptr hold(const std::string& owner, std::uint64_t number, timestamp settled_at, std::size_t bytes);

  /// Returns what of that owner is to be kept on the disk only: the newest first, for the oldest are sent
  /// next.
  std::vector<std::uint64_t> to_spill(const std::string& owner) const;
  /// Returns what of that owner is to be given up where there is no disk for it: the oldest first.
  std::vector<std::uint64_t> to_drop(const std::string& owner) const;
  /// Whether what waits takes all that it may: nothing more should settle before some has left.
  bool is_full() const;
  /// Whether an exporter may have that much more; of nothing under way it may have anything.
  bool may_submit(std::size_t bytes) const;

  // -- observations ---

  /// Returns the observation; it counts until nobody holds it any more. Without a limit it is as it was.
  observation_ptr counted(observation_ptr fact);
  /// The same for each of a batch.
  observation_batch_ptr counted(observation_batch_ptr batch);
  /// Returns by how many bytes observations take more than they may: as much of what open changes know is to
  /// be packed.
  std::size_t to_pack() const;
  /// Packs observations; they count as packed until nobody holds the result. Null without a packer.
  packed_facts_ptr pack(const observation_batch& facts, const std::vector<std::size_t>& prints);
  /// Returns what was packed, each of it counted again; nothing when it is lost.
  std::optional<observation_batch> unpack(const packed_facts& what);
  std::size_t observed() const { return observed_; }
  std::size_t packed() const { return packed_; }
  std::size_t observed_allowance() const;

  // -- what the process takes ---

  /// Takes the resident set, measured after what was freed has been given back. Once a second or so.
  void measured(std::size_t resident);
  /// Returns 0, or a number that grows with each measurement that found the process too large though hardly
  /// anything settled is left in memory, and what open changes know takes much though it is packed: open
  /// changes have to be closed.
  std::uint64_t shortage() const;

  // -- looking at it ---

  /// Notes that something was lost at `now`. Returns whether this is the first loss in a minute.
  bool note_loss(timestamp now);
  std::size_t limit() const { return limit_; }
  std::size_t held() const;
  std::size_t allowance() const;

  /// Above this the process is too large; the rest of the limit is for what comes between two measurements.
  static std::size_t line_of(std::size_t limit) { return limit - limit / 8; }

private:
  struct place {
    timestamp settled_at;
    std::string owner;
    std::uint64_t number = 0;

    auto operator<=>(const place&) const = default;
  };

  std::size_t waiting() const { return held_ - under_way_; }
  void start(const place& where, std::size_t bytes);
  void stop(const place& where, std::size_t bytes);

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::map<place, std::size_t> releasable_; ///< bytes of what waits, oldest first
  std::size_t held_ = 0;
  std::size_t under_way_ = 0; ///< part of it: with exporters
  std::size_t allowance_;
  const fact_packer packer_;
  std::atomic<std::size_t> observed_{0}; ///< bytes of observations in memory
  std::atomic<std::size_t> packed_{0};   ///< bytes that packed ones take
  std::size_t observed_allowance_;
  std::uint64_t measurements_ = 0;
  std::uint64_t shortage_ = 0;
  timestamp last_loss_;
};

class memory_ledger::charge {
public:
  charge(std::shared_ptr<memory_ledger> ledger, place where, std::size_t bytes);
  ~charge();
  charge(const charge&) = delete;
  charge& operator=(const charge&) = delete;

  std::size_t bytes() const { return bytes_; }
  /// With an exporter it can neither be spilled nor dropped.
  void set_under_way(bool now);

private:
  std::shared_ptr<memory_ledger> ledger_;
  place where_;
  std::size_t bytes_;
  bool under_way_ = false;
};

} // namespace tc::actors
