// How the controller grows: with Trace resources that an observation does not concern, with changes that are
// open, with runs that are open, with objects that are watched and at rest. Everything outside the kernel and
// the network is what `run` has: reflectors, decoder, actors. One thread, virtual time, each measurement in a
// process of its own.
//
// usage: scale_bench [WHAT]…      traces, changes, runs, objects (all); figures as JSON on standard output
//        SCALE_CHANGES=N (1,000,000)   SCALE_OBJECTS=N (20,000; what a million take is told from these)

#include "actors/virtual_system.hpp"
#include "bench/everything_traced.hpp"
#include "bench/measured_apart.hpp"
#include "bench/multiplied_recording.hpp"
#include "export/otlp_encoder.hpp"
#include "export/sink.hpp"
#include "kube/decode/decode.hpp"
#include "kube/reflector_state.hpp"
#include "runtime/program/cluster_feed.hpp"
#include "tests/trace/cluster.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <malloc.h>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace tc;
using namespace std::chrono_literals;
using bench::figures;
using clock_type = std::chrono::steady_clock;

/// No measurement takes more, whatever the machine has: others work on it too.
constexpr double most_memory_mib = 8192;

constexpr const char* s01 = TC_SOURCE_DIR "/tests/recordings/s01-three-kustomizations/stream.jsonl.gz";
constexpr const char* s02 = TC_SOURCE_DIR "/tests/recordings/s02-helm/stream.jsonl.gz";

double seconds(clock_type::duration value) {
  return std::chrono::duration<double>(value).count();
}

std::size_t from_environment(const char* name, std::size_t otherwise) {
  const auto* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// A controller whose one Trace follows everything, and whose backend takes everything.
struct controlled {
  std::size_t runs = 0; ///< of the traces that were delivered
  actors::virtual_system system;

  explicit controlled(timestamp began, std::size_t max_live_changes = 10'000)
      : system(setup(began, max_live_changes)) {
    auto exporter = std::make_shared<exporter_setup>();
    exporter->sink =
        std::make_shared<exporting::null_sink>(std::make_shared<exporting::otlp_protobuf_encoder>());
    bench::trace_everything(system, exporter);
  }

  actors::controller_setup setup(timestamp began, std::size_t max_live_changes) {
    actors::controller_setup out;
    out.began = began;
    out.watching.max_live_changes = max_live_changes;
    auto events = std::make_shared<actors::trace_events>();
    events->acknowledged = [this](const completed_trace& trace, const delivery_report&) {
      runs +=
          static_cast<std::size_t>(std::count_if(trace.spans.begin(), trace.spans.end(), [](const span& one) {
            return one.text("flux.span.kind") == "run";
          }));
    };
    out.events = std::move(events);
    return out;
  }
};

/// Other Traces, each for a namespace of its own that nothing here is in.
void apply_others(actors::virtual_system& system, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    trace_resource other;
    other.namespace_name = "team-" + std::to_string(i);
    other.name = "trace";
    other.uid = "other-" + std::to_string(i);
    other.provider_name = "sink";
    for (const char* kind : {"Kustomization", "HelmRelease"})
      other.event_sources.push_back({"", kind, "*", "", {}});
    system.apply(std::make_shared<trace_resource>(std::move(other)));
  }
}

/// Plays copies of a recording side by side. Returns how long the observations took, each in nanoseconds, and
/// a tick in microseconds.
figures play_with_traces(std::size_t traces) {
  constexpr std::size_t copies = 25;
  std::vector<bench::multiplied_recording> group(copies, bench::multiplied_recording{s02});
  for (std::size_t c = 0; c < copies; ++c)
    group[c].make_copy(c, duration{0});
  const auto& first = group.front();
  controlled subject(first.received_at(0, duration{0}));
  apply_others(subject.system, traces - 1);
  kube::decoder decoder;
  clock_type::duration observing{}, ticking{};
  std::size_t observations = 0, ticks = 0;
  for (std::size_t i = 0; i < first.lines(); ++i) {
    auto at = first.received_at(i, duration{0});
    auto began = clock_type::now();
    auto before = subject.system.now();
    subject.system.advance(at);
    ticking += clock_type::now() - began;
    ticks += static_cast<std::size_t>((subject.system.now() - before) / actors::virtual_system::usual_tick);
    began = clock_type::now();
    for (const auto& copy : group)
      if (auto decoded = decoder.decode_watch(copy.line(i), at, first.initial(i)); decoded && *decoded) {
        subject.system.observe(std::move(**decoded), subject.system.now());
        ++observations;
      }
    observing += clock_type::now() - began;
  }
  return {{"ns", seconds(observing) * 1e9 / static_cast<double>(observations)},
          {"tick_us", seconds(ticking) * 1e6 / static_cast<double>(std::max<std::size_t>(ticks, 1))}};
}

nlohmann::json bench_traces() {
  // In turns: the machine is not as fast all the time.
  std::vector<double> ratios, ticks;
  for (int round = 0; round < 3; ++round) {
    auto one = bench::measured_apart([] { return play_with_traces(1); });
    auto many = bench::measured_apart([] { return play_with_traces(10'000); });
    ratios.push_back(many["ns"] / one["ns"]);
    ticks.push_back(many["tick_us"] - one["tick_us"]);
    std::fprintf(stderr, "1 Trace: %.0f ns an observation; 10,000: %.0f ns, a tick %.0f us more\n", one["ns"],
                 many["ns"], ticks.back());
  }
  std::sort(ratios.begin(), ratios.end());
  std::sort(ticks.begin(), ticks.end());
  return {
      {"traces_10000_vs_1", {{"value", ratios[1]}, {"goal", 1.1}, {"better", "lower"}, {"unit", "ratio"}}},
      {"traces_10000_tick_us", {{"value", ticks[1]}, {"better", "lower"}, {"unit", "us"}}}};
}

// -- open changes ---------------------------------------------------------------

std::string revision_of(std::size_t change) {
  char digits[41];
  std::snprintf(digits, sizeof(digits), "%040zx", change + 1);
  return std::string{"main@sha1:"} + digits;
}

/// A source and the Kustomization that takes its commit, in their last states while it works; then the news
/// that it makes.
struct open_change {
  std::vector<observation_ptr> before;
  std::vector<observation_ptr> news;

  explicit open_change(std::size_t number) {
    auto name = std::to_string(number);
    auto source = test::object("GitRepository", "source-" + name);
    auto app = test::object("Kustomization", "app-" + name);
    test::cluster world;
    world.follow(app, source);
    world.state(source).created = world.second();
    world.fetch(source, revision_of(number));
    before.push_back(world.facts.back());
    world.begin(app, revision_of(number));
    before.push_back(world.facts.back());
    world.facts.clear();
    for (int attempt = 0; attempt < 5; ++attempt)
      world.fail(app, revision_of(number), "BuildFailed" + std::to_string(attempt));
    news = std::move(world.facts);
  }
};

/// Opens so many changes and brings news of some of them, each in nanoseconds.
figures play_open_changes(std::size_t live) {
  constexpr std::size_t asked = 2'000;
  auto began = *parse_rfc3339("2026-11-21T08:00:00Z");
  auto baseline = bench::resident_mib();
  clock_type::duration observing{};
  std::size_t observations = 0;
  double grown = 0;
  // Few changes are not enough observations: then several times anew.
  auto rounds = std::max<std::size_t>(1, asked / live);
  for (std::size_t round = 0; round < rounds; ++round) {
    controlled subject(began, std::numeric_limits<std::size_t>::max());
    for (std::size_t i = 0; i < live; ++i) {
      for (auto& fact : open_change{i}.before)
        subject.system.observe(std::move(fact), began);
      if (live > 100'000 && i % 100'000 == 99'999)
        std::fprintf(stderr, "\r%zu changes, %.0f MiB", i + 1, bench::resident_mib());
    }
    grown = bench::resident_mib() - baseline;
    std::vector<std::vector<observation_ptr>> news;
    auto chosen = std::min(asked, live);
    // Far from each other, as what a cluster tells of is.
    for (std::size_t i = 0; i < chosen; ++i)
      news.push_back(open_change{i * (live / chosen)}.news);
    auto start = clock_type::now();
    for (std::size_t at = 0; at < news.front().size(); ++at)
      for (auto& of : news) {
        subject.system.observe(of[at], began);
        ++observations;
      }
    observing += clock_type::now() - start;
  }
  return {{"ns", seconds(observing) * 1e9 / static_cast<double>(observations)},
          {"bytes", grown * 1048576 / static_cast<double>(live)}};
}

/// What an observation costs with so many changes, against 100; the unit says with how many, where the name
/// says another number.
nlohmann::json changes_row(double ratio, std::size_t changes, std::size_t named) {
  auto unit = changes == named ? std::string{"ratio"} : "ratio, measured with " + std::to_string(changes);
  return {{"value", ratio}, {"better", "lower"}, {"unit", std::move(unit)}};
}

nlohmann::json bench_changes() {
  auto most = from_environment("SCALE_CHANGES", 1'000'000);
  auto few = bench::measured_apart([] { return play_open_changes(100); });
  // Enough is known from a tenth to see that all would not fit.
  auto part = most / 10;
  auto tenth = bench::measured_apart([part] { return play_open_changes(part); });
  auto needed = tenth["bytes"] * static_cast<double>(most) / 1048576;
  std::fprintf(stderr, "100 changes: %.0f ns an observation; %zu: %.0f ns, %.0f bytes a change\n", few["ns"],
               part, tenth["ns"], tenth["bytes"]);
  auto measured = part;
  auto ratio = tenth["ns"] / few["ns"];
  nlohmann::json out{
      {"live_changes_1e5_vs_1e2", changes_row(ratio, part, 100'000)},
      {"bytes_per_live_change", {{"value", tenth["bytes"]}, {"better", "lower"}, {"unit", "B"}}}};
  if (needed * 1.5 > std::min(bench::available_mib(), most_memory_mib)) {
    std::fprintf(stderr, "%zu changes are not measured: they need %.0f MiB of free memory\n", most,
                 needed * 1.5);
  } else {
    auto all = bench::measured_apart([most] { return play_open_changes(most); });
    auto again = bench::measured_apart([] { return play_open_changes(100); });
    measured = most;
    ratio = all["ns"] / std::min(few["ns"], again["ns"]);
  }
  auto row = changes_row(ratio, measured, 1'000'000);
  row["goal"] = 1.5;
  out["live_changes_1e6_vs_1e2"] = std::move(row);
  return out;
}

// -- open runs ------------------------------------------------------------------

/// All changes of many copies of a recording stay open, with all that was observed of them.
figures hold_runs(const char* recording, std::size_t copies) {
  std::vector<bench::multiplied_recording> group(1, bench::multiplied_recording{recording});
  auto& copy = group.front();
  auto began = copy.received_at(0, duration{0});
  controlled subject(began);
  kube::decoder decoder;
  auto play = [&](bool initial) {
    for (std::size_t c = 0; c < copies; ++c) {
      copy.make_copy(c, duration{0});
      for (std::size_t i = 0; i < copy.lines(); ++i)
        if (copy.initial(i) == initial)
          // No time passes, so nothing settles.
          if (auto decoded = decoder.decode_watch(copy.line(i), copy.received_at(i, duration{0}), initial);
              decoded && *decoded)
            subject.system.observe(std::move(**decoded), began);
    }
  };
  play(true);
  auto at_rest = bench::resident_mib();
  play(false);
  auto grown = bench::resident_mib() - at_rest;
  subject.system.settle(1h);
  return {{"bytes", grown * 1048576}, {"runs", static_cast<double>(subject.runs)}};
}

nlohmann::json bench_runs() {
  double bytes = 0, runs = 0;
  for (const auto* recording : {s01, s02}) {
    auto held = bench::measured_apart([recording] { return hold_runs(recording, 200); });
    bytes += held["bytes"];
    runs += held["runs"];
    std::fprintf(stderr, "%.0f runs, %.0f bytes each\n", held["runs"], held["bytes"] / held["runs"]);
  }
  return {
      {"bytes_per_live_run", {{"value", bytes / runs}, {"goal", 2048}, {"better", "lower"}, {"unit", "B"}}}};
}

// -- objects at rest ------------------------------------------------------------

/// Asks for nothing: what a reflector wants is given to it before it asks.
class silent_port : public kube::reflector_port {
public:
  void resolve() override {}
  void send(const kube::reflector_request&) override {}
  void cancel_request() override {}
  void set_timer(duration) override {}
};

/// Watches of several kinds whose first lists are so many copies of a recording's last states.
figures watch_objects(std::size_t wanted) {
  bench::multiplied_recording copy{s02};
  auto began = copy.received_at(copy.lines() - 1, duration{0});
  controlled subject(began);
  std::size_t objects = 0;
  runtime::cluster_feed::outputs out;
  out.observations = [&](observation_batch_ptr batch, timestamp) {
    for (const auto& fact : *batch)
      subject.system.observe(fact, subject.system.now());
    objects += batch->size();
  };
  out.broken = [](std::string_view, std::string_view, std::string_view problem) {
    throw std::runtime_error(std::string{problem});
  };
  out.synced = [](const std::string&) {};
  runtime::cluster_feed feed(std::move(out), 256, std::numeric_limits<std::size_t>::max());
  silent_port port;
  // Which line has the last state of each object.
  std::map<std::string, std::pair<std::string, std::size_t>> last;
  for (std::size_t i = 0; i < copy.lines(); ++i) {
    auto parsed = nlohmann::json::parse(copy.line(i));
    const auto& object = parsed["object"];
    std::string kind = object["kind"];
    const auto* watched = kube::find_watched_kind("", kind);
    if (watched == nullptr || kind == "Event" || kind == "Alert" || kind == "Provider")
      continue;
    last[kind + '/' + std::string{object["metadata"]["name"]}] = {kind, i};
  }
  std::map<std::string, std::unique_ptr<kube::reflector_state>> reflectors;
  for (const auto& [name, place] : last) {
    auto& reflector = reflectors[place.first];
    if (reflector)
      continue;
    const auto& watched = *kube::find_watched_kind("", place.first);
    kube::resource_ref resource{std::string{watched.group}, std::string{watched.versions.front()},
                                std::string{watched.kind}, std::string{watched.plural}};
    kube::reflector_options options;
    options.use_watch_list = false;
    options.page_size = std::numeric_limits<int>::max();
    reflector = std::make_unique<kube::reflector_state>(resource, options, feed, port);
    reflector->start(began);
    reflector->on_resolved(std::optional{resource}, began);
    reflector->on_head(200, began);
    reflector->on_data(R"({"kind":"List","metadata":{"resourceVersion":"1"},"items":[)", began);
  }
  auto baseline = bench::resident_mib();
  std::size_t copies = (wanted + last.size() - 1) / last.size();
  std::string item;
  std::set<std::string> begun; ///< lists that have an item
  for (std::size_t c = 0; c < copies; ++c) {
    copy.make_copy(c, duration{0});
    for (const auto& [name, place] : last) {
      auto line = copy.line(place.second);
      auto from = line.find(R"("object":)") + 9;
      item.assign(begun.insert(place.first).second ? "" : ",");
      item.append(line.substr(from, line.rfind('}') - from));
      reflectors[place.first]->on_data(item, began);
    }
    feed.flush();
    if (c % 1'000 == 999) {
      subject.system.advance(subject.system.now() + 1s);
      std::fprintf(stderr, "\r%zu objects, %.0f MiB", objects, bench::resident_mib());
    }
  }
  for (auto& [kind, reflector] : reflectors) {
    reflector->on_data("]}", began);
    kube::reflector_reply whole;
    whole.complete = true;
    whole.status = 200;
    reflector->on_done(whole, began);
  }
  feed.flush();
  subject.system.settle(1h);
  ::malloc_trim(0);
  auto at_rest = bench::resident_mib();
  std::fprintf(stderr, "\r%zu objects, %.0f MiB, %.0f of them before\n", objects, at_rest, baseline);
  return {{"objects", static_cast<double>(objects)}, {"mib", at_rest}, {"baseline", baseline}};
}

nlohmann::json bench_objects() {
  auto wanted = from_environment("SCALE_OBJECTS", 20'000);
  auto found = bench::measured_apart([wanted] { return watch_objects(wanted); });
  if (found["objects"] < static_cast<double>(wanted))
    throw std::runtime_error("not all objects were observed");
  // Each takes as much as the one before, but for what is bounded.
  auto each = (found["mib"] - found["baseline"]) / found["objects"];
  return {{"bytes_per_object", {{"value", each * 1048576}, {"better", "lower"}, {"unit", "B"}}},
          {"million_objects_mib",
           {{"value", found["baseline"] + each * 1e6}, {"goal", 400}, {"better", "lower"}, {"unit", "MiB"}}}};
}

} // namespace

int main(int argc, char** argv) {
  std::set<std::string> wanted(argv + 1, argv + argc);
  nlohmann::json out = nlohmann::json::object();
  const std::vector<std::pair<std::string, nlohmann::json (*)()>> all{
      {"traces", bench_traces}, {"changes", bench_changes}, {"runs", bench_runs}, {"objects", bench_objects}};
  for (const auto& [name, run] : all)
    if (wanted.empty() || wanted.count(name) != 0)
      out.update(run());
  std::cout << out.dump(2) << '\n';
}
