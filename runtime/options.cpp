#include "runtime/options.hpp"

#include "runtime/command_flags.hpp"
#include "runtime/options_file.hpp"
#include "version.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <unistd.h>

namespace tc::runtime {

namespace {

std::string version_text() {
  return std::string{"trace-controller "} + version + '\n';
}

// -- reading --------------------------------------------------------------------

tl::unexpected<parse_failure> fail(std::string_view command_name, const std::string& message) {
  auto place = command_name.empty() ? std::string{} : std::string{command_name} + ": ";
  return tl::unexpected(parse_failure{place + message});
}

/// Writes a value so that a message stays one line, whatever the value holds.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (auto c : text.substr(0, 200)) {
    if (c == '"' || c == '\\')
      out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return out + (text.size() > 200 ? "…\"" : "\"");
}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates,
                       std::string_view dashes) {
  auto nearest = nearest_name(word, candidates);
  return nearest.empty() ? std::string{} : "; did you mean " + std::string{dashes} + nearest + '?';
}

/// Splits "--name=" and "-n=value", which CLI11 reads otherwise than Go's pflag does.
std::vector<std::string> normalized(int argc, const char* const* argv) {
  std::vector<std::string> out;
  bool only_words = false;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    only_words = only_words || word == "--";
    if (!only_words && word.size() > 3 && word.starts_with("--") && word.find('=') == word.size() - 1) {
      out.push_back(word.substr(0, word.size() - 1));
      out.emplace_back();
    } else if (!only_words && word.size() > 2 && word[0] == '-' && word[1] != '-' && word[2] == '=') {
      out.push_back(word.substr(0, 2));
      out.push_back(word.substr(3));
    } else {
      out.push_back(std::move(word));
    }
  }
  return out;
}

/// One command as CLI11 and we see it.
struct registered_command {
  CLI::App* app = nullptr;
  flag_table flags;
  std::vector<CLI::Option*> options; ///< parallel to flags
};

registered_command add_command(CLI::App& app, const char* name, flag_table flags) {
  registered_command out{app.add_subcommand(name), std::move(flags), {}};
  for (const auto& entry : out.flags) {
    auto names = "--" + entry.name;
    if (!entry.other_name.empty())
      names += ",--" + entry.other_name;
    if (entry.letter != 0)
      names += std::string{",-"} + entry.letter;
    auto* option = entry.binding.is_switch ? out.app->add_flag(names) : out.app->add_option(names);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    out.options.push_back(option);
  }
  return out;
}

std::string bad_value(const flag& entry, std::string_view value, const std::string& problem) {
  return "--" + entry.name + ' ' + in_quotes(without_credentials(value)) + ' ' + problem;
}

/// Fills the values from the command line; of a flag given again the last counts, as with Flux's controllers.
std::optional<std::string> take_flags(const registered_command& from) {
  for (std::size_t i = 0; i < from.flags.size(); ++i) {
    const auto& entry = from.flags[i];
    auto given = from.options[i]->results();
    if (given.size() > 1 && !entry.binding.is_repeatable)
      given.erase(given.begin(), given.end() - 1);
    for (const auto& value : given)
      if (auto taken = entry.binding.set(value); !taken)
        return bad_value(entry, value, taken.error());
  }
  return std::nullopt;
}

/// Takes OpenTelemetry's variables that mean the same as a flag; flags and file win. A wrong value is
/// reported by whoever reads the other variables (export/environment.cpp).
void take_environment(const registered_command& to, const surroundings& outside) {
  for (const auto& [variable, name] : {std::pair{"OTEL_BSP_MAX_QUEUE_SIZE", "exporter-queue-spans"}})
    for (const auto& entry : to.flags)
      if (auto value = outside.environment(variable); value && entry.name == name)
        (void)entry.binding.set(*value);
}

/// Fills from the file what no flag gave.
std::optional<std::string> take_file(const registered_command& to, const std::string& path,
                                     const surroundings& outside) {
  auto text = outside.read_file(path);
  if (!text)
    return "--config " + in_quotes(path) + " cannot be read: " + text.error();
  auto settings = parse_options_file(*text);
  if (!settings)
    return "--config " + path + ':' + settings.error();
  for (const auto& setting : *settings) {
    auto place = "--config " + path + ':' + std::to_string(setting.line) + ": ";
    auto found = std::find_if(to.flags.begin(), to.flags.end(), [&](const auto& entry) {
      return entry.in_file &&
             (entry.name == setting.key || (!entry.other_name.empty() && entry.other_name == setting.key));
    });
    if (found == to.flags.end())
      return place + "unknown key " + in_quotes(setting.key) +
             suggestion(setting.key, names_in(to.flags), "");
    if (to.options[static_cast<std::size_t>(found - to.flags.begin())]->count() > 0)
      continue;
    if (auto taken = found->binding.set(setting.value); !taken)
      return place + setting.key + ' ' + in_quotes(without_credentials(setting.value)) + ' ' + taken.error();
  }
  return std::nullopt;
}

// -- what holds between values --------------------------------------------------

std::optional<std::string> unreadable_file(const char* name, const std::string& path,
                                           const surroundings& outside) {
  if (path.empty())
    return std::nullopt;
  if (auto problem = outside.unreadable(path))
    return std::string{"--"} + name + ' ' + in_quotes(path) + " cannot be read: " + *problem;
  return std::nullopt;
}

/// A namespace is a DNS label (RFC 1123); the API server answers anything else like a namespace that is
/// empty.
std::optional<std::string> wrong_namespace(const std::string& name) {
  auto inside = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (name.empty() || (name.size() <= 63 && std::all_of(name.begin(), name.end(), inside) &&
                       name.front() != '-' && name.back() != '-'))
    return std::nullopt;
  return "--namespace " + in_quotes(name) +
         " is no name of a namespace; use at most 63 lower-case letters, digits and inner hyphens";
}

std::optional<std::string> settle_cluster(cluster_options& cluster, const surroundings& outside) {
  if (auto problem = unreadable_file("kubeconfig", cluster.kubeconfig, outside))
    return problem;
  if (cluster.kubeconfig.empty())
    cluster.kubeconfig = outside.environment("KUBECONFIG").value_or("");
  return std::nullopt;
}

/// What client-go demands of the three durations, so that the old leader has stopped before another begins.
std::optional<std::string> wrong_election(const leader_election_options& options, const shard& part) {
  if (part.automatic && options.enable)
    return "--shard " + part.to_string() +
           " elects the owner of each shard by Leases of its own; leave --enable-leader-election out, or "
           "write --shard INDEX/COUNT";
  if (!options.enable && !part.automatic)
    return std::nullopt;
  if (options.renew_deadline >= options.lease_duration)
    return std::string{"--leader-election-renew-deadline is not below --leader-election-lease-duration: a "
                       "leader has to stop before another may begin; lower the first or raise the second"};
  if (options.retry_period <= duration::zero())
    return std::string{"--leader-election-retry-period is zero; give the time between two attempts"};
  // As client-go: a retry comes up to a fifth later.
  if (options.renew_deadline <= options.retry_period + options.retry_period / 5)
    return std::string{
        "--leader-election-renew-deadline leaves no time for a second attempt; it must be more "
        "than 1.2 times --leader-election-retry-period"};
  if (options.lease_duration < std::chrono::seconds{1})
    return std::string{"--leader-election-lease-duration is below a second; a Lease has whole seconds"};
  return std::nullopt;
}

std::optional<std::string> settle(run_options& options, const raw_values& raw, const surroundings& outside) {
  if (!options.watch_namespace.empty() && raw.watch_all_namespaces.value_or(false))
    return "--namespace " + in_quotes(options.watch_namespace) +
           " contradicts --watch-all-namespaces; give one of them";
  if (options.watch_namespace.empty() && !raw.watch_all_namespaces.value_or(true)) {
    options.watch_namespace = outside.environment("RUNTIME_NAMESPACE").value_or("");
    if (options.watch_namespace.empty())
      return std::string{
          "--watch-all-namespaces=false needs a namespace; give --namespace or set $RUNTIME_NAMESPACE"};
  }
  if (auto problem = wrong_namespace(options.watch_namespace))
    return problem;
  for (const auto& [name, file] :
       {std::pair{"events-hmac-key-file", &options.events_hmac_key_file},
        std::pair{"events-token-file", &options.events_token_file},
        std::pair{"events-tls-cert-file", &options.events_tls_cert_file},
        std::pair{"events-tls-key-file", &options.events_tls_key_file},
        std::pair{"events-tls-client-ca-file", &options.events_tls_client_ca_file}}) {
    if (auto problem = unreadable_file(name, *file, outside))
      return problem;
    if (!file->empty() && !options.events_address)
      return std::string{"--"} + name +
             " is of no use without --events-addr; give the address, or leave it out";
  }
  if (options.events_tls_cert_file.empty() != options.events_tls_key_file.empty())
    return std::string{"--events-tls-cert-file and --events-tls-key-file belong together; give both, or "
                       "neither"};
  if (!options.events_tls_client_ca_file.empty() && options.events_tls_cert_file.empty())
    return std::string{"--events-tls-client-ca-file is of no use without --events-tls-cert-file; give the "
                       "server's certificate too, or leave it out"};
  if (!options.forward_events_to.empty()) {
    const auto& url = options.forward_events_to;
    auto host = url.find("://") + 3;
    bool is_http = url.starts_with("http://") || url.starts_with("https://");
    if (!is_http || host >= url.size() || url[host] == '/')
      return "--forward-events-to " + in_quotes(without_credentials(options.forward_events_to)) +
             " is no HTTP URL; write http://HOST/ or https://HOST/";
    if (!options.events_address)
      return std::string{
          "--forward-events-to is of no use without --events-addr; give the address, or leave it out"};
  }
  if (options.dead_letter_dir == "0")
    options.dead_letter_dir.clear();
  else if (options.dead_letter_dir.empty() && !options.data_dir.empty())
    options.dead_letter_dir = (std::filesystem::path{options.data_dir} / "dead-letters").string();
  if (auto problem = wrong_election(options.election, options.shard))
    return problem;
  if (options.shard.automatic && !options.data_dir.empty())
    return "--shard " + options.shard.to_string() +
           " and --data-dir do not go together: a shard goes on where there is a replica, and its data "
           "stays; "
           "leave --data-dir out, or write --shard INDEX/COUNT";
  if (options.pool.probe_interval < std::chrono::seconds{1})
    return std::string{"--exporter-probe-interval is below a second; a backend that is away needs rest"};
  if (options.pool.export_batch_bytes > options.pool.exporter_queue_bytes)
    return std::string{
        "--export-batch-bytes is more than --exporter-queue-bytes holds; lower the first or raise the "
        "second"};
  return settle_cluster(options.cluster, outside);
}

std::optional<std::string> settle(replay_options& options, const raw_values& raw,
                                  const surroundings& outside) {
  if (options.stream.empty())
    return std::string{"--stream is missing; give the recording to replay, --stream FILE.jsonl"};
  if (raw.no_waterfall && raw.waterfall.value_or(false))
    return std::string{"--waterfall contradicts --no-waterfall; give one of them"};
  options.waterfall = !raw.no_waterfall && raw.waterfall.value_or(options.output != "-");
  if (options.width != 0 && options.width < 40)
    return "--width " + in_quotes(std::to_string(options.width)) +
           " is too narrow to draw in; use 40 or more, or 0";
  if (auto end = options.output.find("://"); end != std::string::npos) {
    auto scheme = options.output.substr(0, end);
    constexpr std::string_view known[] = {"http", "https", "http+json", "https+json", "grpc", "grpcs"};
    if (std::find(std::begin(known), std::end(known), scheme) == std::end(known))
      return "--output " + in_quotes(without_credentials(options.output)) +
             " is no OTLP URL; use http://, https://, http+json://, https+json://, grpc:// or grpcs://";
  }
  auto no_color = outside.environment("NO_COLOR");
  if (options.color == color_mode::automatic && no_color && !no_color->empty())
    options.color = color_mode::never;
  if (auto problem = unreadable_file("stream", options.stream, outside))
    return problem;
  if (auto problem = unreadable_file("posts", options.posts, outside))
    return problem;
  for (const auto& path : options.manifests)
    if (auto problem = unreadable_file("manifests", path, outside))
      return problem;
  return std::nullopt;
}

std::optional<std::string> settle(record_options& options, const raw_values&, const surroundings& outside) {
  if (options.output.empty())
    return std::string{
        "--output is missing; give the file to write, --output FILE.jsonl, or - for standard output"};
  if (auto problem = wrong_namespace(options.watch_namespace))
    return problem;
  return settle_cluster(options.cluster, outside);
}

std::optional<std::string> settle(explain_options& options, const raw_values& raw,
                                  const surroundings& outside) {
  if (options.stream.empty())
    return std::string{"--stream is missing; give the recording, --stream FILE.jsonl"};
  auto first = raw.object.find('/');
  auto last = raw.object.rfind('/');
  if (raw.object.empty())
    return std::string{"--object is missing; give the object, --object KIND/NAMESPACE/NAME"};
  if (first == std::string::npos || raw.object.find('/', first + 1) != last || first == last || first == 0 ||
      last + 1 == raw.object.size())
    return "--object " + in_quotes(raw.object) + " names no object; write KIND/NAMESPACE/NAME";
  options.object = {"", raw.object.substr(0, first), raw.object.substr(first + 1, last - first - 1),
                    raw.object.substr(last + 1)};
  if (auto problem = unreadable_file("stream", options.stream, outside))
    return problem;
  return unreadable_file("posts", options.posts, outside);
}

template <class Options>
tl::expected<command, parse_failure> finish(const char* name, const registered_command& parsed,
                                            Options& options, const raw_values& raw,
                                            const surroundings& outside) {
  take_environment(parsed, outside);
  if (auto problem = take_flags(parsed))
    return fail(name, *problem);
  if constexpr (std::is_same_v<Options, run_options>)
    if (!options.config_file.empty())
      if (auto problem = take_file(parsed, options.config_file, outside))
        return fail(name, *problem);
  if (auto problem = settle(options, raw, outside))
    return fail(name, *problem);
  return command{std::move(options)};
}

template <class Options>
named_values shown(Options options, raw_values raw = {}) {
  named_values out;
  for (const auto& entry : flags_of(options, raw))
    out.emplace_back(entry.name, entry.binding.show());
  return out;
}

} // namespace

tl::expected<command, parse_failure> parse(int argc, const char* const* argv, const surroundings& outside,
                                           offered_commands offered) {
  run_options run;
  replay_options replay;
  record_options record;
  explain_options explain;
  raw_values raw;
  CLI::App app;
  app.set_help_flag("-h,--help");
  app.set_version_flag("--version", "");
  app.require_subcommand(0, 1);
  std::map<std::string, registered_command> commands;
  commands["run"] = add_command(app, "run", flags_of(run, raw));
  commands["replay"] = add_command(app, "replay", flags_of(replay, raw));
  commands["record"] = add_command(app, "record", flags_of(record, raw));
  if (offered.explain)
    commands["explain"] = add_command(app, "explain", flags_of(explain, raw));
  auto* version_command = app.add_subcommand("version");

  auto chosen = [&]() -> std::string {
    auto found = app.get_subcommands();
    return found.empty() ? std::string{} : found.front()->get_name();
  };
  auto known_words = [&](const std::string& name) {
    std::vector<std::string> out{"help"};
    if (auto found = commands.find(name); found != commands.end())
      for (auto& entry : names_in(found->second.flags))
        out.push_back(std::move(entry));
    return out;
  };

  auto words = normalized(argc, argv);
  std::reverse(words.begin(), words.end()); // CLI11 takes them from the back
  try {
    app.parse(words);
  } catch (const CLI::CallForHelp&) {
    auto name = chosen();
    if (name.empty() || name == "version")
      return show_text{render_main_help(offered)};
    return show_text{render_help(name, commands[name].flags)};
  } catch (const CLI::CallForVersion&) {
    return show_text{version_text()};
  } catch (const CLI::ExtrasError&) {
    auto name = chosen();
    auto word = app.remaining(true).front();
    if (name.empty() && !word.starts_with('-')) {
      std::vector<std::string> offers{"version"};
      for (const auto& [offer, registered] : commands)
        offers.push_back(offer);
      return fail(name, "unknown command " + in_quotes(word) + suggestion(word, offers, "") +
                            " (\"trace-controller --help\" lists them)");
    }
    if (!word.starts_with('-'))
      return fail(name,
                  "unexpected argument " + in_quotes(word) + "; values follow a flag, as in --name VALUE");
    auto bare = word.substr(0, word.find('='));
    bare.erase(0, bare.find_first_not_of('-'));
    auto written = word.starts_with("--") ? "--" + bare : word.substr(0, 2);
    if (name.empty())
      return fail(name, "unknown flag " + in_quotes(written) +
                            "; flags follow a command, as in trace-controller run " + written);
    return fail(name, "unknown flag " + in_quotes(written) + suggestion(bare, known_words(name), "--"));
  } catch (const CLI::ArgumentMismatch& problem) {
    std::string what = problem.what();
    return fail(chosen(), what.substr(0, what.find(':')) + " needs a value");
  } catch (const CLI::ParseError& problem) {
    return fail(chosen(), problem.what());
  }

  auto name = chosen();
  if (name.empty())
    return fail("", "no command given; \"trace-controller --help\" lists them");
  if (version_command->parsed())
    return show_text{version_text()};
  if (name == "run")
    return finish("run", commands[name], run, raw, outside);
  if (name == "replay")
    return finish("replay", commands[name], replay, raw, outside);
  if (name == "record")
    return finish("record", commands[name], record, raw, outside);
  return finish("explain", commands[name], explain, raw, outside);
}

named_values effective_values(const run_options& options) {
  raw_values raw;
  raw.watch_all_namespaces = options.watch_namespace.empty();
  return shown(options, raw);
}

named_values effective_values(const replay_options& options) {
  raw_values raw;
  raw.waterfall = options.waterfall;
  raw.no_waterfall = !options.waterfall;
  return shown(options, raw);
}

named_values effective_values(const record_options& options) {
  return shown(options);
}

std::vector<std::string> flag_names(std::string_view command_name) {
  run_options run;
  replay_options replay;
  record_options record;
  explain_options explain;
  raw_values raw;
  if (command_name == "run")
    return names_in(flags_of(run, raw));
  if (command_name == "replay")
    return names_in(flags_of(replay, raw));
  if (command_name == "record")
    return names_in(flags_of(record, raw));
  return names_in(flags_of(explain, raw));
}

surroundings surroundings::of_process() {
  surroundings out;
  out.environment = [](std::string_view name) -> std::optional<std::string> {
    const auto* value = std::getenv(std::string{name}.c_str());
    return value ? std::optional<std::string>{value} : std::nullopt;
  };
  out.unreadable = [](const std::string& path) -> std::optional<std::string> {
    // Nothing is opened or read: of a pipe, that would be gone for whoever reads it then.
    std::error_code unknown;
    if (std::filesystem::is_directory(path, unknown))
      return std::strerror(EISDIR);
    if (::access(path.c_str(), R_OK) != 0)
      return std::strerror(errno);
    return std::nullopt;
  };
  out.read_file = [unreadable =
                       out.unreadable](const std::string& path) -> tl::expected<std::string, std::string> {
    if (auto problem = unreadable(path))
      return tl::unexpected(*problem);
    std::ifstream in{path, std::ios::binary};
    return std::string{std::istreambuf_iterator<char>{in}, {}};
  };
  return out;
}

} // namespace tc::runtime
