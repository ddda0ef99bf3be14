// `trace-controller replay`: the controller's own actors on a recording, in virtual time.

#include "actors/message_filter.hpp"
#include "actors/virtual_system.hpp"
#include "export/otlp_json.hpp"
#include "export/otlp_json_file_sink.hpp"
#include "runtime/gzip_lines.hpp"
#include "runtime/logging.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/delivery_to_url.hpp"
#include "runtime/program/manifests.hpp"
#include "runtime/program/recording.hpp"
#include "runtime/program/trace_collection.hpp"
#include "runtime/progress.hpp"
#include "runtime/signals.hpp"
#include "runtime/terminal.hpp"
#include "runtime/waterfall.hpp"
#include "trace/assemble.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <random>
#include <sstream>

namespace tc::runtime {

namespace {

/// How many broken lines are told one by one.
constexpr std::size_t told_problems = 20;

/// What the lines of a recording are, read one after the other.
class recording_source {
public:
  static tl::expected<recording_source, std::string> open(const replay_options& options);

  struct item {
    observation_ptr fact;
    timestamp received_at;
    std::size_t lines = 0; ///< read so far
  };
  /// Returns the next observation in the order of arrival, or nothing at the end.
  std::optional<item> next();

  /// Returns how much of the stream has been read, 0 to 1.
  double fraction() const {
    auto total = stream_.bytes_total();
    return total == 0 ? 0 : static_cast<double>(stream_.bytes_read()) / static_cast<double>(total);
  }
  std::size_t lines() const { return lines_; }
  const std::vector<std::string>& problems() const { return problems_; }
  std::size_t broken() const { return broken_; }
  /// Returns whether any line of the stream was one of a recording.
  bool any_readable() const { return any_readable_; }
  const std::string& failure() const { return failure_; }

private:
  std::optional<item> next_of_stream();
  void problem(const std::string& file, std::size_t line, const std::string& what);

  std::string stream_name_;
  line_reader stream_;
  initial_lines initial_;
  kube::decoder decoder_;
  std::vector<item> posts_; ///< by time
  std::size_t next_post_ = 0;
  std::optional<item> pending_;
  bool ended_ = false;
  std::size_t lines_ = 0;
  std::size_t broken_ = 0;
  bool any_readable_ = false;
  std::vector<std::string> problems_;
  std::string failure_; ///< the file itself cannot be read further

  explicit recording_source(line_reader stream) : stream_(std::move(stream)) {}
};

void recording_source::problem(const std::string& file, std::size_t line, const std::string& what) {
  ++broken_;
  if (problems_.size() < told_problems)
    problems_.push_back(file + ':' + std::to_string(line) + ": " + what);
}

tl::expected<recording_source, std::string> recording_source::open(const replay_options& options) {
  auto scan = line_reader::open(options.stream);
  if (!scan)
    return tl::unexpected("--stream: " + scan.error());
  auto stream = line_reader::open(options.stream);
  if (!stream)
    return tl::unexpected("--stream: " + stream.error());
  recording_source out(std::move(*stream));
  out.stream_name_ = options.stream;
  // An error in the file is told when it is reached in the second reading.
  for (auto line = scan->next(); line && *line; line = scan->next())
    out.initial_.scan((*line)->text);
  if (options.posts.empty())
    return out;
  auto posts = line_reader::open(options.posts);
  if (!posts)
    return tl::unexpected("--posts: " + posts.error());
  auto line = posts->next();
  for (; line && *line; line = posts->next()) {
    auto head = read_line_head((*line)->text);
    if (!head || head->body.empty()) {
      out.problem(options.posts, (*line)->number, head ? "field 'body' is missing" : head.error());
      continue;
    }
    auto decoded = out.decoder_.decode_post(head->body, head->received_at);
    if (!decoded)
      out.problem(options.posts, (*line)->number, decoded.error().to_string());
    else if (*decoded)
      out.posts_.push_back({std::move(**decoded), head->received_at, 0});
  }
  if (!line)
    return tl::unexpected("--posts: " + line.error());
  std::stable_sort(out.posts_.begin(), out.posts_.end(),
                   [](const item& left, const item& right) { return left.received_at < right.received_at; });
  return out;
}

std::optional<recording_source::item> recording_source::next_of_stream() {
  auto line = stream_.next();
  for (; line && *line; line = stream_.next()) {
    ++lines_;
    auto head = read_line_head((*line)->text);
    if (!head) {
      problem(stream_name_, (*line)->number, head.error());
      continue;
    }
    auto at = head->received_at;
    auto initial = initial_.is_initial(*head);
    auto decoded = decoder_.decode_watch((*line)->text, at, initial);
    if (!decoded) {
      problem(stream_name_, (*line)->number, decoded.error().to_string());
      continue;
    }
    any_readable_ = true;
    if (*decoded)
      return item{std::move(**decoded), at, lines_};
  }
  if (!line)
    failure_ = line.error();
  return std::nullopt;
}

std::optional<recording_source::item> recording_source::next() {
  if (!pending_ && !ended_) {
    pending_ = next_of_stream();
    ended_ = !pending_;
  }
  if (next_post_ < posts_.size() && (!pending_ || posts_[next_post_].received_at < pending_->received_at)) {
    auto out = posts_[next_post_++];
    out.lines = lines_;
    return out;
  }
  return std::exchange(pending_, std::nullopt);
}

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
      for (const auto& [name, books] : system.books()->traces) {
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
  for (const auto& [name, books] : system.books()->traces) {
    out.late += books.spans_late;
    last.changes_open = books.changes_pending;
    last.changes_settled = books.changes_opened - books.changes_pending;
  }
  last.fraction = 1;
  last.lines_read = source.lines();
  if (progress != nullptr)
    progress->finish(last);
}

/// All at once, at the end, in any order.
void replay_shuffled(recording_source& source, const std::vector<trace_resource>& traces,
                     const replay_options& options, exporting::span_sink& sink, result& out) {
  std::vector<observation_ptr> facts;
  while (auto item = source.next())
    facts.push_back(std::move(item->fact));
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
    assembly.message_filter = *actors::message_filter(spec.inclusion_list, spec.exclusion_list);
    for (auto& trace : trace::assemble_all(ledger, assembly)) {
      std::erase_if(trace.spans, [&](const span& value) { return !sent.insert(value.id).second; });
      if (trace.spans.empty())
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
  auto source = recording_source::open(options);
  if (!source)
    return complain(source.error());
  std::shared_ptr<exporting::span_sink> sink =
      std::make_shared<exporting::null_sink>(std::make_shared<exporting::otlp_json_encoder>());
  if (!options.output.empty() && !is_url(options.output)) {
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
