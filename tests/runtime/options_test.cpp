#include "runtime/options.hpp"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <sstream>

using namespace tc;
using namespace tc::runtime;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

namespace {

/// A world of a few files and variables.
struct fake_world {
  std::map<std::string, std::string> variables;
  std::map<std::string, std::string> files;

  surroundings view() const {
    surroundings out;
    out.environment = [this](std::string_view name) -> std::optional<std::string> {
      auto found = variables.find(std::string{name});
      return found == variables.end() ? std::nullopt : std::optional{found->second};
    };
    out.unreadable = [this](const std::string& path) -> std::optional<std::string> {
      return files.count(path) > 0 ? std::nullopt : std::optional<std::string>{"No such file or directory"};
    };
    out.read_file = [this](const std::string& path) -> tl::expected<std::string, std::string> {
      auto found = files.find(path);
      if (found == files.end())
        return tl::unexpected<std::string>("No such file or directory");
      return found->second;
    };
    return out;
  }
};

tl::expected<command, parse_failure> parse_words(std::vector<std::string> words, const fake_world& world,
                                                 offered_commands offered = {}) {
  std::vector<const char*> argv{"trace-controller"};
  for (const auto& word : words)
    argv.push_back(word.c_str());
  return parse(static_cast<int>(argv.size()), argv.data(), world.view(), offered);
}

template <class Options>
Options parsed(std::vector<std::string> words, const fake_world& world = {}, offered_commands offered = {}) {
  auto result = parse_words(std::move(words), world, offered);
  if (!result) {
    ADD_FAILURE() << result.error().message;
    return {};
  }
  auto* found = std::get_if<Options>(&*result);
  if (found == nullptr) {
    ADD_FAILURE() << "another command";
    return {};
  }
  return *found;
}

std::string failure(std::vector<std::string> words, const fake_world& world = {},
                    offered_commands offered = {}) {
  auto result = parse_words(std::move(words), world, offered);
  if (result) {
    ADD_FAILURE() << "was accepted";
    return {};
  }
  EXPECT_EQ(result.error().exit_code, 2);
  EXPECT_EQ(result.error().message.find('\n'), std::string::npos) << result.error().message;
  return result.error().message;
}

} // namespace

TEST(options, defaults_of_run_are_those_of_flux) {
  auto options = parsed<run_options>({"run"});
  EXPECT_EQ(options.metrics_address, (listen_address{"", 8080}));
  EXPECT_EQ(options.health_address, (listen_address{"", 9440}));
  EXPECT_EQ(options.logging.level, log_level::info);
  EXPECT_EQ(options.logging.encoding, log_encoding::json);
  EXPECT_EQ(options.watch_namespace, "");
  EXPECT_EQ(options.backfill, 5min);
  EXPECT_FALSE(options.no_cross_namespace_refs);
}

TEST(options, every_flag_of_run_reaches_its_value) {
  fake_world world;
  world.files["kube.yaml"] = "";
  auto options = parsed<run_options>({"run",
                                      "--kubeconfig",
                                      "kube.yaml",
                                      "--context=kind",
                                      "--cluster-name=prod",
                                      "--namespace",
                                      "apps",
                                      "--watch-label-selector=app in (a,b),!old",
                                      "--shard=2/4",
                                      "--shard-warm-up=90s",
                                      "--no-cross-namespace-refs",
                                      "--backfill",
                                      "1h30m",
                                      "--metrics-addr",
                                      "127.0.0.1:0",
                                      "--health-addr=",
                                      "--log-level=debug",
                                      "--log-encoding",
                                      "console",
                                      "--shutdown-timeout=3s",
                                      "--scheduler-threads=3",
                                      "--scheduler-policy=stealing",
                                      "--scheduler-throughput=50",
                                      "--batch-size=10",
                                      "--max-observations-waiting=12",
                                      "--max-live-changes=11",
                                      "--exporter-workers=2",
                                      "--exporter-queue-spans=1000",
                                      "--exporter-queue-bytes=8Mi",
                                      "--export-batch-bytes=1M"},
                                     world);
  EXPECT_EQ(options.cluster.kubeconfig, "kube.yaml");
  EXPECT_EQ(options.cluster.context, "kind");
  EXPECT_EQ(options.cluster_name, "prod");
  EXPECT_EQ(options.watch_namespace, "apps");
  EXPECT_EQ(options.watch_label_selector, "app in (a,b),!old");
  EXPECT_EQ(options.shard, (shard{2, 4}));
  EXPECT_EQ(options.shard_warm_up, 90s);
  EXPECT_TRUE(options.no_cross_namespace_refs);
  EXPECT_EQ(options.backfill, 90min);
  EXPECT_EQ(options.metrics_address, (listen_address{"127.0.0.1", 0}));
  EXPECT_EQ(options.health_address, std::nullopt);
  EXPECT_EQ(options.logging.level, log_level::debug);
  EXPECT_EQ(options.logging.encoding, log_encoding::console);
  EXPECT_EQ(options.shutdown_timeout, 3s);
  EXPECT_EQ(options.pool.scheduler_threads, 3u);
  EXPECT_EQ(options.pool.policy, scheduler_policy::stealing);
  EXPECT_EQ(options.pool.scheduler_throughput, 50u);
  EXPECT_EQ(options.pool.batch_size, 10u);
  EXPECT_EQ(options.pool.max_observations_waiting, 12u);
  EXPECT_EQ(options.pool.max_live_changes, 11u);
  EXPECT_EQ(options.pool.exporter_workers, 2u);
  EXPECT_EQ(options.pool.exporter_queue_spans, 1000u);
  EXPECT_EQ(options.pool.exporter_queue_bytes, 8u << 20);
  EXPECT_EQ(options.pool.export_batch_bytes, 1'000'000u);
}

TEST(options, leader_election_is_that_of_flux_controllers) {
  auto usual = parsed<run_options>({"run"}).election;
  EXPECT_FALSE(usual.enable);
  EXPECT_TRUE(usual.release_on_cancel);
  EXPECT_EQ(usual.lease_duration, 35s);
  EXPECT_EQ(usual.renew_deadline, 30s);
  EXPECT_EQ(usual.retry_period, 5s);
  auto chosen =
      parsed<run_options>({"run", "--enable-leader-election", "--leader-election-release-on-cancel=false",
                           "--leader-election-lease-duration=6s", "--leader-election-renew-deadline", "4s",
                           "--leader-election-retry-period=1s"})
          .election;
  EXPECT_TRUE(chosen.enable);
  EXPECT_FALSE(chosen.release_on_cancel);
  EXPECT_EQ(chosen.lease_duration, 6s);
  EXPECT_EQ(chosen.renew_deadline, 4s);
  EXPECT_EQ(chosen.retry_period, 1s);
  // Without the switch nothing is asked of the durations.
  parsed<run_options>({"run", "--leader-election-lease-duration=1s"});
}

TEST(options, a_flag_given_again_overrides_as_in_a_patched_deployment) {
  EXPECT_EQ(parsed<run_options>({"run", "--log-level=info", "--log-level=trace"}).logging.level,
            log_level::trace);
}

TEST(options, concurrent_is_another_name_of_exporter_workers) {
  EXPECT_EQ(parsed<run_options>({"run", "--concurrent=9"}).pool.exporter_workers, 9u);
}

TEST(options, dead_letters_lie_below_the_data_directory_unless_said_otherwise) {
  EXPECT_EQ(parsed<run_options>({"run"}).dead_letter_dir, "");
  EXPECT_EQ(parsed<run_options>({"run", "--data-dir=/data/"}).dead_letter_dir, "/data/dead-letters");
  EXPECT_EQ(parsed<run_options>({"run", "--data-dir=/data", "--dead-letter-dir=/dead"}).dead_letter_dir,
            "/dead");
  EXPECT_EQ(parsed<run_options>({"run", "--data-dir=/data", "--dead-letter-dir=0"}).dead_letter_dir, "");
}

TEST(options, the_memory_limit_is_a_quantity_or_follows_the_cgroup) {
  EXPECT_EQ(parsed<run_options>({"run"}).memory_limit, 0U);
  EXPECT_EQ(parsed<run_options>({"run", "--memory-limit=auto"}).memory_limit, std::nullopt);
  EXPECT_EQ(parsed<run_options>({"run", "--memory-limit=0"}).memory_limit, 0U);
  EXPECT_EQ(parsed<run_options>({"run", "--memory-limit=128Mi"}).memory_limit, 128U << 20);
  EXPECT_EQ(parsed<run_options>({"run", "--memory-limit=1.5Gi"}).memory_limit, 3U << 29);
  EXPECT_EQ(parsed<run_options>({"run", "--memory-limit=256e6"}).memory_limit, 256'000'000U);
  EXPECT_EQ(parsed<run_options>({"run", "--memory-limit=500M"}).memory_limit, 500'000'000U);
}

TEST(options, namespaces) {
  EXPECT_EQ(parsed<run_options>({"run", "-n", "a"}).watch_namespace, "a");
  EXPECT_EQ(parsed<run_options>({"run", "-n=a"}).watch_namespace, "a");
  EXPECT_EQ(parsed<run_options>({"run", "--watch-all-namespaces"}).watch_namespace, "");
  fake_world world;
  world.variables["RUNTIME_NAMESPACE"] = "flux-system";
  EXPECT_EQ(parsed<run_options>({"run"}, world).watch_namespace, "");
  EXPECT_EQ(parsed<run_options>({"run", "--watch-all-namespaces=false"}, world).watch_namespace,
            "flux-system");
  EXPECT_EQ(parsed<run_options>({"run", "--watch-all-namespaces=false", "-n", "a"}, world).watch_namespace,
            "a");
}

TEST(options, kubeconfig_comes_from_the_flag_then_the_environment) {
  fake_world world;
  world.variables["KUBECONFIG"] = "/a:/b";
  world.files["/c"] = "";
  EXPECT_EQ(parsed<run_options>({"run"}, world).cluster.kubeconfig, "/a:/b");
  EXPECT_EQ(parsed<record_options>({"record", "--output", "x", "--kubeconfig=/c"}, world).cluster.kubeconfig,
            "/c");
}

TEST(options, flags_win_over_the_file_and_the_file_over_defaults) {
  fake_world world;
  world.files["c.yaml"] =
      "# comment\nlog-level: debug\nhealth-addr: \":1\"\nbackfill: 0\nexporter-workers: 7\n"
      "no-cross-namespace-refs: true\nmetrics-addr: \"\"\n";
  auto options =
      parsed<run_options>({"run", "--config=c.yaml", "--log-level", "error", "--concurrent=3"}, world);
  EXPECT_EQ(options.logging.level, log_level::error);
  EXPECT_EQ(options.health_address, (listen_address{"", 1}));
  EXPECT_EQ(options.backfill, 0s);
  EXPECT_EQ(options.pool.exporter_workers, 3u);
  EXPECT_TRUE(options.no_cross_namespace_refs);
  EXPECT_EQ(options.metrics_address, std::nullopt);
  EXPECT_EQ(options.logging.encoding, log_encoding::json);
}

TEST(options, a_flag_that_says_the_default_still_wins_over_the_file) {
  fake_world world;
  world.files["c.yaml"] = "log-level: debug\nno-cross-namespace-refs: true\n";
  auto options = parsed<run_options>(
      {"run", "--config=c.yaml", "--log-level=info", "--no-cross-namespace-refs=false"}, world);
  EXPECT_EQ(options.logging.level, log_level::info);
  EXPECT_FALSE(options.no_cross_namespace_refs);
}

TEST(options, an_empty_file_changes_nothing) {
  fake_world world;
  for (auto* text : {"", "# only a comment\n", "---\n"}) {
    world.files["c.yaml"] = text;
    EXPECT_EQ(parsed<run_options>({"run", "--config=c.yaml"}, world).pool.batch_size,
              pool_options{}.batch_size);
  }
}

TEST(options, errors_in_the_file_name_file_line_key_and_remedy) {
  struct row {
    const char* text;
    const char* expected;
  };
  for (const auto& [text, expected] : {
           row{"log-level: info\nmetrics-adr: :80\n",
               R"(--config c.yaml:2: unknown key "metrics-adr"; did you mean metrics-addr?)"},
           row{"nothing-like-it: 1\n", R"(--config c.yaml:1: unknown key "nothing-like-it")"},
           row{"config: other.yaml\n", R"(--config c.yaml:1: unknown key "config")"},
           row{"\nbackfill: soon\n",
               R"(--config c.yaml:2: backfill "soon" is not a duration; write it like)"},
           row{"batch-size:\n", R"(--config c.yaml:1: "batch-size" has no value)"},
           row{"batch-size: [1, 2]\n", R"(--config c.yaml:1: "batch-size" holds a list or a map)"},
           row{"batch-size: 1\nbatch-size: 2\n", R"(--config c.yaml:2: "batch-size" is given twice)"},
           row{"- batch-size\n", "--config c.yaml:1: is no map"},
           row{"a: b: c\n", "--config c.yaml:1: is not YAML"},
           row{"a: 1\n---\nb: 1\n", "holds 2 YAML documents"},
       }) {
    fake_world world;
    world.files["c.yaml"] = text;
    EXPECT_THAT(failure({"run", "--config=c.yaml"}, world), HasSubstr(expected));
  }
  EXPECT_THAT(failure({"run", "--config=none.yaml"}),
              HasSubstr(R"(--config "none.yaml" cannot be read: No such file)"));
}

TEST(options, a_wrong_line_gets_one_clear_line) {
  struct row {
    std::vector<std::string> words;
    const char* expected;
  };
  fake_world world;
  world.files["s"] = "";
  const row rows[] = {
      {{}, "no command given"},
      {{"rnu"}, R"(unknown command "rnu"; did you mean run?)"},
      {{"explain"}, R"(unknown command "explain")"},
      {{"--log-level=info"}, R"(unknown flag "--log-level"; flags follow a command)"},
      {{"run", "--metrics-adr=:1"}, R"(run: unknown flag "--metrics-adr"; did you mean --metrics-addr?)"},
      {{"run", "--metrics-address", ":1"}, "did you mean --metrics-addr?"},
      {{"run", "--kubeconfg", "x"}, "did you mean --kubeconfig?"},
      {{"run", "--stream", "x"}, R"(unknown flag "--stream")"},
      {{"run", "-x"}, R"(unknown flag "-x")"},
      {{"run", "--enable-leader-elections"},
       R"(unknown flag "--enable-leader-elections"; did you mean --enable-leader-election?)"},
      {{"run", "--enable-leader-election", "--leader-election-renew-deadline=35s"},
       "--leader-election-renew-deadline is not below --leader-election-lease-duration"},
      {{"run", "--enable-leader-election", "--leader-election-retry-period=25s"},
       "must be more than 1.2 times --leader-election-retry-period"},
      {{"run", "--enable-leader-election", "--leader-election-retry-period=0s"},
       "--leader-election-retry-period is zero"},
      {{"run", "--enable-leader-election", "--leader-election-lease-duration=900ms",
        "--leader-election-renew-deadline=500ms", "--leader-election-retry-period=100ms"},
       "--leader-election-lease-duration is below a second"},
      {{"run", "now"}, R"(unexpected argument "now")"},
      {{"run", "--log-level"}, "--log-level needs a value"},
      {{"run", "--log-level=loud"}, R"(--log-level "loud" is not known; use trace, debug, info or error)"},
      {{"run", "--log-level="}, R"(--log-level "" is not known)"},
      {{"run", "--metrics-addr=8080"}, R"(--metrics-addr "8080" has no port; write :PORT or HOST:PORT)"},
      {{"run", "--metrics-addr=:99999"}, R"(--metrics-addr ":99999" has no port after the last colon)"},
      {{"run", "--metrics-addr=http://x:1"}, "is not an address"},
      {{"run", "--backfill=5"}, R"(--backfill "5" is not a duration; write it like 30s)"},
      {{"run", "--backfill=-5m"}, "is not a duration"},
      {{"run", "--batch-size=0"}, R"(--batch-size "0" is not a whole number from 1 to 1000000)"},
      {{"run", "--batch-size=1e3"}, "is not a whole number"},
      {{"run", "--exporter-queue-bytes=64MB"}, R"(--exporter-queue-bytes "64MB" is not a size)"},
      {{"run", "--exporter-queue-bytes=1k"}, "is too small; the least is 1Ki"},
      {{"run", "--exporter-queue-bytes=99999999999Gi"}, "is not a size"},
      {{"run", "--memory-limit=much"}, R"(--memory-limit "much" is not a size; write bytes, a number with)"},
      {{"run", "--memory-limit=-128Mi"}, "is not a size"},
      {{"run", "--memory-limit=128m"}, "is not a size"},
      {{"run", "--memory-limit=1e30"}, "is not a size"},
      {{"run", "--memory-limit="}, "is not a size"},
      {{"run", "--memory-limit=1.2.3Mi"}, "is not a size"},
      {{"run", "--memory-limit=1Mi"},
       R"(--memory-limit "1Mi" is too small, it could not be held; the least is 128Mi, and 0 is no limit)"},
      {{"run", "--memory-limit=127Mi"}, R"("127Mi" is too small, it could not be held; the least is 128Mi)"},
      {{"run", "--exporter-probe-interval=100ms"}, "--exporter-probe-interval is below a second"},
      {{"run", "--exporter-queue-bytes=1Mi"}, "--export-batch-bytes is more than --exporter-queue-bytes"},
      {{"run", "--no-cross-namespace-refs=maybe"},
       R"(--no-cross-namespace-refs "maybe" is neither true nor false)"},
      {{"run", "--shard=4/4"}, R"(--shard "4/4" is no shard; write INDEX/COUNT, as in 0/4 to 3/4)"},
      {{"run", "--shard=auto"},
       R"(--shard "auto" is no shard; write INDEX/COUNT, as in 0/4 to 3/4, or auto/COUNT)"},
      {{"run", "--shard=auto/0"}, R"(--shard "auto/0" is no shard)"},
      {{"run", "--shard=auto/4", "--enable-leader-election"},
       "--shard auto/4 elects the owner of each shard by Leases of its own; leave --enable-leader-election "
       "out"},
      {{"run", "--shard=auto/4", "--data-dir=/data"}, "--shard auto/4 and --data-dir do not go together"},
      {{"run", "--shard=auto/4", "--leader-election-renew-deadline=35s"},
       "--leader-election-renew-deadline is not below --leader-election-lease-duration"},
      {{"run", "--watch-label-selector=a b"}, R"(--watch-label-selector "a b" is no requirement)"},
      {{"run", "--watch-label-selector=x,a b"}, R"("x,a b" "a b" in it is no requirement)"},
      {{"run", "--events-addr=:1", "--events-tls-cert-file=/none"},
       R"(--events-tls-cert-file "/none" cannot be read: No such file)"},
      {{"run", "--events-addr=:1", "--events-tls-cert-file=s"}, "belong together; give both, or neither"},
      {{"run", "--events-addr=:1", "--events-tls-client-ca-file=s"},
       "is of no use without --events-tls-cert-file"},
      {{"run", "--events-tls-cert-file=s", "--events-tls-key-file=s"},
       "--events-tls-cert-file is of no use without --events-addr"},
      {{"run", "--events-addr=:1", "--forward-events-to=http://"}, "is no HTTP URL; write http://HOST/"},
      {{"run", "--forward-events-to=http://n/"}, "is of no use without --events-addr"},
      {{"run", "-n", "Bad_NS!"}, R"(--namespace "Bad_NS!" is no name of a namespace)"},
      {{"record", "--output=r", "-n", "-a"}, R"(--namespace "-a" is no name of a namespace)"},
      {{"run", "--watch-all-namespaces", "-n", "a"}, "contradicts --watch-all-namespaces"},
      {{"run", "--watch-all-namespaces=false"},
       "needs a namespace; give --namespace or set $RUNTIME_NAMESPACE"},
      {{"run", "--kubeconfig=/none"}, R"(--kubeconfig "/none" cannot be read: No such file or directory)"},
      {{"run", "--log-level=a\nb\x1b[31m"}, R"(--log-level "a?b?[31m" is not known)"},
      {{"replay"}, "replay: --stream is missing; give the recording"},
      {{"replay", "--stream"}, "--stream needs a value"},
      {{"replay", "--stream=none"}, R"(--stream "none" cannot be read: No such file)"},
      {{"replay", "--stream=s", "--posts=none"}, R"(--posts "none" cannot be read)"},
      {{"replay", "--stream=s", "--manifests=s", "--manifests=none"}, R"(--manifests "none" cannot be read)"},
      {{"replay", "--stream=s", "--shuffle=x"}, R"(--shuffle "x" is not a whole number)"},
      {{"replay", "--stream=s", "--width=5"}, R"(--width "5" is too narrow)"},
      {{"replay", "--stream=s", "--color=yes"}, "use auto, always or never"},
      {{"replay", "--stream=s", "--output=ftp://u:secret@x"}, R"("ftp://***@x" is no OTLP URL)"},
      {{"replay", "--stream=s", "--waterfall", "--no-waterfall"}, "contradicts"},
      {{"record"}, "--output is missing"},
      {{"version", "--log-level=info"}, "unknown flag"},
  };
  for (const auto& [words, expected] : rows)
    EXPECT_THAT(failure(words, world), HasSubstr(expected));
}

TEST(options, replay) {
  fake_world world;
  for (auto* name : {"s.gz", "p", "a.yaml", "b.yaml"})
    world.files[name] = "";
  auto options = parsed<replay_options>({"replay", "--stream", "s.gz", "--posts=p", "--manifests=a.yaml",
                                         "--manifests", "b.yaml", "--shuffle=0", "--output", "-",
                                         "--width=80", "--color=always", "--progress", "--cluster-name=c"},
                                        world);
  EXPECT_EQ(options.stream, "s.gz");
  EXPECT_EQ(options.posts, "p");
  EXPECT_THAT(options.manifests, ElementsAre("a.yaml", "b.yaml"));
  EXPECT_EQ(options.shuffle_seed, 0u);
  EXPECT_EQ(options.output, "-");
  EXPECT_EQ(options.width, 80u);
  EXPECT_EQ(options.color, color_mode::always);
  EXPECT_EQ(options.progress, true);
  EXPECT_EQ(options.cluster_name, "c");
  EXPECT_FALSE(options.waterfall) << "standard output belongs to the OTLP/JSON";
  EXPECT_EQ(options.logging.encoding, log_encoding::console);
}

TEST(options, replay_draws_unless_told_otherwise) {
  fake_world world;
  world.files["s"] = "";
  EXPECT_TRUE(parsed<replay_options>({"replay", "--stream=s"}, world).waterfall);
  EXPECT_TRUE(parsed<replay_options>({"replay", "--stream=s", "--output=-", "--waterfall"}, world).waterfall);
  EXPECT_FALSE(parsed<replay_options>({"replay", "--stream=s", "--no-waterfall"}, world).waterfall);
  EXPECT_FALSE(parsed<replay_options>({"replay", "--stream=s"}, world).shuffle_seed.has_value());
  EXPECT_EQ(parsed<replay_options>({"replay", "--stream=s", "--progress=false"}, world).progress, false);
  EXPECT_EQ(parsed<replay_options>({"replay", "--stream=s"}, world).progress, std::nullopt);
}

TEST(options, no_color_in_the_environment_turns_automatic_color_off) {
  fake_world world;
  world.files["s"] = "";
  world.variables["NO_COLOR"] = "1";
  EXPECT_EQ(parsed<replay_options>({"replay", "--stream=s"}, world).color, color_mode::never);
  EXPECT_EQ(parsed<replay_options>({"replay", "--stream=s", "--color=always"}, world).color,
            color_mode::always);
  world.variables["NO_COLOR"] = "";
  EXPECT_EQ(parsed<replay_options>({"replay", "--stream=s"}, world).color, color_mode::automatic);
}

TEST(options, explain_when_offered) {
  fake_world world;
  world.files["s"] = "";
  auto options =
      parsed<explain_options>({"explain", "--stream=s", "--object=HelmRelease/apps/podinfo"}, world, {true});
  EXPECT_EQ(options.object, (object_id{"", "HelmRelease", "apps", "podinfo"}));
  EXPECT_EQ(options.posts, "");
  world.files["p"] = "";
  EXPECT_EQ(
      parsed<explain_options>({"explain", "--stream=s", "--posts=p", "--object=A/b/c"}, world, {true}).posts,
      "p");
  EXPECT_THAT(failure({"explain", "--stream=s", "--posts=q", "--object=A/b/c"}, world, {true}),
              HasSubstr("--posts"));
  for (auto* wrong : {"a", "a/b", "a/b/c/d", "/b/c", "a/b/"})
    EXPECT_THAT(failure({"explain", "--stream=s", std::string{"--object="} + wrong}, world, {true}),
                HasSubstr("names no object; write KIND/NAMESPACE/NAME"));
  EXPECT_EQ(parsed<explain_options>({"explain", "--stream=s", "--object=Node//n"}, world, {true})
                .object.namespace_name,
            "");
}

TEST(options, help_and_version) {
  EXPECT_THAT(parsed<show_text>({"--help"}).text, HasSubstr("  replay    turn a recording into traces"));
  EXPECT_THAT(parsed<show_text>({"--help"}).text, Not(HasSubstr("explain")));
  EXPECT_THAT(parsed<show_text>({"version"}).text, testing::StartsWith("trace-controller "));
  EXPECT_EQ(parsed<show_text>({"version"}).text, parsed<show_text>({"--version"}).text);
  for (auto* name : {"run", "replay", "record"}) {
    auto help = parsed<show_text>({name, "--help"}).text;
    EXPECT_THAT(help, HasSubstr("Examples:\n"));
    for (const auto& flag : flag_names(name))
      EXPECT_THAT(help, HasSubstr("--" + flag));
    std::istringstream lines{help};
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(line.size(), 130u) << line;
  }
  auto help = parsed<show_text>({"run", "-h", "--nonsense"}).text;
  EXPECT_THAT(help, HasSubstr("(default :8080)"));
  EXPECT_THAT(help, HasSubstr("(default 5m)"));
}

TEST(options, effective_values_name_every_setting_and_no_secret) {
  fake_world world;
  world.files["s"] = "";
  auto values = effective_values(parsed<run_options>({"run", "--exporter-queue-bytes=8Mi"}, world));
  std::map<std::string, std::string> by_name(values.begin(), values.end());
  EXPECT_EQ(by_name["exporter-queue-bytes"], "8Mi");
  EXPECT_EQ(by_name["metrics-addr"], ":8080");
  EXPECT_EQ(by_name["watch-all-namespaces"], "true");
  EXPECT_EQ(by_name["backfill"], "5m");
  auto replay = effective_values(
      parsed<replay_options>({"replay", "--stream=s", "--output=https://u:secret@h/x"}, world));
  by_name = {replay.begin(), replay.end()};
  EXPECT_EQ(by_name["output"], "https://***@h/x");
  EXPECT_EQ(by_name["waterfall"], "true");
}

TEST(options, the_manual_names_every_flag) {
  std::ifstream in{TC_SOURCE_DIR "/docs/options.md"};
  std::string manual{std::istreambuf_iterator<char>{in}, {}};
  for (auto* name : {"run", "replay", "record"})
    for (const auto& flag : flag_names(name))
      EXPECT_THAT(manual, HasSubstr("`--" + flag))
          << "docs/options.md does not explain --" << flag << " of " << name;
}

TEST(options, files_of_this_process) {
  auto outside = surroundings::of_process();
  EXPECT_EQ(outside.unreadable(TC_SOURCE_DIR "/runtime/options.hpp"), std::nullopt);
  EXPECT_THAT(*outside.unreadable("/nowhere/at/all"), HasSubstr("No such file"));
  EXPECT_TRUE(outside.unreadable(TC_SOURCE_DIR "/runtime").has_value()) << "a directory cannot be read";
  EXPECT_THAT(*outside.read_file(TC_SOURCE_DIR "/runtime/options.hpp"), HasSubstr("#pragma once"));
  EXPECT_FALSE(outside.environment("TC_NO_SUCH_VARIABLE").has_value());
}
