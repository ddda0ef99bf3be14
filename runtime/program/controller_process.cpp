#include "runtime/program/controller_process.hpp"

#include "actors/controller.hpp"
#include "export/environment.hpp"
#include "export/http_sink.hpp"
#include "kube/cluster.hpp"
#include "kube/decode/decode.hpp"
#include "kube/discovery.hpp"
#include "kube/lease_elector.hpp"
#include "kube/reflector.hpp"
#include "kube/shard_elector.hpp"
#include "runtime/http_server.hpp"
#include "runtime/memory_limit.hpp"
#include "runtime/metrics.hpp"
#include "runtime/program/actor_system.hpp"
#include "runtime/program/books_json.hpp"
#include "runtime/program/cluster_feed.hpp"
#include "runtime/program/cluster_writer.hpp"
#include "runtime/program/dead_letter_writer.hpp"
#include "runtime/program/delivered_json.hpp"
#include "runtime/program/durability.hpp"
#include "runtime/program/event_intake.hpp"
#include "runtime/program/event_tee.hpp"
#include "runtime/program/fact_packing.hpp"
#include "runtime/program/fenced_sink.hpp"
#include "runtime/program/followed_shards.hpp"
#include "runtime/program/injected_crashes.hpp"
#include "runtime/program/leadership.hpp"
#include "runtime/program/lease_identity.hpp"
#include "runtime/program/liveness.hpp"
#include "runtime/program/memory_watch.hpp"
#include "runtime/program/observers.hpp"
#include "runtime/program/overload.hpp"
#include "runtime/program/provider_registry.hpp"
#include "runtime/program/shard_duties.hpp"
#include "runtime/program/status_patches.hpp"
#include "runtime/program/wall_clock.hpp"

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <mutex>
#include <random>
#include <set>
#include <unordered_set>

namespace tc::runtime {

namespace {

constexpr auto tick = std::chrono::milliseconds{100};
/// How long the first lists may take before those that are complete are followed without the others.
constexpr auto patience = std::chrono::seconds{60};
/// On what the tee has sent: it must not come round again.
constexpr std::string_view forwarded_header = "x-trace-controller-forwarded";
/// How often it is looked again whether there is something to go on with.
constexpr auto patience_step = std::chrono::seconds{5};
/// How long an observation may wait for company before its batch is handed over.
constexpr auto batch_wait = std::chrono::milliseconds{10};
/// So long until there may be room for more of what an earlier process had observed.
constexpr auto play_in_pause = std::chrono::milliseconds{5};
/// How long watches that go on from a data directory may take to tell what was missed, before anything that
/// looks quiet is judged. What comes later is not lost: it is an addition.
constexpr auto catching_up = std::chrono::milliseconds{500};
/// How long a data directory may take to write what the first lists showed before the process counts as ready
/// without: a disk that hangs is no reason to be of no use.
constexpr auto longest_first_write = std::chrono::seconds{10};

/// How long the end may take until the lease is given back; else it runs out.
constexpr auto giving_back = std::chrono::seconds{2};
/// With shards that replicas share, so many recent observations are what a Trace goes on from that another
/// replica followed before; they take about 4 KiB each.
constexpr std::size_t most_remembered_for_others = 16'384, least_remembered_for_others = 4096;
constexpr std::size_t memory_for_each_remembered = std::size_t{64} << 10;

std::size_t remembered_for_others(const memory_limits& memory) {
  return memory.process == 0 ? most_remembered_for_others
                             : std::clamp(memory.process / memory_for_each_remembered,
                                          least_remembered_for_others, most_remembered_for_others);
}

/// Of --data-dir-limit, one in so many bytes is for what open changes know while memory is short.
constexpr std::size_t share_of_spill_file = 4;

std::optional<std::string> environment_value(const char* name) {
  const auto* value = std::getenv(name);
  return value ? std::optional<std::string>{value} : std::nullopt;
}

/// Uniform in [0, 1), for several threads.
std::function<double()> random_source() {
  struct engine {
    std::mutex mutex;
    std::mt19937_64 numbers{std::random_device{}()};
  };
  return [shared = std::make_shared<engine>()] {
    std::lock_guard guard{shared->mutex};
    return std::uniform_real_distribution<double>{0, 1}(shared->numbers);
  };
}

/// What /debug/books has of each Trace, as the label of a metric.
constexpr std::pair<const char*, std::uint64_t trace_books::*> change_states[] = {
    {"pending", &trace_books::changes_pending},        {"exported", &trace_books::changes_exported},
    {"history", &trace_books::changes_history},        {"sampled_out", &trace_books::changes_sampled_out},
    {"not_selected", &trace_books::changes_filtered},  {"dropped", &trace_books::changes_dropped},
    {"handed_over", &trace_books::changes_handed_over}};

/// Over all Traces, deleted ones too.
std::uint64_t sum_of(const controller_books& books, std::uint64_t trace_books::*what) {
  auto out = books.departed.*what;
  for (const auto& [name, trace] : books.traces)
    out += trace.*what;
  return out;
}

duration steady_clock() {
  return duration{std::chrono::steady_clock::now().time_since_epoch()};
}

server_response answer(int status, std::string text) {
  server_response out;
  out.status = status;
  out.body = std::move(text);
  return out;
}

/// Before any thread of ours begins.
memory_limits found_memory_limits(const run_options& options) {
  auto out = find_memory_limits(options.memory_limit, surroundings::of_process());
  bound_heaps(out.process);
  return out;
}

} // namespace

struct controller_process::impl {
  impl(const run_options& chosen, logger to, std::shared_ptr<kube::access_source> access)
      : options(chosen), log(std::move(to)), memory(found_memory_limits(chosen)), actors_(options.pool),
        loop(http_settings()), target(loop, std::move(access)), versions(target, wall_clock),
        writer(target, wall_clock) {}

  /// Also when starting failed half way.
  ~impl() {
    health_server.reset();
    metrics_server.reset();
    events_server.reset();
    stop_watching();
    loop.stop();
    elector.reset();
    sharing.reset();
    {
      std::lock_guard guard{mutex};
      ending = true;
    }
    if (root)
      caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
    root = controller_actor{};
    // Waits for every actor to end: whatever they still call exists until then.
    actors_.stop();
    durable.reset();
  }

  http_loop_options http_settings() {
    http_loop_options out;
    out.on_exception = [log = log.named("http")](std::string_view what) {
      log.error("a callback failed", {{"error", what}});
    };
    return out;
  }

  tl::expected<void, std::string> open_data_directory(const std::string& access);
  void start_actors();
  void play_in(std::int64_t after);
  void start_to_account();
  void all_listed();
  void become_ready(const std::string& without);
  void start_watching();
  void stop_watching() {
    for (auto* some : {&first_reflectors, &reflectors})
      for (auto& one : *some)
        one->stop();
  }
  /// `trusting`: watches go on from where the earlier process was.
  void start_others(bool trusting = true);
  tl::expected<void, std::string> stand_for_election(const std::string& context_namespace);
  tl::expected<std::string, std::string> lease_namespace(const char* flag,
                                                         const std::string& context_namespace) const;
  tl::expected<void, std::string> share_shards(const std::string& context_namespace);
  shard_duties::outside duties_outside();
  void begin_shards(const std::vector<std::size_t>& shards);
  bool delivers(std::size_t shard);
  void drain_shard(std::size_t shard);
  void drop_shard(std::size_t shard, bool recall, std::function<void()> done);
  void follow(trace_resource spec, std::string_view json, bool by_another);
  void write_status(const trace_status& status, std::function<void(std::string)> done);
  /// Whether a Trace of that UID is one of this process. On the loop's thread.
  bool follows(const std::string& uid) const {
    return duties ? duties->follows(traces->shard_of(uid)) : options.shard.owns(uid);
  }
  /// Whether this process may send now. Thread-safe.
  bool leads() const { return leader ? leader->leads() : !duties || duties->may_send(); }
  /// Whether another has its work for now. Thread-safe.
  bool stands_by() const { return leader && !leader->leads(); }
  /// Whether it may write the status of that Trace now. Thread-safe.
  bool may_write(const std::string& uid) const {
    return duties ? duties->may_write(traces->shard_of(uid)) : leads();
  }
  void tell_delivered(std::string_view trace_json);
  void give_lease_back();
  void retire();
  std::unique_ptr<cluster_feed> make_feed();
  provider_registry::outside registry_outside();
  tl::expected<void, std::string> start_servers();
  tl::expected<exporter_setup_ptr, std::string> make_setup(const std::string& provider,
                                                           const resolved_provider& resolved);
  void publish(controller_books_ptr books);
  void arm_tick();
  /// How many observations may wait before nothing more is read.
  std::size_t most_waiting() const;
  void tell_overload(trace::shed_level level);
  void arm_flush();
  void take_events();
  void start_tee();
  tl::expected<void, std::string> start_intake();
  tl::expected<void, std::string> secure_intake(http_server::settings& with);
  void arm_patience(std::chrono::seconds wait);

  run_options options;
  logger log;
  /// Shared with callbacks of transports, which may come after the end of this.
  std::shared_ptr<metrics> counters_owner = std::make_shared<metrics>();
  metrics& counters = *counters_owner;
  exporting::export_environment environment = exporting::read_export_environment(environment_value);
  std::function<double()> random = random_source();
  /// On the loop's thread.
  exporting::circuit_registry circuits{{.probe_interval = options.pool.probe_interval}, random};
  std::unique_ptr<dead_letter_writer> dead_letters; ///< null without --dead-letter-dir
  status_patches patches;
  trace_warnings warnings{[this](const std::string& namespace_name, std::string event) {
                            if (!leads())
                              return; // the leader has the same to say
                            writer.post_event(namespace_name, std::move(event),
                                              [this](const std::string& error) {
                                                if (!error.empty())
                                                  log.error("an Event cannot be posted", {{"error", error}});
                                              });
                          },
                          wall_clock};

  std::unique_ptr<leadership> leader;        ///< null without --enable-leader-election; never replaced
  std::unordered_set<std::string> caught_up; ///< UIDs of Traces whose status was read; on the loop's thread
  // With --shard auto/COUNT, else null; never replaced.
  std::unique_ptr<shard_duties> duties;
  std::unique_ptr<followed_shards> traces;        ///< on the loop's thread, but for shard_of()
  std::map<std::string, std::string> just_listed; ///< Traces as JSON by UID, while shards are begun
  bool retired = false;                           ///< guarded by `mutex`: all shards are given back
  std::uint64_t books_at_retiring = 0;            ///< guarded by `mutex`: how many were published by then
  memory_limits memory;
  std::shared_ptr<actors::memory_ledger> ledger; ///< set when the data directory is open
  std::unique_ptr<memory_watch> memory_watching;
  std::unique_ptr<durability> durable; ///< null without --data-dir
  restored_process restored;
  std::shared_ptr<backlog> waiting = std::make_shared<backlog>(); ///< read, and not worked off yet
  /// On the loop's thread.
  overload load{[this](trace::shed_level level) { tell_overload(level); },
                [this](const observation& what, trace::shed_level why) {
                  counters.observations_shed.add(1, what.object.kind, std::string{trace::text_of(why)});
                }};
  std::shared_ptr<alarm> wakes = std::make_shared<alarm>(); ///< for what is due between two ticks
  bool goes_on = false;                                     ///< at least one watch does
  actor_runtime actors_;
  controller_actor root;
  http_loop loop;
  kube::cluster target;
  kube::discovery versions;
  cluster_writer writer;
  std::unique_ptr<kube::lease_elector> elector;
  std::unique_ptr<kube::shard_elector> sharing;
  std::unique_ptr<provider_registry> registry;
  std::unique_ptr<cluster_feed> feed;
  kube::reading_order order{[] { return duration{std::chrono::steady_clock::now().time_since_epoch()}; }};
  std::vector<std::unique_ptr<kube::reflector>> first_reflectors; ///< of Traces and Providers
  std::vector<std::unique_ptr<kube::reflector>> reflectors;       ///< of what is traced
  std::unique_ptr<http_server> health_server;
  std::unique_ptr<http_server> metrics_server;
  std::unique_ptr<event_intake> intake; ///< null without --events-addr
  std::unique_ptr<event_tee> tee;       ///< null without --forward-events-to; on the loop's thread
  std::unique_ptr<http_server> events_server;

  std::mutex mutex;
  std::condition_variable changed;
  bool stop_requested = false;
  controller_books_ptr books;
  std::optional<store::journal_books> store_books;
  std::uint64_t books_seen = 0; ///< how many were published
  std::uint64_t opened_before = 0;
  struct outdated {
    const char* cause;
    std::uint64_t trace_books::*of;
    std::uint64_t before = 0;
  };
  std::array<outdated, 2> outdated_spans{
      {{"later_evidence", &trace_books::spans_late}, {"forgotten_evidence", &trace_books::spans_faded}}};
  liveness life{std::chrono::steady_clock::now()};
  std::atomic<bool> is_ready{false};
  bool ending = false;
  bool patience_told = false; ///< on the loop's thread
  bool playing_in = false;    ///< likewise: what an earlier process had observed
};

tl::expected<std::unique_ptr<controller_process>, std::string>
controller_process::start(const run_options& options, std::shared_ptr<kube::access_source> access,
                          const logger& log) {
  auto description = access->description();
  auto context_namespace = access->default_namespace();
  log.info("cluster found", {{"access", description}});
  if (auto limits = find_memory_limits(options.memory_limit, surroundings::of_process());
      !limits.problem.empty())
    return tl::unexpected(limits.problem);
  auto made = std::make_unique<impl>(options, log, std::move(access));
  log.info("memory limit", {{"bytes", made->memory.process}, {"from", made->memory.source}});
  made->counters.memory_limit.set(static_cast<double>(made->memory.process));
  for (const auto& warning : made->environment.warnings)
    log.error("environment variable ignored", {{"problem", warning}});
  if (!options.dead_letter_dir.empty())
    made->dead_letters = std::make_unique<dead_letter_writer>(
        options.dead_letter_dir,
        exporting::dead_letter_limits{options.dead_letter_files, options.dead_letter_bytes},
        log.named("dead-letters"), made->counters_owner);
  if (auto opened = made->open_data_directory(description); !opened)
    return tl::unexpected(opened.error());
  made->start_to_account();
  if (auto stands = made->stand_for_election(context_namespace); !stands)
    return tl::unexpected(stands.error());
  if (auto shares = made->share_shards(context_namespace); !shares)
    return tl::unexpected(shares.error());
  made->start_actors();
  made->registry = std::make_unique<provider_registry>(made->registry_outside());
  made->feed = made->make_feed(); // before the probes ask it
  if (auto served = made->start_servers(); !served)
    return tl::unexpected(served.error());
  made->start_watching();
  if (made->elector)
    made->elector->start();
  return std::unique_ptr<controller_process>(new controller_process(std::move(made)));
}

tl::expected<void, std::string> controller_process::impl::open_data_directory(const std::string& access) {
  if (options.data_dir.empty())
    return {};
  auto opened = durability::open(options, memory, access + ", namespace " + options.watch_namespace,
                                 log.named("data"), counters, warnings);
  if (!opened)
    return tl::unexpected(opened.error());
  durable = std::move(*opened);
  restored = durable->take_restored();
  goes_on = !restored.watches.empty();
  return {};
}

void controller_process::impl::start_to_account() {
  auto file = memory.process == 0 || options.data_dir.empty()
                  ? nullptr
                  : spill_file::in(options.data_dir, options.data_dir_limit / share_of_spill_file);
  ledger = actors::memory_ledger::with_limit(memory.process, make_fact_packer(std::move(file)));
  memory_watching = std::make_unique<memory_watch>(ledger, [this](std::size_t resident) {
    log.error("--memory-limit is not held: what is watched and open needs more; give it more, or divide the "
              "Traces among shards",
              {{"bytes", resident}, {"limit", ledger->limit()}});
  });
}

tl::expected<std::string, std::string>
controller_process::impl::lease_namespace(const char* flag, const std::string& context_namespace) const {
  auto out = environment_value("RUNTIME_NAMESPACE").value_or(context_namespace);
  if (out.empty())
    return tl::unexpected(std::string{flag} +
                          " needs a namespace for its Lease; set $RUNTIME_NAMESPACE, or a namespace in the "
                          "kubeconfig's context");
  return out;
}

tl::expected<void, std::string>
controller_process::impl::stand_for_election(const std::string& context_namespace) {
  const auto& chosen = options.election;
  if (!chosen.enable)
    return {};
  auto found = lease_namespace("--enable-leader-election", context_namespace);
  if (!found)
    return tl::unexpected(found.error());
  const auto& space = *found;
  auto name = lease_name(options);
  leadership::outside out;
  out.clock = steady_clock;
  out.later = [this](duration wait, std::function<void()> then) { loop.after(wait, std::move(then)); };
  out.catch_up = [this](std::function<void(const std::string&)> done) {
    writer.list_traces(
        options.watch_namespace, options.watch_label_selector,
        [this](const std::string& json) { tell_delivered(json); }, std::move(done));
  };
  out.begin = [this] { caf::anon_send(root, lead_atom_v); };
  out.lost = [this] {
    std::lock_guard guard{mutex};
    stop_requested = true;
    changed.notify_all();
  };
  out.shown = [this, name](bool leads) { counters.leader_election_master_status.set(leads ? 1 : 0, name); };
  counters.leader_election_master_status.set(0, name);
  auto identity = lease_identity();
  log.info("standing for election", {{"lease", space + '/' + name}, {"identity", identity}});
  leader = std::make_unique<leadership>(std::move(out), log.named("election"));
  kube::election_settings with{identity, chosen.lease_duration, chosen.renew_deadline, chosen.retry_period};
  elector = std::make_unique<kube::lease_elector>(
      kube::elector_context{loop, target,
                            [] {
                              return kube::election_time{steady_clock(), wall_clock()};
                            },
                            random},
      space, name, std::move(with), [this](const kube::lease_election& now) { leader->changed(now); });
  return {};
}

tl::expected<void, std::string> controller_process::impl::share_shards(const std::string& context_namespace) {
  if (!options.shard.automatic)
    return {};
  const auto& chosen = options.election;
  auto flag = "--shard " + options.shard.to_string();
  auto space = lease_namespace(flag.c_str(), context_namespace);
  if (!space)
    return tl::unexpected(space.error());
  auto names = shard_leases(options);
  auto identity = lease_identity();
  log.info("sharing shards", {{"shards", options.shard.count},
                              {"leases", *space + '/' + names.prefix + "-shard-*-of-" +
                                             std::to_string(options.shard.count) + names.suffix},
                              {"identity", identity}});
  traces = std::make_unique<followed_shards>(options.shard.count);
  duties = std::make_unique<shard_duties>(options.shard.count, options.shutdown_timeout, duties_outside(),
                                          log.named("shards"));
  sharing = std::make_unique<kube::shard_elector>(
      kube::elector_context{loop, target,
                            [] {
                              return kube::election_time{steady_clock(), wall_clock()};
                            },
                            random},
      *space,
      kube::sharding_settings{identity, names.prefix, names.suffix, options.shard.count,
                              chosen.lease_duration, chosen.renew_deadline, chosen.retry_period,
                              options.shard_warm_up},
      [this](const kube::shard_election& now) { duties->changed(now); });
  return {};
}

shard_duties::outside controller_process::impl::duties_outside() {
  shard_duties::outside out;
  out.clock = steady_clock;
  out.later = [this](duration wait, std::function<void()> then) { loop.after(wait, std::move(then)); };
  out.catch_up = [this](std::function<void(const std::string&)> done) {
    just_listed.clear();
    writer.list_traces(
        options.watch_namespace, options.watch_label_selector,
        [this](const std::string& json) {
          if (auto told = kube::decoder{}.decode_trace(json))
            just_listed[told->uid] = json;
        },
        std::move(done));
  };
  out.begin = [this](const std::vector<std::size_t>& shards) { begin_shards(shards); };
  out.delivers = [this](std::size_t shard) { return delivers(shard); };
  out.drain = [this](std::size_t shard) { drain_shard(shard); };
  out.drop = [this](std::size_t shard, bool recall, std::function<void()> done) {
    drop_shard(shard, recall, std::move(done));
  };
  out.give_back = [this](std::size_t shard) { sharing->give_back(shard); };
  out.counted = [this](shard_event event) { counters.shard_events.add(1, to_string(event)); };
  out.shown = [this](std::size_t held, std::size_t replicas) {
    counters.shards_held.set(static_cast<double>(held));
    counters.shard_replicas.set(static_cast<double>(replicas));
  };
  return out;
}

void controller_process::impl::begin_shards(const std::vector<std::size_t>& shards) {
  auto listed = std::exchange(just_listed, {});
  for (const auto& [uid, json] : listed)
    if (auto told = kube::decoder{}.decode_trace(json))
      traces->seen(*told); // the watch may not have told of it yet
  for (auto shard : shards) {
    log.info("following the Traces of a shard", {{"shard", shard}, {"traces", traces->of(shard).size()}});
    for (const auto& [uid, spec] : traces->of(shard)) {
      auto found = listed.find(uid);
      auto fresh = spec;
      if (found != listed.end())
        if (auto told = kube::decoder{}.decode_trace(found->second))
          fresh.exported_until = told->exported_until; // by its former owner
      follow(std::move(fresh), found == listed.end() ? std::string_view{} : found->second, true);
    }
  }
}

/// No backend of its Traces is away while something waits for it.
bool controller_process::impl::delivers(std::size_t shard) {
  std::set<std::string> away;
  {
    std::lock_guard guard{mutex};
    if (books)
      for (const auto& [name, exporter] : books->exporters)
        if (exporter.backend_away && exporter.spans_pending > 0)
          away.insert(name);
  }
  const auto& all = traces->of(shard);
  return std::none_of(all.begin(), all.end(), [&](const auto& each) {
    return away.count(each.second.namespace_name + '/' + each.second.provider_name) != 0;
  });
}

void controller_process::impl::drain_shard(std::size_t shard) {
  auto uids = traces->drain(shard);
  for (const auto& uid : uids)
    caf::anon_send(root, drain_atom_v, uid);
  if (uids.empty())
    loop.post([this, shard] { duties->handed_over(shard); });
}

void controller_process::impl::drop_shard(std::size_t shard, bool recall, std::function<void()> done) {
  auto what = std::make_shared<departure>();
  for (const auto& [uid, spec] : traces->of(shard)) {
    what->uids.push_back(uid);
    caught_up.erase(uid);
    warnings.gone(uid);
    registry->reference(uid, {});
  }
  what->recall = recall;
  what->done = [this, done = std::move(done)] { loop.post(done); };
  caf::anon_send(root, remove_atom_v, departure_ptr{std::move(what)});
}

void controller_process::impl::tell_delivered(std::string_view trace_json) {
  if (auto told = read_delivered(trace_json))
    caf::anon_send(root, apply_atom_v,
                   delivered_spans_ptr{std::make_shared<delivered_spans>(std::move(*told))});
}

/// Everything is handed over, in the time that is left.
void controller_process::impl::retire() {
  loop.post([this] {
    sharing->retire([this] {
      std::lock_guard guard{mutex};
      retired = true;
      books_at_retiring = books_seen;
      changed.notify_all();
    });
  });
}

void controller_process::impl::give_lease_back() {
  if (!elector || !options.election.release_on_cancel)
    return;
  auto done = std::make_shared<std::promise<void>>();
  elector->release([done] { done->set_value(); });
  done->get_future().wait_for(giving_back);
}

/// What was known before comes before what the lists and watches tell, and after the Traces that are to hear
/// of it; little by little, as it is worked off: all at once would not fit into memory.
void controller_process::impl::play_in(std::int64_t after) {
  auto upto = restored.last_observation;
  if (after >= upto)
    return start_others();
  if (waiting->size() >= most_waiting() / 2) { // it is no overload
    loop.after(play_in_pause, [this, after] { play_in(after); });
    return;
  }
  durable->read_observations(
      after, upto, options.pool.batch_size, [this](store::result<store::observation_page> page) {
        loop.post([this, page = std::move(page)]() mutable {
          if (!page) {
            log.error("what was observed before cannot be read back from the data directory; what the "
                      "cluster still shows is listed",
                      {{"error", page.error().message}});
            return start_others(false);
          }
          if (!page->facts.empty())
            caf::anon_send(root, observe_atom_v,
                           backlog::counted(waiting, ledger->counted(std::make_shared<observation_batch>(
                                                         std::move(page->facts)))),
                           wall_clock());
          play_in(page->last);
        });
      });
}

void controller_process::impl::start_actors() {
  actors::controller_setup setup;
  setup.watching.cluster_name = options.cluster_name;
  setup.watching.backfill = options.backfill;
  setup.watching.no_cross_namespace_refs = options.no_cross_namespace_refs;
  setup.watching.max_live_changes = options.pool.max_live_changes;
  setup.watching.waiting = waiting;
  setup.watching.wakes = wakes;
  setup.began = wall_clock();
  setup.watching.restored = restored.actors;
  setup.watching.tells_delivered = options.election.enable || duties;
  setup.watching.max_recent = memory.recent;
  if (duties) {
    setup.watching.takeover_gap = 2 * options.election.lease_duration;
    setup.watching.max_recent = remembered_for_others(memory);
  }
  setup.leads = !options.election.enable;
  setup.watching.ledger = ledger;
  setup.watching.remembered.bytes = memory.remembered;
  setup.spans_remembered = memory.sent_spans;
  auto observers = make_observers(log.named("traces"), counters, warnings);
  if (durable)
    durable->listen(*observers);
  inject_crashes(*observers);
  setup.events = std::move(observers);
  setup.crashed = [this](const std::string& actor, const std::string& error) {
    counters.actor_restarts.add(1, actor.substr(0, actor.find(' ')));
    log.error("an actor crashed and is started again", {{"actor", actor}, {"error", error}});
  };
  setup.publish_books = [this](controller_books_ptr latest) { publish(std::move(latest)); };
  setup.write_status = [this](const trace_status& status, std::function<void(std::string)> done) {
    write_status(status, std::move(done));
  };
  root = actors_.system().spawn(actors::controller, std::move(setup));
  // Nobody supervises the root: without it nothing works any more, so the process ends and is started anew.
  caf::actor_cast<caf::strong_actor_ptr>(root)->get()->attach_functor([this](const caf::error& reason) {
    std::lock_guard guard{mutex};
    if (ending)
      return;
    log.error("the controller actor has ended; the process ends", {{"error", caf::to_string(reason)}});
    life.failed(caf::to_string(reason));
    stop_requested = true;
    changed.notify_all();
  });
}

void controller_process::impl::write_status(const trace_status& status,
                                            std::function<void(std::string)> done) {
  if (!may_write(status.uid))
    return done("this process does not lead");
  auto body = patches.patch_for(status, wall_clock());
  writer.patch_trace_status(
      status, std::move(body), [this, status, done = std::move(done)](const std::string& error) {
        if (!error.empty())
          log.error("the status of a Trace cannot be written",
                    {{"trace", status.namespace_name + '/' + status.name}, {"error", error}});
        done(error);
        if (!traces || !error.empty())
          return;
        if (auto shard = traces->written(status))
          duties->handed_over(*shard);
      });
}

void controller_process::impl::arm_patience(std::chrono::seconds wait) {
  loop.after(wait, [this] {
    if (feed->is_synced() || feed->wait_no_longer())
      return;
    if (!patience_told)
      log.error("still waiting for the first lists", {{"kinds", feed->waiting_for()}});
    patience_told = true;
    arm_patience(patience_step);
  });
}

void controller_process::impl::publish(controller_books_ptr latest) {
  counters.observations_waiting.set(static_cast<double>(waiting->size()));
  auto opened = sum_of(*latest, &trace_books::changes_opened);
  for (const auto& [state, of] : change_states)
    counters.changes.set(static_cast<double>(sum_of(*latest, of)), state);
  for (const auto& [name, exporter] : latest->exporters) {
    counters.export_queue_spans.set(static_cast<double>(exporter.spans_pending), name);
    counters.export_queue_bytes.set(static_cast<double>(exporter.bytes_pending), name);
    counters.export_backend_away.set(exporter.backend_away ? 1 : 0, name);
  }
  if (opened > opened_before)
    counters.changes_opened.add(static_cast<double>(opened - opened_before));
  opened_before = opened;
  for (auto& [cause, of, before] : outdated_spans)
    if (auto now = sum_of(*latest, of); now > before) {
      counters.spans_outdated.add(static_cast<double>(now - before), cause);
      before = now;
    }
  counters.memory_held.set(static_cast<double>(ledger->held()));
  counters.memory_observations.set(static_cast<double>(ledger->observed()), "whole");
  counters.memory_observations.set(static_cast<double>(ledger->packed()), "packed");
  counters.memory_allowance.set(ledger->limit() == 0 ? 0 : static_cast<double>(ledger->allowance()));
  counters.traces_spilled.set(static_cast<double>(sum_of(*latest, &trace_books::traces_spilled)));
  std::optional<store::journal_books> stored;
  if (durable)
    stored = durable->publish();
  std::lock_guard guard{mutex};
  books = std::move(latest);
  store_books = std::move(stored);
  ++books_seen;
  life.told(std::chrono::steady_clock::now());
  changed.notify_all();
}

tl::expected<exporter_setup_ptr, std::string>
controller_process::impl::make_setup(const std::string& provider, const resolved_provider& resolved) {
  auto complete = resolved;
  if (auto taken = read_default_files(complete, surroundings::of_process().read_file); !taken)
    return tl::unexpected(taken.error());
  exporting::encoder_options encoding;
  encoding.resource_attributes = environment.resource_attributes;
  encoding.default_service = environment.service_name;
  exporting::endpoint_identity identity{complete.target.url, complete.options.proxy, complete.options.tls};
  std::shared_ptr<exporting::span_sink> sink =
      exporting::make_sink(loop, complete.target, std::move(complete.options), std::move(encoding));
  log.info("provider ready", {{"provider", provider}, {"endpoint", sink->description()}});
  if (leader || duties)
    sink = std::make_shared<fenced_sink>(std::move(sink), [this] { return leads(); });
  auto out = std::make_shared<exporter_setup>();
  out->sink = std::move(sink);
  out->delivery.max_spans = options.pool.exporter_queue_spans;
  out->delivery.max_bytes = options.pool.exporter_queue_bytes;
  out->delivery.in_flight = options.pool.exporter_workers;
  out->delivery.batch_bytes = options.pool.export_batch_bytes;
  out->delivery.circuit = circuits.circuit_of(identity);
  out->delivery.batch_spans = environment.batch_spans.value_or(0);
  out->delivery.schedule_delay = environment.schedule_delay.value_or(duration::zero());
  out->random = random;
  if (durable)
    out->settled = durable->sent_by(provider);
  out->attempted = [shared = counters_owner, log = log, provider](const exporting::attempt_result& result,
                                                                  std::size_t spans) {
    const auto& counts = *shared;
    counts.export_attempts.add(1, provider, result.status > 0 ? std::to_string(result.status) : "none");
    if (result.outcome == exporting::attempt_outcome::delivered) {
      counts.spans_exported.add(static_cast<double>(spans) - static_cast<double>(result.rejected_spans),
                                provider);
      if (result.rejected_spans > 0)
        counts.spans_dropped.add(static_cast<double>(result.rejected_spans), provider, "partial_success");
      if (!result.message.empty())
        log.info("the backend has a remark", {{"provider", provider}, {"message", result.message}});
      return;
    }
    if (result.outcome == exporting::attempt_outcome::rejected)
      counts.spans_dropped.add(static_cast<double>(spans), provider, result.reason);
    log.error(
        result.outcome == exporting::attempt_outcome::retry ? "export failed and is tried again"
                                                            : "export was refused for good",
        {{"provider", provider}, {"reason", result.reason}, {"error", result.message}, {"spans", spans}});
  };
  if (dead_letters)
    out->refused = [to = dead_letters.get(), provider](const exporting::finished_trace& done) {
      auto kept = std::make_shared<completed_trace>(*done.trace);
      kept->spans.clear();
      for (const auto& part : done.refused) {
        auto from = done.trace->spans.begin() + static_cast<std::ptrdiff_t>(part.first);
        kept->spans.insert(kept->spans.end(), from, from + static_cast<std::ptrdiff_t>(part.count));
      }
      to->post({std::move(kept), provider, done.reason, done.message, wall_clock()});
    };
  return exporter_setup_ptr{std::move(out)};
}

provider_registry::outside controller_process::impl::registry_outside() {
  provider_registry::outside out;
  out.clock = wall_clock;
  out.bind = [this](provider_binding_ptr binding) {
    if (!binding->setup && !binding->forgotten)
      log.error("a provider cannot be used", {{"provider", binding->namespace_name + '/' + binding->name},
                                              {"reason", binding->reason},
                                              {"error", binding->problem}});
    caf::anon_send(root, apply_atom_v, std::move(binding));
  };
  out.read_secret = [this](const std::string& namespace_name, const std::string& name,
                           std::function<void(provider_registry::secret_result)> done) {
    writer.read_secret(namespace_name, name, std::move(done));
  };
  out.make_setup = [this](const std::string& provider, const resolved_provider& resolved) {
    return make_setup(provider, resolved);
  };
  out.defaults = {environment, options.no_cross_namespace_refs};
  out.post = [this](std::function<void()> task) { loop.post(std::move(task)); };
  return out;
}

std::unique_ptr<cluster_feed> controller_process::impl::make_feed() {
  cluster_feed::outputs out;
  out.observations = [this](observation_batch_ptr batch, timestamp) {
    batch = load.sift(std::move(batch));
    if (!batch)
      return;
    if (durable)
      durable->add(*batch);
    caf::anon_send(root, observe_atom_v, backlog::counted(waiting, ledger->counted(std::move(batch))),
                   wall_clock());
  };
  out.trace = [this](trace_resource spec, std::string_view json) {
    if (traces)
      traces->seen(spec);
    // Once this process leads, what comes back is its own.
    if (follows(spec.uid))
      follow(std::move(spec), json, leader && !leader->has_begun());
  };
  out.trace_gone = [this](const std::string& uid) {
    if (traces)
      if (auto shard = traces->gone(uid))
        duties->handed_over(*shard);
    patches.gone(uid);
    caught_up.erase(uid);
    warnings.gone(uid);
    if (durable)
      durable->trace_gone(uid);
    registry->reference(uid, {});
    caf::anon_send(root, remove_atom_v, uid);
  };
  out.bad_trace = [this](trace_resource refused, const kube::decode_error& error) {
    counters.decode_errors.add(1, "Trace");
    log.error("a Trace cannot be followed", {{"trace", error.object}, {"error", error.to_string()}});
    if (refused.uid.empty())
      return;
    if (traces)
      traces->seen(refused);
    if (!follows(refused.uid))
      return;
    registry->reference(refused.uid, {});
    if (durable)
      durable->trace_seen(refused);
    caf::anon_send(root, apply_atom_v,
                   trace_resource_ptr{std::make_shared<trace_resource>(std::move(refused))});
  };
  out.provider = [this](provider_resource provider) { registry->apply(std::move(provider)); };
  out.provider_gone = [this](const std::string& namespace_name, const std::string& name) {
    registry->remove(namespace_name, name);
  };
  out.broken = [this](std::string_view kind, std::string_view object, std::string_view problem) {
    counters.decode_errors.add(1, kind);
    log.error("an object cannot be read and is skipped",
              {{"kind", kind}, {"object", object}, {"error", problem}});
  };
  out.state = [this](const kube::resource_ref& resource, kube::reflector_status status,
                     std::string_view reason) {
    auto kind = resource.kind + '.' + resource.group;
    counters.watch_state.set(status == kube::reflector_status::watching ? 1 : 0, kind);
    if (status == kube::reflector_status::failing || status == kube::reflector_status::forbidden) {
      counters.watch_restarts.add(1, kind, kube::to_string(status));
      log.error("a watch does not work and is tried again",
                {{"kind", kind}, {"state", kube::to_string(status)}, {"error", reason}});
    } else {
      log.debug("watch", {{"kind", kind}, {"state", kube::to_string(status)}, {"reason", reason}});
    }
    if (resource.kind == "Trace" && !resource.version.empty())
      writer.use_trace_resource(resource);
  };
  out.synced = [this](const std::string& without) {
    if (durable) {
      durable->when_written([this, without] { loop.post([this, without] { become_ready(without); }); });
      loop.after(longest_first_write, [this, without] { become_ready(without); });
    } else {
      become_ready(without);
    }
    // A watch that goes on tells what was missed in its own time.
    if (!goes_on)
      all_listed();
    else
      loop.after(catching_up, [this] { all_listed(); });
  };
  out.traces_known = [this] {
    if (restored.last_observation != 0 && !std::exchange(playing_in, true))
      play_in(0);
  };
  if (durable)
    out.position = [this](const std::string& kind, const std::string& version) {
      durable->note_position(kind, version);
    };
  out.counted = [this](std::string_view kind, std::string_view source) {
    counters.observations.add(1, kind, source);
  };
  return std::make_unique<cluster_feed>(std::move(out), options.pool.batch_size,
                                        kube::watched_kinds().size());
}

/// `by_another`: another process has followed it until now, or does.
void controller_process::impl::follow(trace_resource spec, std::string_view json, bool by_another) {
  patches.seen(json, by_another);
  auto catches_up = (leader || duties) && (caught_up.insert(spec.uid).second || by_another);
  registry->reference(spec.uid, spec.refused.empty() ? spec.namespace_name + '/' + spec.provider_name : "");
  if (durable)
    durable->trace_seen(spec);
  caf::anon_send(root, apply_atom_v, trace_resource_ptr{std::make_shared<trace_resource>(std::move(spec))});
  if (catches_up)
    tell_delivered(json);
}

/// With a data directory whoever is ready can be killed: the next process goes on from where the lists were,
/// and is told what happened since. Before, it would list anew and see the last state of each object alone.
void controller_process::impl::become_ready(const std::string& without) {
  if (is_ready.exchange(true))
    return;
  if (without.empty())
    log.info("the first lists are complete");
  else
    log.error("going on without kinds that cannot be listed", {{"kinds", without}});
  // Not before: whoever gives something up for this process would wait for its lists.
  if (sharing)
    sharing->start();
}

void controller_process::impl::all_listed() {
  if (durable)
    durable->traces_listed();
  caf::anon_send(root, synced_atom_v);
}

void controller_process::impl::start_watching() {
  std::random_device seed;
  for (const auto& kind : kube::watched_kinds()) {
    kube::reflector_options reflect;
    reflect.namespace_name = options.watch_namespace;
    if (kind.kind == "Trace")
      reflect.label_selector = options.watch_label_selector;
    reflect.seed = seed();
    if (auto known = restored.watches.find(
            kube::resource_ref{std::string{kind.group}, "", std::string{kind.kind}, ""}.to_string());
        known != restored.watches.end())
      reflect.memory = known->second;
    auto& to = kind.kind == "Trace" || kind.kind == "Provider" ? first_reflectors : reflectors;
    to.push_back(std::make_unique<kube::reflector>(
        kube::reflector_context{target, versions, *feed, wall_clock,
                                [this] { return waiting->size() < most_waiting(); }, &order},
        kind, std::move(reflect)));
  }
  restored.watches.clear();
  for (auto& one : first_reflectors)
    one->start();
  if (restored.last_observation == 0)
    start_others();
  arm_tick();
  arm_flush();
  arm_patience(patience);
}

void controller_process::impl::start_others(bool trusting) {
  for (auto& one : reflectors)
    one->start(trusting);
}

void controller_process::impl::arm_tick() {
  loop.after(tick, [this] {
    arm_tick(); // first: whatever goes wrong below, time goes on
    load.look(waiting->size(), most_waiting(), wall_clock());
    caf::anon_send(root, tick_atom_v, wall_clock());
    registry->tick();
  });
}

std::size_t controller_process::impl::most_waiting() const {
  return std::min(options.pool.max_observations_waiting, memory.unread);
}

void controller_process::impl::tell_overload(trace::shed_level level) {
  counters.overload_level.set(static_cast<double>(level));
  if (level == trace::shed_level::nothing)
    log.info("overload has ended: all observations are taken in again");
  else
    log.error("overload: more comes than can be worked off; observations are left out",
              {{"upTo", std::string{trace::text_of(level)}}, {"waiting", std::to_string(waiting->size())}});
}

void controller_process::impl::take_events() {
  auto batch = intake ? intake->take() : nullptr;
  if (!batch)
    return;
  for (const auto& fact : *batch)
    counters.observations.add(1, fact->object.kind, "post");
  caf::anon_send(root, observe_atom_v, ledger->counted(std::move(batch)), wall_clock());
}

void controller_process::impl::start_tee() {
  event_tee::settings with;
  with.url = options.forward_events_to;
  with.send = [this](http_request request) { loop.submit(std::move(request)); };
  with.later = [this](duration wait, std::function<void()> then) { loop.after(wait, std::move(then)); };
  with.clock = wall_clock;
  with.random = random;
  with.counted = [this](const std::string& outcome) {
    counters.events_forwarded.add(1, outcome);
    if (outcome == "gave_up" || outcome == "overflow" || outcome == "refused")
      log.error("an HTTP event was not forwarded", {{"outcome", outcome}});
  };
  with.told = [this](observation_ptr fact) {
    auto batch = std::make_shared<observation_batch>();
    batch->push_back(std::move(fact));
    if (durable)
      durable->add(*batch);
    caf::anon_send(root, observe_atom_v, observation_batch_ptr{std::move(batch)}, wall_clock());
  };
  tee = std::make_unique<event_tee>(std::move(with));
}

tl::expected<void, std::string> controller_process::impl::start_intake() {
  event_intake::settings take;
  take.hmac_key_file = options.events_hmac_key_file;
  take.token_file = options.events_token_file;
  take.clock = wall_clock;
  take.answered = [this](int status, const std::string& reason) {
    counters.events_received.add(1, std::to_string(status), reason);
  };
  if (!options.forward_events_to.empty())
    start_tee();
  if (durable || tee)
    take.accepted = [this](const server_request& request, const observation_ptr& fact) {
      if (durable && fact)
        durable->add({fact});
      if (!tee)
        return;
      if (!request.header(forwarded_header).empty()) {
        counters.events_forwarded.add(1, "loop");
        return;
      }
      auto event = std::make_shared<forwarded_event>();
      for (const auto& [name, value] : request.headers)
        if (name == "content-type" || name == "x-signature" || name == "gotk-component" ||
            (name == "authorization" && options.events_token_file.empty()))
          event->headers.push_back(std::string{name}.append(": ").append(value));
      event->headers.push_back(std::string{forwarded_header}.append(": 1"));
      event->body = request.body;
      event->fact = fact;
      loop.post([this, event] { tee->forward(std::move(*event)); });
    };
  take.broken = [this](const std::string& problem) {
    counters.decode_errors.add(1, "HTTP event");
    log.error("an HTTP event cannot be read and is refused", {{"error", problem}});
  };
  intake = std::make_unique<event_intake>(std::move(take));
  http_server::settings with;
  with.address = *options.events_address;
  with.report = [this](const std::string& problem) { log.error("a request failed", {{"error", problem}}); };
  if (auto secured = secure_intake(with); !secured)
    return secured;
  with.limits.body_bytes = event_intake::largest_body;
  with.limits.connections = 64; // each may hold a whole body; Flux has a connection for each controller
  with.limits.header_bytes = event_intake::largest_header;
  with.routes.push_back({"", "", [this](const server_request& request) {
                           if (!stands_by())
                             return intake->answer(request);
                           // Told here, nobody who exports would know of it; the sender tries again.
                           counters.events_received.add(1, "503", "standby");
                           return answer(503, "this replica stands by; the leader takes events\n");
                         }});
  auto server = http_server::start(std::move(with));
  if (!server)
    return tl::unexpected("--events-addr: " + server.error());
  events_server = std::move(*server);
  log.info("serving", {{"flag", "--events-addr"}, {"port", events_server->port()}});
  return {};
}

tl::expected<void, std::string> controller_process::impl::secure_intake(http_server::settings& with) {
  if (options.events_tls_cert_file.empty())
    return {};
  auto tls = server_tls::load({{"--events-tls-cert-file", options.events_tls_cert_file},
                               {"--events-tls-key-file", options.events_tls_key_file},
                               {"--events-tls-client-ca-file", options.events_tls_client_ca_file}});
  if (!tls)
    return tl::unexpected(tls.error());
  with.tls = std::move(*tls);
  with.renewed = [this](const std::string& problem) {
    counters.events_tls.add(1, problem.empty() ? "renewed" : "renewal_failed");
    if (problem.empty())
      log.info("the certificate for events was renewed", {{"file", options.events_tls_cert_file}});
    else
      log.error("the certificate for events cannot be renewed; the former one stays", {{"error", problem}});
  };
  with.handshake_failed = [this](const std::string& problem) {
    counters.events_tls.add(1, "handshake_failed");
    log.debug("a client of --events-addr did not agree on TLS", {{"error", problem}});
  };
  return {};
}

void controller_process::impl::arm_flush() {
  loop.after(batch_wait, [this] {
    arm_flush();
    feed->flush();
    take_events();
    if (auto now = wall_clock(); wakes->take(now))
      caf::anon_send(root, tick_atom_v, now);
  });
}

tl::expected<void, std::string> controller_process::impl::start_servers() {
  auto report = [this](const std::string& problem) { log.error("a request failed", {{"error", problem}}); };
  if (options.health_address) {
    http_server::settings with;
    with.address = *options.health_address;
    with.report = report;
    with.routes.push_back({"GET", "/healthz", [this](const server_request&) {
                             auto problem = life.problem(std::chrono::steady_clock::now());
                             return problem.empty() ? answer(200, "ok\n") : answer(500, problem + '\n');
                           }});
    with.routes.push_back({"GET", "/readyz", [this](const server_request&) {
                             // As Flux's: a standby is ready, unless it is the leader alone that serves.
                             if (is_ready && options.events_address && stands_by())
                               return answer(503, "stands by: HTTP events are for the leader\n");
                             if (is_ready)
                               return answer(200, "ok\n");
                             if (feed->is_synced())
                               return answer(503, "the first lists are being written to --data-dir\n");
                             return answer(503,
                                           "the first lists are not complete: " + feed->waiting_for() + '\n');
                           }});
    auto server = http_server::start(std::move(with));
    if (!server)
      return tl::unexpected("--health-addr: " + server.error());
    health_server = std::move(*server);
    log.info("serving", {{"flag", "--health-addr"}, {"port", health_server->port()}});
  }
  if (options.events_address)
    if (auto started = start_intake(); !started)
      return started;
  if (options.metrics_address) {
    http_server::settings with;
    with.address = *options.metrics_address;
    with.report = report;
    with.routes.push_back({"GET", "/metrics", [this](const server_request&) {
                             auto out = answer(200, counters.to_text());
                             out.content_type = metrics_content_type;
                             return out;
                           }});
    with.routes.push_back({"GET", "/debug/books", [this](const server_request&) {
                             controller_books_ptr latest;
                             std::optional<store::journal_books> stored;
                             {
                               std::lock_guard guard{mutex};
                               latest = books;
                               stored = store_books;
                             }
                             auto out =
                                 answer(200, books_json(latest ? *latest : controller_books{}, stored));
                             out.content_type = "application/json";
                             return out;
                           }});
    auto server = http_server::start(std::move(with));
    if (!server)
      return tl::unexpected("--metrics-addr: " + server.error());
    metrics_server = std::move(*server);
    log.info("serving", {{"flag", "--metrics-addr"}, {"port", metrics_server->port()}});
  }
  return {};
}

controller_process::controller_process(std::unique_ptr<impl> made) : impl_(std::move(made)) {
  // nop
}

controller_process::~controller_process() = default;

void controller_process::request_stop(int signal) {
  impl_->log.info("stopping", {{"signal", signal}});
  std::lock_guard guard{impl_->mutex};
  impl_->stop_requested = true;
  impl_->changed.notify_all();
}

void controller_process::wait_for_stop() {
  std::unique_lock guard{impl_->mutex};
  impl_->changed.wait(guard, [this] { return impl_->stop_requested; });
}

bool controller_process::has_failed() const {
  return impl_->life.has_failed() || (impl_->leader && impl_->leader->is_lost());
}

bool controller_process::drain() {
  auto& own = *impl_;
  own.stop_watching();
  if (own.events_server)
    own.events_server->stop(); // a sender tries again, and finds the next process
  own.loop.post([&own] {
    own.feed->flush();
    own.take_events();
    caf::anon_send(own.root, drain_atom_v);
  });
  // Who stands by has nothing of its own to finish, and who lost the lease must not.
  auto finishes = !own.leader || own.leader->has_begun();
  auto hands_over = own.sharing && own.options.election.release_on_cancel;
  auto deadline = std::chrono::steady_clock::now() + own.options.shutdown_timeout;
  if (hands_over) {
    own.retire();
    deadline += giving_back; // what could not be delivered in time is dropped first
  }
  std::unique_lock guard{own.mutex};
  // Two more publications, so that what was under way when watching ended is in the books.
  auto enough = own.books_seen + 2;
  own.changed.wait_until(guard, deadline, [&] {
    // What has no usable Provider will get none while the process ends.
    if (own.life.has_failed() || !finishes || !own.leads())
      return true;
    if (hands_over)
      return own.retired && own.books_seen >= own.books_at_retiring + 2 &&
             (!own.tee || own.tee->waiting() == 0);
    return own.books_seen >= enough && own.books &&
           sum_of(*own.books, &trace_books::traces_waiting) ==
               sum_of(*own.books, &trace_books::traces_stranded) &&
           own.books->statuses_unwritten == 0 && (!own.tee || own.tee->waiting() == 0);
  });
  auto latest = own.books;
  guard.unlock();
  auto left = latest && finishes ? sum_of(*latest, &trace_books::traces_waiting) : 0;
  auto open = latest ? sum_of(*latest, &trace_books::changes_pending) : 0;
  std::uint64_t spans = 0;
  if (latest)
    for (const auto& [name, exporter] : latest->exporters)
      spans += exporter.spans_pending;
  auto events_left = own.tee ? own.tee->waiting() : 0;
  if (events_left > 0)
    own.counters.events_forwarded.add(static_cast<double>(events_left), "lost_at_end");
  own.log.info("stopped", {{"eventsNotForwarded", events_left},
                           {"tracesLeft", left},
                           {"spansQueued", spans},
                           {"changesOpen", open > left ? open - left : 0}});
  auto safe = own.durable && own.durable->finish();
  own.give_lease_back();
  return left == 0 || safe;
}

} // namespace tc::runtime
