#pragma once

// The data directory as the process sees it: what is written to it and when, what is told of it in logs,
// metrics and on the Traces.

#include "actors/exporter.hpp"
#include "actors/trace.hpp"
#include "runtime/logging.hpp"
#include "runtime/memory_limit.hpp"
#include "runtime/metrics.hpp"
#include "runtime/options.hpp"
#include "runtime/program/restored_process.hpp"
#include "runtime/program/trace_warnings.hpp"
#include "runtime/store/journal.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <set>

namespace tc::runtime {

class durability {
public:
  /// Opens --data-dir. `cluster` names the cluster and which part of it is watched. `counters` and `warnings`
  /// must outlive it. The error names flag, path and remedy.
  static tl::expected<std::unique_ptr<durability>, std::string>
  open(const run_options& options, const memory_limits& limits, const std::string& cluster, const logger& log,
       const metrics& counters, trace_warnings& warnings);
  ~durability();

  /// Returns what an earlier process left. Once.
  restored_process take_restored() { return std::move(restored_); }

  // -- what is kept; from any thread, never waiting for the disk ---

  void add(const observation_batch& facts) { journal_->add(facts); }
  /// Reads observations of the earlier process; `then` is called on another thread.
  void read_observations(std::int64_t after, std::int64_t upto, std::size_t most,
                         std::function<void(store::result<store::observation_page>)> then) {
    journal_->read_observations(after, upto, most, std::move(then));
  }
  void note_position(const std::string& kind, const std::string& version) {
    journal_->note_position(kind, version);
  }
  /// Calls `then`, on another thread, once all that was told before has been written or has failed to be.
  void when_written(std::function<void()> then) { journal_->when_written(std::move(then)); }
  /// Has these observers tell it of traces too.
  void listen(actors::trace_events& to);
  std::function<void(const std::vector<std::uint64_t>&)> sent_by(const std::string& provider);

  // -- Trace resources ---

  void trace_seen(const trace_resource& what);
  void trace_gone(const std::string& uid);
  /// All Traces that exist have been seen: what is kept of others goes.
  void traces_listed();

  /// Sets the metrics. Returns what /debug/books shows of it.
  store::journal_books publish();
  /// Writes what is left. Returns whether all of it is safe. Nothing is warned of any more.
  bool finish();

private:
  durability(const logger& log, const metrics& counters, trace_warnings& warnings);
  void on_state(const std::string& problem);
  void on_damage(const std::string& aside, const std::string& problem);

  logger log_;
  const metrics& counters_;
  trace_warnings& warnings_;
  restored_process restored_;
  std::mutex mutex_;
  std::map<std::string, trace_resource> traces_; ///< by UID: who is warned
  std::set<std::string> unseen_; ///< UIDs that something is kept of, and that nobody has listed yet
  store::journal_books counted_; ///< what the metrics have
  bool ending_ = false;
  std::unique_ptr<store::journal> journal_; ///< last: its thread uses the others
};

} // namespace tc::runtime
