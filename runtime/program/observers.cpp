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
  using actors::settle_action;
  switch (change.action) {
  case settle_action::history:
    counters.changes_history.add(1, "settled_before_start");
    break;
  case settle_action::sampled_out:
    counters.changes_sampled.add(1, "ratio");
    break;
  case settle_action::filtered:
    counters.changes_sampled.add(1, "not_selected");
    break;
  case settle_action::submit:
  case settle_action::nothing_new:
    break;
  }
  if (report.settled && change.action != settle_action::nothing_new)
    log.info("change settled", {{"trace", spec.namespace_name + '/' + spec.name},
                                {"change", report.key},
                                {"why", report.why},
                                {"outcome", report.trace ? report.trace->outcome : std::string{}},
                                {"spans", report.trace ? report.trace->spans.size() : 0},
                                {"observations", report.observations}});
}

} // namespace

std::shared_ptr<const actors::trace_events> make_observers(logger log, const metrics& counters) {
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
    counters.changes_dropped.add(1, "assembly_crashed");
    // The ledger, so that the crash can be reported and reproduced.
    for (const auto& fact : ledger)
      log.error("ledger of the dropped change", {{"change", key}, {"observation", fact->identity()}});
  };
  out->trace_crashed = [log, &counters](const trace_resource& spec, const std::string& error) {
    counters.actor_restarts.add(1, "trace");
    log.error("a trace actor crashed and is started again",
              {{"trace", spec.namespace_name + '/' + spec.name}, {"error", error}});
  };
  out->overflowed = [log, &counters](const trace_resource& spec, const std::string& key) {
    counters.changes_dropped.add(1, "max_live_changes");
    log.error("a change was dropped: more than --max-live-changes are open",
              {{"trace", spec.namespace_name + '/' + spec.name}, {"change", key}});
  };
  out->acknowledged = [log, &counters](const completed_trace& trace, const delivery_report& report) {
    if (report.delivered) {
      if (!trace.addition)
        counters.changes_exported.add(1, trace.outcome);
      counters.settle_to_export.observe(seconds_of(wall_clock() - trace.settled_at));
      log.info("trace exported", {{"trace", trace.trace_namespace + '/' + trace.trace_name},
                                  {"change", trace.change_key},
                                  {"traceID", trace.id.to_hex()},
                                  {"outcome", trace.outcome},
                                  {"spans", trace.spans.size()},
                                  {"addition", trace.addition}});
    } else {
      if (!trace.addition)
        counters.changes_dropped.add(1, "refused");
      log.error("the backend refused a trace", {{"trace", trace.trace_namespace + '/' + trace.trace_name},
                                                {"change", trace.change_key},
                                                {"traceID", trace.id.to_hex()},
                                                {"error", report.reason}});
    }
  };
  out->stopwatch = [] { return std::chrono::steady_clock::now().time_since_epoch().count(); };
  return out;
}

} // namespace tc::runtime
