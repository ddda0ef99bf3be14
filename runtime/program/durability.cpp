#include "runtime/program/durability.hpp"

#include "runtime/program/wall_clock.hpp"

namespace tc::runtime {

namespace {

store::sync_policy policy_of(data_sync chosen) {
  switch (chosen) {
  case data_sync::full:
    return store::sync_policy::full;
  case data_sync::interval:
    return store::sync_policy::interval;
  case data_sync::off:
    break;
  }
  return store::sync_policy::off;
}

} // namespace

durability::durability(const logger& log, const metrics& counters, trace_warnings& warnings)
    : log_(log), counters_(counters), warnings_(warnings) {
  // nop
}

durability::~durability() {
  std::lock_guard guard{mutex_};
  ending_ = true;
}

tl::expected<std::unique_ptr<durability>, std::string>
durability::open(const run_options& options, const memory_limits& limits, const std::string& cluster,
                 const logger& log, const metrics& counters, trace_warnings& warnings) {
  std::unique_ptr<durability> made{new durability(log, counters, warnings)};
  store::journal_options with;
  with.path = options.data_dir;
  with.database.sync = policy_of(options.data_sync);
  with.database.limit_bytes = options.data_dir_limit;
  with.database.sent_limit = limits.sent_spans;
  with.most_waiting = limits.unwritten;
  store::journal_outside outside;
  outside.clock = wall_clock;
  outside.state = [self = made.get()](const std::string& problem) { self->on_state(problem); };
  auto traces = std::make_shared<found_traces>();
  outside.found_trace = [traces](const store::waiting_trace& each) { traces->add(each); };
  auto observations = std::make_shared<found_observations>();
  outside.found_observation = [observations](const observation_ptr& each) {
    each ? observations->add(*each) : observations->clear();
  };
  outside.damaged = [self = made.get()](const std::string& aside, const std::string& problem) {
    self->on_damage(aside, problem);
  };
  auto journal = store::journal::open(std::move(with), std::move(outside));
  if (!journal)
    return tl::unexpected(journal.error());
  made->journal_ = std::move(*journal);
  auto found = made->journal_->take_contents();
  if (found.cluster != cluster) {
    if (!found.cluster.empty())
      log.error("the data directory is of another cluster, or of another part of it: its observations are "
                "forgotten",
                {{"was", found.cluster}, {"is", cluster}});
    observations->clear();
    found.positions.clear();
    made->journal_->begin_cluster(cluster);
  }
  for (const auto& [uid, progress] : found.progress)
    made->unseen_.insert(uid);
  made->unseen_.merge(traces->owners());
  log.info("data directory opened", {{"path", options.data_dir},
                                     {"observations", observations->size()},
                                     {"tracesWaiting", traces->size()},
                                     {"watches", found.positions.size()}});
  made->restored_ = restore(std::move(found), std::move(*traces), std::move(*observations));
  made->publish();
  return made;
}

void durability::listen(actors::trace_events& to) {
  to.handed_out = [this](const trace_resource& spec, const actors::submission& what) {
    journal_->put({{spec.uid, what.number}, what.key, what.whole, what.trace});
  };
  to.finished = [this](const trace_resource& spec, std::uint64_t submission) {
    journal_->acknowledged({spec.uid, submission});
  };
  to.let_go = [this](const trace_resource& spec, std::uint64_t submission) {
    switch (journal_->let_go({spec.uid, submission})) {
    case store::keeping::kept:
      return actors::let_go_result::gone;
    case store::keeping::not_yet:
      return actors::let_go_result::not_yet;
    case store::keeping::failing:
      break;
    }
    return actors::let_go_result::impossible;
  };
  to.read_back = [this](const trace_resource& spec, std::uint64_t submission,
                        std::function<void(completed_trace_ptr)> then) {
    journal_->read({spec.uid, submission},
                   [this, name = spec.namespace_name + '/' + spec.name,
                    then = std::move(then)](store::result<completed_trace_ptr> found) {
                     if (!found)
                       log_.error("a trace that waited in the data directory cannot be read and is lost",
                                  {{"trace", name}, {"error", found.error().message}});
                     then(found ? std::move(*found) : nullptr);
                   });
  };
  to.progressed = [this](const trace_resource& spec, const actors::trace_horizon& horizon) {
    journal_->note_progress(spec.uid, {horizon.settled_before, horizon.settled_until}, horizon.open_since);
  };
}

std::function<void(const std::vector<std::uint64_t>&)> durability::sent_by(const std::string& provider) {
  return [this, provider](const std::vector<std::uint64_t>& keys) { journal_->note_sent(provider, keys); };
}

void durability::trace_seen(const trace_resource& what) {
  std::lock_guard guard{mutex_};
  traces_.insert_or_assign(what.uid, what);
  unseen_.erase(what.uid);
}

void durability::trace_gone(const std::string& uid) {
  {
    std::lock_guard guard{mutex_};
    traces_.erase(uid);
    unseen_.erase(uid);
  }
  journal_->forget_trace(uid);
}

void durability::traces_listed() {
  std::set<std::string> gone;
  {
    std::lock_guard guard{mutex_};
    gone.swap(unseen_);
  }
  for (const auto& uid : gone) {
    log_.info("a Trace was deleted meanwhile; what was kept of it is forgotten", {{"uid", uid}});
    journal_->forget_trace(uid);
  }
}

void durability::on_state(const std::string& problem) {
  counters_.store_healthy.set(problem.empty() ? 1 : 0);
  std::map<std::string, trace_resource> told;
  {
    std::lock_guard guard{mutex_};
    if (!ending_)
      told = traces_;
  }
  if (problem.empty()) {
    log_.info("the data directory works again; what is needed has been written");
    return;
  }
  log_.error("the data directory cannot be written; going on in memory", {{"error", problem}});
  for (const auto& [uid, trace] : told)
    warnings_.warn(
        trace, "DurabilityLost",
        "the data directory cannot be written, so what is open or waits does not survive a restart: " +
            problem);
}

void durability::on_damage(const std::string& aside, const std::string& problem) {
  counters_.store_files_damaged.add(1);
  log_.error("the store in the data directory is damaged; a new one is begun",
             {{"error", problem}, {"setAside", aside.empty() ? "not possible" : aside}});
}

store::journal_books durability::publish() {
  auto books = journal_->books();
  counters_.store_bytes.set(static_cast<double>(books.stored.bytes));
  counters_.store_rows.set(static_cast<double>(books.stored.observations), "observations");
  counters_.store_rows.set(static_cast<double>(books.stored.traces), "traces");
  counters_.store_rows.set(static_cast<double>(books.stored.sent_spans), "sent_spans");
  counters_.store_queue.set(static_cast<double>(books.observations_waiting), "observations");
  counters_.store_queue.set(static_cast<double>(books.traces_waiting), "traces");
  counters_.store_healthy.set(books.problem.empty() ? 1 : 0);
  std::lock_guard guard{mutex_};
  auto grown = [](std::uint64_t now, std::uint64_t before) {
    return now > before ? static_cast<double>(now - before) : 0;
  };
  counters_.store_commits.add(grown(books.commits, counted_.commits));
  counters_.store_failed_writes.add(grown(books.failed_writes, counted_.failed_writes));
  counters_.store_observations_lost.add(grown(books.observations_lost, counted_.observations_lost),
                                        "not_written");
  counters_.store_observations_lost.add(grown(books.stored.evicted, counted_.stored.evicted), "limit");
  counted_ = books;
  return books;
}

bool durability::finish() {
  {
    std::lock_guard guard{mutex_};
    ending_ = true;
  }
  journal_->flush();
  auto books = journal_->books();
  return books.problem.empty() && books.traces_waiting == 0;
}

} // namespace tc::runtime
