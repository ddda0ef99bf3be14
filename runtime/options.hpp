#pragma once

// What the command line, the environment and the configuration file say, as plain values: one struct per
// command. parse() is a pure function of what it is handed. How one text becomes a value lives in
// flag_table.hpp; acting on the values is main's work.

#include "messages/ids.hpp"
#include "messages/time.hpp"
#include "runtime/listen_address.hpp"
#include "runtime/shard.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <variant>
#include <vector>

namespace tc::runtime {

enum class log_level : std::uint8_t { trace, debug, info, error };
enum class log_encoding : std::uint8_t { json, console };
enum class scheduler_policy : std::uint8_t { sharing, stealing };
enum class data_sync : std::uint8_t { full, interval, off };
enum class color_mode : std::uint8_t { automatic, always, never };

struct logging_options {
  log_level level = log_level::info;
  log_encoding encoding = log_encoding::json;
};

struct cluster_options {
  std::string kubeconfig; ///< --kubeconfig, else $KUBECONFIG (a colon-separated list); "" = in-cluster, else
                          ///< ~/.kube/config
  std::string context;    ///< "" = the file's current context
};

/// Pool configuration: threads, batch sizes, bounds of queues (DESIGN.md, section 6).
struct pool_options {
  std::size_t scheduler_threads = 0; ///< 0 = one per core
  scheduler_policy policy = scheduler_policy::sharing;
  std::size_t scheduler_throughput =
      300;                      ///< messages an actor handles before it yields its thread; 0 = no bound
  std::size_t batch_size = 256; ///< observations in one message
  std::size_t max_observations_waiting = 16'384; ///< read, and not worked off: beyond it nothing is read
  std::size_t max_live_changes = 10'000;         ///< per Trace
  std::size_t exporter_workers = 4;              ///< deliveries at the same time, per Provider
  std::size_t exporter_queue_spans = 65'536;
  std::size_t exporter_queue_bytes = std::size_t{64} << 20;
  std::size_t export_batch_bytes = std::size_t{2} << 20; ///< before compression
  duration probe_interval = std::chrono::seconds{30};    ///< between two attempts at a backend that is away
};

/// Under the names and with the defaults of Flux's controllers.
struct leader_election_options {
  bool enable = false;
  bool release_on_cancel = true;
  duration lease_duration = std::chrono::seconds{35};
  duration renew_deadline = std::chrono::seconds{30};
  duration retry_period = std::chrono::seconds{5};
};

/// The least that was measured to hold under a storm (docs/exporting.md, "Memory").
inline constexpr std::size_t least_memory_limit = std::size_t{128} << 20;

struct run_options {
  cluster_options cluster;
  leader_election_options election;
  std::string cluster_name;    ///< k8s.cluster.name; "" = not set
  std::string watch_namespace; ///< "" = all namespaces
  std::string watch_label_selector;
  runtime::shard shard;                             ///< of the Traces, those of this process
  duration shard_warm_up = std::chrono::minutes{5}; ///< before shards of others are taken
  bool no_cross_namespace_refs = false;
  duration backfill = std::chrono::minutes{5};
  std::optional<listen_address> metrics_address = listen_address{"", 8080}; ///< nothing = off
  std::optional<listen_address> health_address = listen_address{"", 9440};  ///< nothing = off
  std::optional<listen_address> events_address;                             ///< nothing = off
  std::string events_hmac_key_file;      ///< "" = no signature is asked for
  std::string events_token_file;         ///< "" = no bearer token is asked for
  std::string events_tls_cert_file;      ///< PEM, "" = plain HTTP; given together with the key
  std::string events_tls_key_file;       ///< PEM
  std::string events_tls_client_ca_file; ///< PEM, "" = clients need no certificate
  std::string forward_events_to;         ///< "" = events are not forwarded
  std::string data_dir;                  ///< "" = nothing survives the process
  runtime::data_sync data_sync = runtime::data_sync::full;
  std::size_t data_dir_limit = std::size_t{1} << 30; ///< bytes
  logging_options logging;
  duration shutdown_timeout = std::chrono::seconds{8};
  std::string dead_letter_dir; ///< "" = what a backend refuses is not kept; below data_dir if not said
  std::size_t dead_letter_files = 1000;
  std::size_t dead_letter_bytes = std::size_t{64} << 20;
  std::optional<std::size_t> memory_limit = 0; ///< bytes, 0 = none; nothing = by the cgroup
  std::string config_file;                     ///< "" = none
  pool_options pool;
};

struct replay_options {
  std::string stream;
  std::string posts; ///< "" = none
  std::vector<std::string> manifests;
  std::optional<std::uint64_t> shuffle_seed; ///< given: assemble once, at the end
  std::string output;                        ///< a file, "-" for standard output, or an OTLP URL; "" = none
  std::string cluster_name;
  bool waterfall = true; ///< to standard output, or to standard error when the output is "-"
  std::size_t width = 0; ///< columns; 0 = those of the terminal
  color_mode color = color_mode::automatic;
  std::optional<bool> progress; ///< nothing = when standard error is a terminal
  logging_options logging{log_level::info, log_encoding::console};
};

struct record_options {
  cluster_options cluster;
  std::string output;          ///< a file, or "-" for standard output
  std::string watch_namespace; ///< "" = all namespaces
  logging_options logging{log_level::info, log_encoding::console};
};

struct explain_options {
  std::string stream;
  std::string posts; ///< "" for none
  object_id object;  ///< the group is not known: ""
  logging_options logging{log_level::error, log_encoding::console};
};

/// --help, --version and `version`: print the text to standard output and exit 0.
struct show_text {
  std::string text;
};

using command = std::variant<run_options, replay_options, record_options, explain_options, show_text>;

/// Print "trace-controller: " and the message to standard error, as one line, and exit with the code.
struct parse_failure {
  std::string message; ///< names the command, the flag, the value and the remedy
  int exit_code = 2;
};

/// The world outside that parsing may look at.
struct surroundings {
  std::function<std::optional<std::string>(std::string_view name)> environment;
  /// Returns the content of a file, or why it cannot be read ("no such file or directory").
  std::function<tl::expected<std::string, std::string>(const std::string& path)> read_file;
  /// Returns why a file cannot be opened for reading, or nothing.
  std::function<std::optional<std::string>(const std::string& path)> unreadable;

  /// Returns the environment and the files of this process.
  static surroundings of_process();
};

/// Which commands are offered beside the four that always are.
struct offered_commands {
  bool explain = false;
};

/// Parses a command line (argv[0] is skipped). Flags win over --config, that over the environment, that over
/// defaults.
tl::expected<command, parse_failure> parse(int argc, const char* const* argv, const surroundings& outside,
                                           offered_commands offered = {});

using named_values = std::vector<std::pair<std::string, std::string>>;

/// Returns every setting of a command as flag name and value, for the log at start. Without secrets.
named_values effective_values(const run_options& options);
named_values effective_values(const replay_options& options);
named_values effective_values(const record_options& options);

/// Returns the names of a command's flags ("run", "replay", "record", "explain"), for tests and
/// documentation.
std::vector<std::string> flag_names(std::string_view command_name);

} // namespace tc::runtime
