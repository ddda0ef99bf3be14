#include "runtime/metrics.hpp"

#include "runtime/process_metrics.hpp"
#include "runtime/utf8.hpp"
#include "version.hpp"

#include <map>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <stdexcept>

namespace tc::runtime {

namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

std::string prefixed(const char* name) {
  return std::string{"trace_controller_"} + name;
}

template <std::size_t Labels>
counter_family<Labels> make_counter(Registry& registry, const char* name, const char* help,
                                    std::vector<std::string> labels = {}) {
  auto& family = prometheus::BuildCounter().Name(prefixed(name)).Help(help).Register(registry);
  return {family, std::move(labels)};
}

template <std::size_t Labels>
gauge_family<Labels> make_gauge(Registry& registry, const char* name, const char* help,
                                std::vector<std::string> labels = {}) {
  auto& family = prometheus::BuildGauge().Name(prefixed(name)).Help(help).Register(registry);
  return {family, std::move(labels)};
}

seconds_histogram make_histogram(Registry& registry, const char* name, const char* help,
                                 const Histogram::BucketBoundaries& bounds) {
  return seconds_histogram{
      prometheus::BuildHistogram().Name(prefixed(name)).Help(help).Register(registry).Add({}, bounds)};
}

} // namespace

template <class Metric>
metric_series<Metric>::metric_series(Family<Metric>& family, std::vector<std::string> label_names)
    : family_(&family), label_names_(std::move(label_names)) {
  // A series without labels shows 0 from the start.
  if (label_names_.empty())
    family_->Add({});
}

template <class Metric>
Metric& metric_series<Metric>::of(const std::vector<std::string_view>& label_values) const {
  std::map<std::string, std::string> labels;
  for (std::size_t i = 0; i < label_names_.size(); ++i)
    labels.emplace(label_names_[i], printable(label_values.at(i)));
  return family_->Add(labels);
}

template class metric_series<Counter>;
template class metric_series<Gauge>;

template <std::size_t Labels>
void counter_family<Labels>::increase(Counter& series, double count) {
  series.Increment(count);
}

template class counter_family<0>;
template class counter_family<1>;
template class counter_family<2>;

template <std::size_t Labels>
void gauge_family<Labels>::assign(Gauge& series, double value) {
  series.Set(value);
}

template class gauge_family<0>;
template class gauge_family<1>;

void seconds_histogram::observe(double seconds) const {
  series_->Observe(seconds);
}

metrics::metrics()
    : registry_(std::make_shared<Registry>()),
      observations(make_counter<2>(*registry_, "observations_total",
                                   "Facts taken in, by kind of object and input.", {"kind", "source"})),
      observations_waiting(make_gauge<0>(*registry_, "observations_waiting",
                                         "Facts that were read and are not worked off yet.")),
      observations_shed(make_counter<2>(*registry_, "observations_shed_total",
                                        "Facts that were left out under overload, by what that costs.",
                                        {"kind", "reason"})),
      overload_level(
          make_gauge<0>(*registry_, "overload_level",
                        "What is left out now: 0 nothing, 1 repeated states, 2 phases, 3 idle runs.")),
      decode_errors(make_counter<1>(*registry_, "decode_errors_total",
                                    "Objects and events that could not be read.", {"kind"})),
      events_received(make_counter<2>(*registry_, "events_received_total",
                                      "HTTP events received at --events-addr, by answer and reason.",
                                      {"code", "reason"})),
      events_tls(make_counter<1>(*registry_, "events_tls_total",
                                 "Renewals of the certificate of --events-addr, and failed handshakes.",
                                 {"outcome"})),
      events_forwarded(make_counter<1>(*registry_, "events_forwarded_total",
                                       "HTTP events for --forward-events-to, by what became of them.",
                                       {"outcome"})),
      watch_state(
          make_gauge<1>(*registry_, "watch_state", "1 while the watch of a resource is open.", {"resource"})),
      watch_restarts(make_counter<2>(*registry_, "watch_restarts_total", "Watches begun anew, by cause.",
                                     {"resource", "reason"})),
      changes_opened(make_counter<0>(*registry_, "changes_opened_total", "Changes seen first.")),
      changes(make_gauge<1>(*registry_, "changes", "Changes by where they are; the sum is what was opened.",
                            {"state"})),
      changes_exported(make_counter<1>(*registry_, "changes_exported_total",
                                       "Changes whose trace a backend took.", {"outcome"})),
      changes_kept(
          make_counter<1>(*registry_, "changes_kept_total", "Changes that sampling kept.", {"rule"})),
      changes_sampled(
          make_counter<1>(*registry_, "changes_sampled_total", "Changes sampled out.", {"reason"})),
      changes_dropped(make_counter<1>(*registry_, "changes_dropped_total", "Changes given up.", {"reason"})),
      changes_history(make_counter<1>(*registry_, "changes_history_total",
                                      "Changes that had settled before the start.", {"reason"})),
      spans_exported(
          make_counter<1>(*registry_, "spans_exported_total", "Spans that a backend took.", {"provider"})),
      spans_outdated(make_counter<1>(*registry_, "spans_outdated_total",
                                     "Spans that were sent and are known otherwise since.", {"cause"})),
      spans_dropped(
          make_counter<2>(*registry_, "spans_dropped_total", "Spans given up.", {"provider", "reason"})),
      export_attempts(make_counter<2>(*registry_, "export_attempts_total",
                                      "Requests to a backend, by HTTP status.", {"provider", "code"})),
      export_queue_spans(
          make_gauge<1>(*registry_, "export_queue_spans", "Spans that wait for delivery.", {"provider"})),
      export_queue_bytes(
          make_gauge<1>(*registry_, "export_queue_bytes", "Bytes that wait for delivery.", {"provider"})),
      export_backend_away(make_gauge<1>(*registry_, "export_backend_away",
                                        "1 while a backend is away and only probed.", {"provider"})),
      dead_letters(make_counter<1>(*registry_, "dead_letters_total",
                                   "Refused traces written to --dead-letter-dir, by the backend's reason.",
                                   {"reason"})),
      dead_letters_lost(make_counter<1>(*registry_, "dead_letters_lost_total",
                                        "Refused traces that are not in --dead-letter-dir, by cause.",
                                        {"reason"})),
      settle_to_export(make_histogram(*registry_, "settle_to_export_seconds",
                                      "Time from a change's settling to the backend's acknowledgement.",
                                      {0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800})),
      assembly_duration(make_histogram(*registry_, "assembly_duration_seconds", "Time to assemble a trace.",
                                       {0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5})),
      memory_limit(
          make_gauge<0>(*registry_, "memory_limit_bytes", "What the process may take; 0 for no limit.")),
      memory_held(make_gauge<0>(*registry_, "memory_held_bytes", "Settled traces that wait, in memory.")),
      memory_observations(make_gauge<1>(*registry_, "memory_observations_bytes",
                                        "Observations in memory: whole, and packed ones of open changes.",
                                        {"as"})),
      memory_allowance(make_gauge<0>(*registry_, "memory_allowance_bytes", "What settled traces may take.")),
      traces_spilled(make_gauge<0>(*registry_, "traces_spilled",
                                   "Settled traces that wait in the data directory only.")),
      changes_closed_early(make_counter<0>(*registry_, "changes_closed_early_total",
                                           "Open changes settled before their time for want of memory.")),
      store_healthy(
          make_gauge<0>(*registry_, "store_healthy", "1, or 0 while the data directory cannot be written.")),
      store_bytes(make_gauge<0>(*registry_, "store_bytes", "Bytes of the store in the data directory.")),
      store_rows(make_gauge<1>(*registry_, "store_rows", "What is in the store.", {"table"})),
      store_queue(make_gauge<1>(*registry_, "store_queue", "What the store has not written yet.", {"what"})),
      store_commits(make_counter<0>(*registry_, "store_commits_total", "Groups written to the store.")),
      store_failed_writes(
          make_counter<0>(*registry_, "store_failed_writes_total", "Groups that could not be written.")),
      store_observations_lost(make_counter<1>(*registry_, "store_observations_lost_total",
                                              "Observations that the store does not have.", {"reason"})),
      store_files_damaged(
          make_counter<0>(*registry_, "store_files_damaged_total", "Damaged files that were set aside.")),
      shards_held(make_gauge<0>(*registry_, "shards_held",
                                "Shards whose Traces this replica follows; with --shard auto/COUNT.")),
      shard_replicas(make_gauge<0>(*registry_, "shard_replicas", "Replicas that share the shards.")),
      shard_events(make_counter<1>(*registry_, "shard_events_total", "Shards acquired, handed over and lost.",
                                   {"event"})),
      leader_election_master_status({prometheus::BuildGauge()
                                         .Name("leader_election_master_status")
                                         .Help("1 while this replica leads, 0 while it stands by.")
                                         .Register(*registry_),
                                     {"name"}}),
      actor_restarts(
          make_counter<1>(*registry_, "actor_restarts_total", "Actors restarted after a crash.", {"actor"})) {
  prometheus::BuildGauge()
      .Name(prefixed("build_info"))
      .Help("Always 1; the labels tell what this is.")
      .Register(*registry_)
      .Add({{"version", version}, {"compiler", __VERSION__}})
      .Set(1);
}

std::string metrics::to_text() const {
  auto out = prometheus::TextSerializer{}.Serialize(registry_->Collect());
  if (auto figures = read_process_figures())
    out += to_metrics_text(*figures);
  return out;
}

} // namespace tc::runtime
