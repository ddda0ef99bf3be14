#include "runtime/command_flags.hpp"

namespace tc::runtime {

namespace {

void add_cluster(flag_table& out, cluster_options& to) {
  out.push_back(
      {"Cluster", "kubeconfig", "FILE",
       "Kubeconfig of the cluster. Without it: $KUBECONFIG, the pod's service account, ~/.kube/config.",
       bind_text(to.kubeconfig)});
  out.push_back({"Cluster", "context", "NAME", "Context of the kubeconfig, if not its current one.",
                 bind_text(to.context)});
}

void add_logging(flag_table& out, logging_options& to) {
  out.push_back({"Logs (to standard error)", "log-level", "LEVEL",
                 "Least level to log: trace, debug, info, error.",
                 bind_choice<log_level>(to.level, {{"trace", log_level::trace},
                                                   {"debug", log_level::debug},
                                                   {"info", log_level::info},
                                                   {"error", log_level::error}})});
  out.push_back({"Logs (to standard error)", "log-encoding", "FORM", "json or console.",
                 bind_choice<log_encoding>(
                     to.encoding, {{"json", log_encoding::json}, {"console", log_encoding::console}})});
}

flag_binding bind_shard(shard& value) {
  auto set = [&value](std::string_view text) -> tl::expected<void, std::string> {
    auto parsed = shard::parse(text);
    if (!parsed)
      return tl::unexpected("is no shard; write INDEX/COUNT, as in 0/4 to 3/4, or auto/COUNT, of at most " +
                            std::to_string(shard::most));
    value = *parsed;
    return {};
  };
  return {std::move(set), [&value] { return value.to_string(); }};
}

void add_election(flag_table& out, leader_election_options& to) {
  const auto* group = "Leader election";
  out.push_back({group, "enable-leader-election", "",
                 "Of several replicas, one exports (the holder of a Lease); the others follow everything and "
                 "take over from it.",
                 bind_switch(to.enable)});
  out.push_back({group, "leader-election-release-on-cancel", "",
                 "Give the lease back at the end, so that the next leader need not wait for it to run out.",
                 bind_switch(to.release_on_cancel)});
  out.push_back({group, "leader-election-lease-duration", "DURATION",
                 "A lease that has not been renewed for so long is taken by another replica.",
                 bind_duration(to.lease_duration)});
  out.push_back(
      {group, "leader-election-renew-deadline", "DURATION",
       "A leader that could not renew its lease for so long ends, a shard is let go of; below the lease "
       "duration.",
       bind_duration(to.renew_deadline)});
  out.push_back({group, "leader-election-retry-period", "DURATION",
                 "Time between two attempts to take or to renew the lease.", bind_duration(to.retry_period)});
}

void add_pool(flag_table& out, pool_options& to) {
  const auto* group = "Pools and limits";
  out.push_back({group, "scheduler-threads", "COUNT", "Threads that run the actors; 0 is one per core.",
                 bind_count(to.scheduler_threads, 0, 1024)});
  out.push_back({group, "scheduler-policy", "POLICY",
                 "sharing (one queue, least CPU when idle) or stealing (a queue per thread).",
                 bind_choice<scheduler_policy>(to.policy, {{"sharing", scheduler_policy::sharing},
                                                           {"stealing", scheduler_policy::stealing}})});
  out.push_back({group, "scheduler-throughput", "COUNT",
                 "Messages an actor handles before it lets others run; 0 is no bound.",
                 bind_count(to.scheduler_throughput)});
  out.push_back({group, "batch-size", "COUNT", "Most observations handed over in one message.",
                 bind_count(to.batch_size, 1, 1'000'000)});
  out.push_back({group, "max-observations-waiting", "COUNT",
                 "Observations read and not worked off beyond which the API server is made to wait.",
                 bind_count(to.max_observations_waiting, 1)});
  out.push_back(
      {group, "max-live-changes", "COUNT",
       "Most changes of one Trace followed at the same time; beyond it the quietest is dropped and counted.",
       bind_count(to.max_live_changes, 1)});
  out.push_back({group, "exporter-workers", "COUNT",
                 "Deliveries to one Provider at the same time. Flux's name --concurrent means the same.",
                 bind_count(to.exporter_workers, 1, 256), 0, "concurrent"});
  out.push_back({group, "exporter-queue-spans", "COUNT", "Most spans that wait for delivery to one Provider.",
                 bind_count(to.exporter_queue_spans, 1)});
  out.push_back({group, "exporter-queue-bytes", "BYTES", "Most bytes that wait for delivery to one Provider.",
                 bind_bytes(to.exporter_queue_bytes, 1024)});
  out.push_back({group, "export-batch-bytes", "BYTES",
                 "Size at which a request to a Provider is closed, before compression.",
                 bind_bytes(to.export_batch_bytes, 1024)});
  out.push_back({group, "exporter-probe-interval", "DURATION",
                 "A backend that is away is asked once in this time, whatever waits.",
                 bind_duration(to.probe_interval)});
}

} // namespace

flag_table flags_of(run_options& to, raw_values& raw) {
  flag_table out;
  add_cluster(out, to.cluster);
  out.push_back({"Cluster", "cluster-name", "NAME", "Attribute k8s.cluster.name on every span.",
                 bind_text(to.cluster_name)});
  const auto* watched = "What is followed";
  out.push_back(
      {watched, "watch-all-namespaces", "",
       "Watch every namespace, the default unless --namespace is given. With =false and no --namespace: "
       "the namespace in $RUNTIME_NAMESPACE.",
       bind_switch(raw.watch_all_namespaces)});
  out.push_back(
      {watched, "namespace", "NAMESPACE", "Watch this namespace only.", bind_text(to.watch_namespace), 'n'});
  out.push_back({watched, "watch-label-selector", "SELECTOR",
                 "Follow only Trace resources whose labels match, as in app=web,tier!=cache.",
                 bind_label_selector(to.watch_label_selector)});
  out.push_back({watched, "shard", "INDEX/COUNT",
                 "Follow only the Traces of this shard, as in 0/4 to 3/4: each Trace is of exactly one. With "
                 "auto/COUNT, replicas share the shards among them by Leases, as replicas come and go.",
                 bind_shard(to.shard)});
  out.push_back({watched, "shard-warm-up", "DURATION",
                 "With --shard auto/COUNT: watch for so long before taking shards that other replicas hold.",
                 bind_duration(to.shard_warm_up)});
  out.push_back({watched, "no-cross-namespace-refs", "",
                 "Refuse a Trace that names objects of another namespace.",
                 bind_switch(to.no_cross_namespace_refs)});
  out.push_back({watched, "backfill", "DURATION",
                 "At start, also export changes that settled no longer ago than this.",
                 bind_duration(to.backfill)});
  out.push_back({"Servers", "metrics-addr", "ADDRESS", "Serve Prometheus /metrics here, \"0\" for nowhere.",
                 bind_address(to.metrics_address)});
  out.push_back({"Servers", "health-addr", "ADDRESS", "Serve /healthz and /readyz here, \"0\" for nowhere.",
                 bind_address(to.health_address)});
  out.push_back({"Servers", "events-addr", "ADDRESS",
                 "Receive the HTTP events of Flux controllers here (their --events-addr), \"0\" for nowhere.",
                 bind_address(to.events_address)});
  out.push_back(
      {"Servers", "events-hmac-key-file", "FILE",
       "Take only events that are signed with this key, as Flux's generic-hmac Provider signs them.",
       bind_text(to.events_hmac_key_file)});
  out.push_back({"Servers", "events-token-file", "FILE", "Take only events that come with this bearer token.",
                 bind_text(to.events_token_file)});
  out.push_back({"Servers", "events-tls-cert-file", "FILE",
                 "Serve --events-addr with TLS and this certificate (PEM); read again when it changes.",
                 bind_text(to.events_tls_cert_file)});
  out.push_back({"Servers", "events-tls-key-file", "FILE", "Private key of that certificate (PEM).",
                 bind_text(to.events_tls_key_file)});
  out.push_back({"Servers", "events-tls-client-ca-file", "FILE",
                 "Take events only from clients with a certificate of these authorities (PEM).",
                 bind_text(to.events_tls_client_ca_file)});
  out.push_back({"Servers", "forward-events-to", "URL",
                 "Forward every received event to this URL, usually notification-controller's.",
                 bind_text(to.forward_events_to)});
  add_election(out, to.election);
  const auto* refused = "What a backend refuses";
  out.push_back({refused, "dead-letter-dir", "DIR",
                 "Keep traces that a backend refuses for good in this folder, as OTLP/JSON with the reason. "
                 "Without it: dead-letters below --data-dir, if that is given. \"0\" keeps none.",
                 bind_text(to.dead_letter_dir)});
  out.push_back({refused, "dead-letter-files", "COUNT", "Most traces in it; the oldest go first.",
                 bind_count(to.dead_letter_files, 1, 1'000'000)});
  out.push_back({refused, "dead-letter-bytes", "BYTES", "Most bytes in it; the oldest go first.",
                 bind_bytes(to.dead_letter_bytes, 1024)});
  const auto* data = "Data directory";
  out.push_back(
      {data, "data-dir", "FOLDER",
       "Keep observations of open changes and undelivered traces here, so that they survive a crash. "
       "Without it, a restart knows what the cluster still shows.",
       bind_text(to.data_dir)});
  out.push_back(
      {data, "data-sync", "POLICY",
       "What a loss of power may cost: full (nothing older than 50 ms), interval (the last second), "
       "off (what the system has not written). A crash of the process costs the same with all of them.",
       bind_choice<data_sync>(
           to.data_sync,
           {{"full", data_sync::full}, {"interval", data_sync::interval}, {"off", data_sync::off}})});
  out.push_back({data, "data-dir-limit", "BYTES",
                 "Most bytes of the store in the data directory; beyond it the rest stays in memory.",
                 bind_bytes(to.data_dir_limit, std::size_t{1} << 20)});
  add_logging(out, to.logging);
  out.push_back(
      {"Process", "config", "FILE",
       "YAML file of settings: a flag's name without dashes, a colon, its value. Flags win over it.",
       bind_text(to.config_file), 0, "", false});
  out.push_back(
      {"Process", "shutdown-timeout", "DURATION",
       "After SIGTERM, deliver what has settled for at most this long. Keep it below the pod's grace period.",
       bind_duration(to.shutdown_timeout)});
  out.push_back({"Pools and limits", "memory-limit", "SIZE",
                 "Stay below this much memory (128Mi at least): what waits and what open changes know goes "
                 "to --data-dir, "
                 "or is dropped, the oldest first. 0 is no limit, auto 85 % of the pod's memory limit.",
                 bind_limit(to.memory_limit, least_memory_limit)});
  add_pool(out, to.pool);
  return out;
}

flag_table flags_of(replay_options& to, raw_values& raw) {
  flag_table out;
  out.push_back({"Input", "stream", "FILE", "The recording: JSON Lines, plain or .gz. Required.",
                 bind_text(to.stream)});
  out.push_back({"Input", "posts", "FILE", "HTTP events recorded beside it, JSON Lines, plain or .gz.",
                 bind_text(to.posts)});
  out.push_back(
      {"Input", "manifests", "FILE",
       "YAML with Trace and Provider resources; may be given again. Without it, one Trace that selects "
       "everything.",
       bind_texts(to.manifests)});
  out.push_back({"Input", "shuffle", "SEED",
                 "Feed the lines in this random order and assemble once, at the end; 0 keeps their order.",
                 bind_number(to.shuffle_seed)});
  out.push_back({"Output", "output", "FILE|-|URL",
                 "Where OTLP/JSON goes, a request a line: a file, - for standard output, or an OTLP URL.",
                 bind_text(to.output)});
  out.push_back({"Output", "cluster-name", "NAME", "Attribute k8s.cluster.name on every span.",
                 bind_text(to.cluster_name)});
  out.push_back(
      {"Terminal", "waterfall", "",
       "Draw every trace, to standard output; to standard error when --output is -. On unless --output is -.",
       bind_switch(raw.waterfall)});
  out.push_back({"Terminal", "no-waterfall", "", "Draw nothing.", bind_switch(raw.no_waterfall)});
  out.push_back({"Terminal", "width", "COLUMNS", "Columns of the drawing; 0 is the terminal's, or 120.",
                 bind_count(to.width, 0, 1000)});
  out.push_back({"Terminal", "color", "WHEN",
                 "auto (on a terminal, unless $NO_COLOR is set), always or never.",
                 bind_choice<color_mode>(to.color, {{"auto", color_mode::automatic},
                                                    {"always", color_mode::always},
                                                    {"never", color_mode::never}})});
  out.push_back({"Terminal", "progress", "",
                 "Report progress on standard error, also when that is no terminal; =false for never.",
                 bind_switch(to.progress)});
  add_logging(out, to.logging);
  return out;
}

flag_table flags_of(record_options& to, raw_values&) {
  flag_table out;
  out.push_back({"Output", "output", "FILE", "The recording to write, - for standard output. Required.",
                 bind_text(to.output)});
  add_cluster(out, to.cluster);
  out.push_back({"Cluster", "namespace", "NAMESPACE", "Record this namespace only, not all of them.",
                 bind_text(to.watch_namespace), 'n'});
  add_logging(out, to.logging);
  return out;
}

flag_table flags_of(explain_options& to, raw_values& raw) {
  flag_table out;
  out.push_back({"Input", "stream", "FILE", "The recording: JSON Lines, plain or .gz. Required.",
                 bind_text(to.stream)});
  out.push_back({"Input", "posts", "FILE", "HTTP events recorded beside it, JSON Lines, plain or .gz.",
                 bind_text(to.posts)});
  out.push_back({"Input", "object", "KIND/NAMESPACE/NAME", "The object whose runs to explain. Required.",
                 bind_text(raw.object)});
  add_logging(out, to.logging);
  return out;
}

std::vector<std::string> names_in(const flag_table& flags) {
  std::vector<std::string> out;
  for (const auto& entry : flags) {
    out.push_back(entry.name);
    if (!entry.other_name.empty())
      out.push_back(entry.other_name);
  }
  return out;
}

} // namespace tc::runtime
