#include "runtime/program/observers.hpp"
#include "runtime/program/wall_clock.hpp"

#include <chrono>

namespace tc::runtime {

namespace {

double seconds_of(duration value) {
  return std::chrono::duration<double>(value).count();
}

void conclude(const logger& log, const metrics& counters, const trace_resource& spec,
              const actors::settled_change& change) {
  const auto& report = *change.report;
  counters.assembly_duration.observe(seconds_of(report.assembly_time));
  if (!change.kept_by.empty())
    counters.changes_kept.add(1, change.kept_by);
  using actors::settle_action;
  if (report.settled && change.action != settle_action::nothing_new)
    log.info("change settled", {{"trace", spec.namespace_name + '/' + spec.name},
                                {"change", report.key},
                                {"why", change.closed_early ? "memory_limit" : report.why},
                                {"outcome", report.trace ? report.trace->outcome : std::string{}},
                                {"spans", report.trace ? report.trace->spans.size() : 0},
                                {"observations", report.observations}});
}

void count(const metrics& counters, const actors::bucket_move& move) {
  switch (move.to) {
  case actors::change_bucket::exported:
    return counters.changes_exported.add(1, move.label);
  case actors::change_bucket::history:
    return counters.changes_history.add(1, move.label);
  case actors::change_bucket::sampled_out:
  case actors::change_bucket::filtered:
    return counters.changes_sampled.add(1, move.label);
  case actors::change_bucket::dropped:
    return counters.changes_dropped.add(1, move.label);
  case actors::change_bucket::pending:
    break;
  }
}

std::string why_dropped(const actors::bucket_move& move) {
  auto out = "the trace of " + move.key + " is lost: ";
  if (move.label == "refused")
    return out + "the backend refused it: " + move.detail;
  if (move.label == "max_live_changes")
    return out + "more changes are open than --max-live-changes allows";
  if (move.label == "memory_limit")
    return out +
           "what waits for its backend takes more memory than --memory-limit allows, and there is no data "
           "directory to keep it in, or it cannot be written";
  if (move.label == "store_lost")
    return out + "the data directory that it waited in was damaged or removed";
  return out + "its assembly keeps crashing, the log has its ledger; please report it";
}

} // namespace

std::shared_ptr<actors::trace_events> make_observers(const logger& log, const metrics& counters,
                                                     trace_warnings& warnings) {
  auto out = std::make_shared<actors::trace_events>();
  out->concluded = [log, &counters](const trace_resource& spec, const actors::settled_change& change) {
    conclude(log, counters, spec, change);
  };
  out->revision_crashed = [log, &counters](const trace_resource& spec, const std::string& key,
                                           const std::string& error, bool dropped,
                                           const observation_batch& ledger) {
    counters.actor_restarts.add(1, "revision");
    log.error(dropped ? "a change was dropped: its assembly keeps crashing"
                      : "the assembly of a change crashed",
              {{"trace", spec.namespace_name + '/' + spec.name},
               {"change", key},
               {"error", error},
               {"observations", ledger.size()}});
    if (!dropped)
      return;
    // The ledger, so that the crash can be reported and reproduced.
    for (const auto& fact : ledger)
      log.error("ledger of the dropped change", {{"change", key}, {"observation", fact->identity()}});
  };
  out->trace_crashed = [log, &counters](const trace_resource& spec, const std::string& error) {
    counters.actor_restarts.add(1, "trace");
    log.error("a trace actor crashed and is started again",
              {{"trace", spec.namespace_name + '/' + spec.name}, {"error", error}});
  };
  out->overflowed = [log](const trace_resource& spec, const std::string& key) {
    log.error("a change was dropped: more than --max-live-changes are open",
              {{"trace", spec.namespace_name + '/' + spec.name}, {"change", key}});
  };
  out->given_up = [&counters](const trace_resource& spec, const actors::submission& what,
                              const std::string& reason) {
    counters.spans_dropped.add(static_cast<double>(what.spans),
                               spec.namespace_name + '/' + spec.provider_name, reason);
  };
  out->closed_early = [&counters](const trace_resource&, const std::string&) {
    counters.changes_closed_early.add(1);
  };
  out->short_of_memory = [log, &warnings](const trace_resource& spec, const actors::memory_ledger& ledger,
                                          const std::string& what) {
    log.error("memory is short: " + what, {{"trace", spec.namespace_name + '/' + spec.name},
                                           {"limitBytes", ledger.limit()},
                                           {"heldBytes", ledger.held()},
                                           {"remedy", "raise --memory-limit or give a --data-dir"}});
    warnings.warn(spec, "MemoryLimit", "memory is short: " + what);
  };
  out->acknowledged = [log, &counters](const completed_trace& trace, const delivery_report& report) {
    if (report.delivered) {
      counters.settle_to_export.observe(seconds_of(wall_clock() - trace.settled_at));
      log.info("trace exported", {{"trace", trace.trace_namespace + '/' + trace.trace_name},
                                  {"change", trace.change_key},
                                  {"traceID", trace.id.to_hex()},
                                  {"outcome", trace.outcome},
                                  {"spans", trace.spans.size()},
                                  {"addition", trace.addition}});
    } else {
      log.error("the backend refused a trace", {{"trace", trace.trace_namespace + '/' + trace.trace_name},
                                                {"change", trace.change_key},
                                                {"traceID", trace.id.to_hex()},
                                                {"error", report.reason}});
    }
  };
  out->moved = [&counters, &warnings](const trace_resource& spec, const actors::bucket_move& move) {
    count(counters, move);
    if (move.to == actors::change_bucket::dropped)
      warnings.warn(spec, "ChangeDropped", why_dropped(move));
  };
  out->stopwatch = [] { return std::chrono::steady_clock::now().time_since_epoch().count(); };
  return out;
}

} // namespace tc::runtime
