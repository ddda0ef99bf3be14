#pragma once

// What the program counts, as Prometheus metrics. One value of `metrics` is made by main and handed to
// whoever counts; serving the text is http_server.hpp's work. Names and labels are those of docs/metrics.md.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
template <class Metric>
class Family;
} // namespace prometheus

namespace tc::runtime {

/// Shared by the families below: finds the time series of some label values.
template <class Metric>
class metric_series {
public:
  metric_series(prometheus::Family<Metric>& family, std::vector<std::string> label_names);

  /// Returns the series, made when it is first asked for. Values that are not UTF-8 are mended.
  Metric& of(const std::vector<std::string_view>& label_values) const;

private:
  prometheus::Family<Metric>* family_;
  std::vector<std::string> label_names_;
};

/// A counter with `Labels` labels. Safe to use from every thread.
template <std::size_t Labels>
class counter_family : metric_series<prometheus::Counter> {
public:
  using metric_series::metric_series;

  /// Adds `count`, which must not be negative. The label values follow in the order of the declaration.
  template <class... Values>
  requires(sizeof...(Values) == Labels) void add(double count, const Values&... values) const {
    increase(of({std::string_view{values}...}), count);
  }

private:
  static void increase(prometheus::Counter& series, double count);
};

/// A gauge with `Labels` labels. Safe to use from every thread.
template <std::size_t Labels>
class gauge_family : metric_series<prometheus::Gauge> {
public:
  using metric_series::metric_series;

  template <class... Values>
  requires(sizeof...(Values) == Labels) void set(double value, const Values&... values) const {
    assign(of({std::string_view{values}...}), value);
  }

private:
  static void assign(prometheus::Gauge& series, double value);
};

/// A histogram of seconds. Safe to use from every thread.
class seconds_histogram {
public:
  explicit seconds_histogram(prometheus::Histogram& series) : series_(&series) {
    // nop
  }
  void observe(double seconds) const;

private:
  prometheus::Histogram* series_;
};

/// Every family of the program; all but process_* and leader_election_* begin with "trace_controller_".
class metrics {
  std::shared_ptr<prometheus::Registry> registry_; // first: the families refer to it

public:
  metrics();

  /// Returns everything in Prometheus' text format 0.0.4, the process' own figures read now.
  std::string to_text() const;

  // -- input --
  counter_family<2> observations;       ///< observations_total{kind,source}: source is watch, post or event
  gauge_family<0> observations_waiting; ///< observations_waiting: read, and not worked off yet
  counter_family<2> observations_shed;  ///< observations_shed_total{kind,reason}: left out under overload
  gauge_family<0> overload_level;       ///< overload_level: 0 to 3, what is left out now (trace/shedding.hpp)
  counter_family<1> decode_errors;      ///< decode_errors_total{kind}
  counter_family<2> events_received;    ///< events_received_total{code,reason}: HTTP events
  counter_family<1> events_tls;         ///< events_tls_total{outcome}: certificates and handshakes
  counter_family<1> events_forwarded;   ///< events_forwarded_total{outcome}: by the tee
  gauge_family<1> watch_state;          ///< watch_state{resource}: 1 while a watch is open, 0 otherwise
  counter_family<2> watch_restarts;     ///< watch_restarts_total{resource,reason}

  // -- changes; opened == the sum of the states, both taken from the books once a second --
  counter_family<0> changes_opened; ///< changes_opened_total
  gauge_family<1> changes;          ///< changes{state}: where they are
  // Each time that a change comes to a state; one that is opened again may come to another.
  counter_family<1> changes_exported; ///< changes_exported_total{outcome}
  counter_family<1> changes_kept;     ///< changes_kept_total{rule}: by spec.sampling
  counter_family<1> changes_sampled;  ///< changes_sampled_total{reason}: sampled out, or not selected
  counter_family<1> changes_dropped;  ///< changes_dropped_total{reason}
  counter_family<1> changes_history;  ///< changes_history_total{reason}: settled before the start

  // -- output; the provider is "namespace/name" --
  counter_family<1> spans_exported; ///< spans_exported_total{provider}
  counter_family<1> spans_outdated; ///< spans_outdated_total{cause}: were sent, and are known otherwise since
  counter_family<2> spans_dropped;  ///< spans_dropped_total{provider,reason}
  counter_family<2>
      export_attempts; ///< export_attempts_total{provider,code}: HTTP status, or "none" without one
  gauge_family<1> export_queue_spans;  ///< export_queue_spans{provider}
  gauge_family<1> export_queue_bytes;  ///< export_queue_bytes{provider}
  gauge_family<1> export_backend_away; ///< export_backend_away{provider}
  counter_family<1> dead_letters;      ///< dead_letters_total{reason}
  counter_family<1> dead_letters_lost; ///< dead_letters_lost_total{reason}
  seconds_histogram
      settle_to_export; ///< settle_to_export_seconds: from settling to the backend's acknowledgement
  seconds_histogram assembly_duration; ///< assembly_duration_seconds

  // -- memory --
  gauge_family<0> memory_limit;           ///< memory_limit_bytes: 0 for none
  gauge_family<0> memory_held;            ///< memory_held_bytes: of settled traces that wait, in memory
  gauge_family<1> memory_observations;    ///< memory_observations_bytes{as}: whole; packed, of open changes
  gauge_family<0> memory_allowance;       ///< memory_allowance_bytes: what these may take
  gauge_family<0> traces_spilled;         ///< traces_spilled: settled, and in the data directory only
  counter_family<0> changes_closed_early; ///< changes_closed_early_total

  // -- the data directory; nothing without --data-dir --
  gauge_family<0> store_healthy;             ///< store_healthy: 1, or 0 while it cannot be written
  gauge_family<0> store_bytes;               ///< store_bytes
  gauge_family<1> store_rows;                ///< store_rows{table}
  gauge_family<1> store_queue;               ///< store_queue{what}: not written yet
  counter_family<0> store_commits;           ///< store_commits_total
  counter_family<0> store_failed_writes;     ///< store_failed_writes_total
  counter_family<1> store_observations_lost; ///< store_observations_lost_total{reason}
  counter_family<0> store_files_damaged;     ///< store_files_damaged_total

  // -- leader election --
  gauge_family<0> shards_held;                   ///< shards_held
  gauge_family<0> shard_replicas;                ///< shard_replicas
  counter_family<1> shard_events;                ///< shard_events_total{event}
  gauge_family<1> leader_election_master_status; ///< as controller-runtime names it, without prefix: {name}

  // -- health --
  counter_family<1> actor_restarts; ///< actor_restarts_total{actor}
};

/// The media type of metrics::to_text().
inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

} // namespace tc::runtime
