// `trace-controller replay`: the controller's own actors on a recording, in virtual time.

#include "actors/message_filter.hpp"
#include "actors/virtual_system.hpp"
#include "export/otlp_json.hpp"
#include "export/otlp_json_file_sink.hpp"
#include "runtime/logging.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/delivery_to_url.hpp"
#include "runtime/program/manifests.hpp"
#include "runtime/program/recording_source.hpp"
#include "runtime/program/trace_collection.hpp"
#include "runtime/progress.hpp"
#include "runtime/signals.hpp"
#include "runtime/terminal.hpp"
#include "runtime/waterfall.hpp"
#include "trace/assemble.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace tc::runtime {

namespace {

/// The Trace that is assumed without --manifests: it follows everything.
trace_resource follow_everything() {
  trace_resource out;
  out.namespace_name = "default";
  out.name = "replay";
  out.uid = "replay";
  out.provider_name = "output";
  return out;
}

tl::expected<std::vector<trace_resource>, std::string> read_traces(const replay_options& options,
                                                                   const logger& log) {
  if (options.manifests.empty())
    return std::vector{follow_everything()};
  manifests found;
  for (const auto& file : options.manifests) {
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in)
      return tl::unexpected("--manifests: " + file + ": cannot be read; give a YAML file");
    if (auto read = read_manifests(file, text.str(), found); !read)
      return tl::unexpected("--manifests: " + read.error());
  }
  for (const auto& skipped : found.skipped)
    log.debug("not a Trace or Provider: skipped", {{"object", skipped}});
  if (found.traces.empty())
    return tl::unexpected(
        std::string{"--manifests: no Trace in these files; leave the flag out to follow everything"});
  for (const auto& trace : found.traces)
    if (auto filter = actors::message_filter(trace.inclusion_list, trace.exclusion_list); !filter)
      return tl::unexpected("--manifests: Trace " + trace.namespace_name + '/' + trace.name + ": " +
                            filter.error());
  return found.traces;
}

struct result {
  trace_collection traces;
  std::vector<completed_trace_ptr> parts; ///< in the order of delivery
  std::size_t late = 0;
  std::size_t refused = 0;
  bool all_settled = true;
  std::string failure;
};

/// As they come: live, with settling on the way.
void replay_live(recording_source& source, const std::vector<trace_resource>& traces,
                 const replay_options& options, std::shared_ptr<exporting::span_sink> sink,
                 progress_line* progress, result& out) {
  auto events = std::make_shared<actors::trace_events>();
  events->acknowledged = [&](const completed_trace& trace, const delivery_report& report) {
    if (!report.delivered) {
      ++out.refused;
      out.failure = report.reason;
      return;
    }
    out.traces.add(trace);
    out.parts.push_back(std::make_shared<completed_trace>(trace));
  };
  auto first = source.next();
  if (!first)
    return;
  actors::controller_setup setup;
  setup.watching.cluster_name = options.cluster_name;
  setup.watching.messages_only = source.messages_only();
  setup.events = events;
  setup.began = first->received_at;
  actors::virtual_system system(std::move(setup));
  auto exporter = std::make_shared<exporter_setup>();
  exporter->sink = std::move(sink);
  exporter->delivery.max_spans = exporter->delivery.max_bytes = std::numeric_limits<std::size_t>::max();
  // A file that cannot be written now will hardly be writable later in virtual time.
  exporter->delivery.give_up_after = std::chrono::seconds{30};
  exporter->random = [] { return 0.5; };
  for (const auto& spec : traces) {
    auto binding = std::make_shared<provider_binding>();
    binding->namespace_name = spec.namespace_name;
    binding->name = spec.provider_name;
    binding->setup = exporter;
    system.apply(std::move(binding));
    system.apply(std::make_shared<trace_resource>(spec));
  }
  std::size_t next_look = 0;
  progress_state last;
  for (auto item = std::move(first); item; item = source.next()) {
    system.observe(std::move(item->fact), std::max(item->received_at, system.now()));
    if (progress != nullptr && item->lines >= next_look) {
      next_look = item->lines + 64;
      std::size_t open = 0;
      std::size_t settled = 0;
      auto latest = system.books(); // held: a range-for does not keep a temporary's owner
      for (const auto& [name, books] : latest->traces) {
        open += books.changes_pending;
        settled += books.changes_opened - books.changes_pending;
      }
      last = {item->lines, source.fraction(), open, settled, item->received_at};
      progress->update(last);
    }
  }
  duration longest{0};
  for (const auto& spec : traces)
    longest = std::max(longest, spec.timeout + 2 * spec.settle_after);
  out.all_settled = system.settle(longest + std::chrono::minutes{1});
  auto latest = system.books(); // held: a range-for does not keep a temporary's owner
  for (const auto& [name, books] : latest->traces) {
    out.late += books.spans_late;
    last.changes_open = books.changes_pending;
    last.changes_settled = books.changes_opened - books.changes_pending;
  }
  last.fraction = 1;
  last.lines_read = source.lines();
  if (progress != nullptr)
    progress->finish(last);
}

/// Whether all of it was over by then: what a controller that starts there takes for history.
bool was_over(const completed_trace& trace, timestamp by) {
  return std::all_of(trace.spans.begin(), trace.spans.end(), [&](const span& each) { return each.end < by; });
}

/// All at once, at the end, in any order.
void replay_shuffled(recording_source& source, const std::vector<trace_resource>& traces,
                     const replay_options& options, exporting::span_sink& sink, result& out) {
  std::vector<observation_ptr> facts;
  auto began = timestamp::max();
  while (auto item = source.next()) {
    began = std::min(began, item->received_at);
    facts.push_back(std::move(item->fact));
  }
  auto history = began - actors::watcher_setup{}.backfill;
  if (*options.shuffle_seed != 0) {
    std::mt19937_64 engine{*options.shuffle_seed};
    std::shuffle(facts.begin(), facts.end(), engine);
  }
  trace::ledger ledger;
  for (auto& fact : facts)
    ledger.add(std::move(fact));
  std::unordered_set<span_id> sent;
  for (const auto& spec : traces) {
    auto assembly = trace::assembly_options::from(spec, options.cluster_name);
    assembly.messages_only = source.messages_only();
    assembly.message_filter = *actors::message_filter(spec.inclusion_list, spec.exclusion_list);
    for (auto& trace : trace::assemble_all(ledger, assembly)) {
      std::erase_if(trace.spans, [&](const span& value) { return !sent.insert(value.id).second; });
      if (trace.spans.empty() || was_over(trace, history))
        continue;
      auto part = std::make_shared<const completed_trace>(std::move(trace));
      for (auto& batch : sink.encoder()->encode(std::span{&part, 1}))
        sink.send(std::make_shared<exporting::encoded_batch>(std::move(batch)),
                  [&out](const exporting::attempt_result& done) {
                    if (done.outcome != exporting::attempt_outcome::delivered) {
                      ++out.refused;
                      out.failure = done.message;
                    }
                  });
      out.traces.add(*part);
      out.parts.push_back(part);
    }
  }
}

/// The output is emptied before the recording is read: it must not be the recording.
std::optional<std::string> overwrites_input(const replay_options& options) {
  auto same = [&](const std::string& input) {
    std::error_code none_there;
    return !input.empty() && std::filesystem::equivalent(input, options.output, none_there) &&
           std::filesystem::is_regular_file(options.output, none_there);
  };
  auto refuse = [&](const std::string& what) {
    return "--output: " + options.output + " is also " + what + "; give another file";
  };
  if (same(options.stream))
    return refuse("the recording of --stream");
  if (same(options.posts))
    return refuse("that of --posts");
  for (const auto& file : options.manifests)
    if (same(file))
      return refuse("one of --manifests");
  return std::nullopt;
}

bool is_url(const std::string& output) {
  return output.find("://") != std::string::npos;
}

} // namespace

int replay(const replay_options& options) {
  logger log(options.logging);
  auto complain = [](const std::string& problem) {
    std::fprintf(stderr, "trace-controller replay: %s\n", problem.c_str());
    return 2;
  };
  auto traces = read_traces(options, log);
  if (!traces)
    return complain(traces.error());
  auto source = recording_source::open(options.stream, options.posts);
  if (!source)
    return complain(source.error());
  std::shared_ptr<exporting::span_sink> sink =
      std::make_shared<exporting::null_sink>(std::make_shared<exporting::otlp_json_encoder>());
  if (!options.output.empty() && !is_url(options.output)) {
    if (auto problem = overwrites_input(options))
      return complain(*problem);
    auto file = exporting::otlp_json_file_sink::open(options.output);
    if (!file)
      return complain("--output: " + file.error().message);
    sink = std::move(*file);
  }

  result out;
  auto outside = surroundings::of_process();
  auto screen = inspect_terminal(STDERR_FILENO);
  progress_line progress({screen.is_terminal, screen.columns,
                          [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); },
                          [] { return std::chrono::steady_clock::now(); }});
  if (options.shuffle_seed)
    replay_shuffled(*source, *traces, options, *sink, out);
  else
    replay_live(*source, *traces, options, sink,
                options.progress.value_or(screen.is_terminal) ? &progress : nullptr, out);

  for (const auto& problem : source->problems())
    log.error("line skipped", {{"place", problem}});
  if (source->broken() > source->problems().size())
    log.error("more lines were skipped", {{"lines", source->broken() - source->problems().size()}});
  if (!source->failure().empty())
    return complain("--stream: " + source->failure());
  if (!source->any_readable())
    return complain("--stream: " + options.stream +
                    ": no line of it can be read as one of a recording; give what `record` wrote");

  if (options.waterfall) {
    auto to_stderr = options.output == "-";
    auto* stream = to_stderr ? stderr : stdout;
    auto style = style_for(options, inspect_terminal(to_stderr ? STDERR_FILENO : STDOUT_FILENO), outside);
    for (const auto& trace : out.traces.in_order())
      std::fprintf(stream, "%s\n", render_waterfall(trace, style).c_str());
    std::fflush(stream); // before the figures go to standard error, which may be the same pipe
  }
  std::size_t delivered = out.traces.spans();
  if (is_url(options.output)) {
    ignore_broken_pipes();
    auto sent = deliver_to_url(options.output, out.parts);
    if (!sent) {
      std::fprintf(stderr, "trace-controller replay: %s\n", sent.error().c_str());
      return 1;
    }
    delivered = *sent;
  }
  std::fprintf(stderr, "%zu lines, %zu traces, %zu spans%s%s", source->lines(), out.traces.traces(),
               delivered, options.output.empty() || options.output == "-" ? "" : " written to ",
               options.output == "-" ? "" : options.output.c_str());
  if (out.late > 0)
    std::fprintf(stderr, "; %zu sent spans would differ by what came later", out.late);
  if (source->broken() > 0)
    std::fprintf(stderr, "; %zu lines skipped", source->broken());
  std::fputc('\n', stderr);
  if (out.refused > 0) {
    std::fprintf(stderr, "trace-controller replay: --output: %s\n", out.failure.c_str());
    return 1;
  }
  if (!out.all_settled) {
    std::fprintf(stderr, "trace-controller replay: some changes did not settle; this is a bug\n");
    return 1;
  }
  return 0;
}

} // namespace tc::runtime
