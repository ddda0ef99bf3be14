// What delivery costs: settled traces of recordings through each protocol to a backend on loopback, a process
// of its own that only reads and answers. The whole way of a trace is measured, from the delivery queue over
// encoder, compression and HTTP client to the backend's answer, beside parts of it in the same round:
//
//   vs_preencoded  posting the same requests, encoded beforehand, through the same sink; with gzip both
//                  compress, so that what is compared is encoding and queueing alone
//   vs_posting     posting the bytes as they go over the wire, compressed beforehand too
//   vs_protobuf    encoding the same spans with the generated protobuf classes, on one thread
//
// All three are rates by the clock; `cpu_vs_preencoded` compares CPU time of the whole process, which other
// work on the machine changes less. A value is the median over rounds.
//
// usage: delivery_bench [COPIES] [ROUNDS] [WAY]      (one way only, such as otlp_http_gzip, for a profiler)

#include "bench/loopback_backend.hpp"
#include "bench/settled_traces.hpp"
#include "export/delivery_queue.hpp"
#include "export/gzip.hpp"
#include "export/http_sink.hpp"
#include "tests/export/generated_encoder.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <sys/resource.h>

namespace {

using namespace tc;
using namespace tc::exporting;
/// What a busy controller sends at a time: traces do not wait for a request of the greatest size. Some 1,200
/// spans, where OpenTelemetry's own batches have 512.
constexpr std::size_t request_bytes = std::size_t{512} << 10;

using batches = std::vector<std::shared_ptr<const encoded_batch>>;

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

struct cost {
  double wall = 0; ///< seconds
  double cpu = 0;
};

/// What it costs to do the work once, from doing it a few times.
template <class Work>
cost measure(Work&& work) {
  constexpr int times = 10;
  auto cpu = cpu_seconds();
  auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i)
    work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count() / times,
          (cpu_seconds() - cpu) / times};
}

/// Answers that came back and that nobody has looked at yet.
class answers {
public:
  void put(std::uint64_t ticket, attempt_result result) {
    {
      std::lock_guard guard{mutex_};
      arrived_.emplace_back(ticket, std::move(result));
    }
    changed_.notify_one();
  }

  /// Waits for one. Ends the process when it says that something was not taken.
  std::pair<std::uint64_t, attempt_result> take() {
    std::unique_lock guard{mutex_};
    changed_.wait(guard, [&] { return !arrived_.empty(); });
    auto out = std::move(arrived_.front());
    arrived_.pop_front();
    if (out.second.outcome != attempt_outcome::delivered) {
      std::fprintf(stderr, "not delivered: %s\n", out.second.message.c_str());
      std::exit(1);
    }
    return out;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::uint64_t, attempt_result>> arrived_;
};

/// As the exporter actor does it: as many attempts at a time as the queue allows, a new one for each answer.
void deliver(span_sink& sink, const std::vector<completed_trace_ptr>& traces) {
  delivery_options options;
  options.batch_bytes = request_bytes;
  delivery_queue queue{sink.encoder(), options, [] { return 0.5; }};
  answers arrived;
  auto now = [] { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); };
  std::size_t next_trace = 0;
  for (;;) {
    while (next_trace < traces.size() && queue.push(traces[next_trace]).accepted)
      ++next_trace;
    while (auto attempt = queue.next(now()))
      sink.send(attempt->batch, [&arrived, ticket = attempt->ticket](attempt_result result) {
        arrived.put(ticket, std::move(result));
      });
    if (queue.attempts_in_flight() == 0)
      return;
    auto [ticket, result] = arrived.take();
    queue.complete(ticket, result, now());
  }
}

/// Batches that are ready, as many at a time as a delivery queue has under way.
void post(span_sink& sink, const batches& ready) {
  answers arrived;
  std::size_t open = 0;
  for (const auto& batch : ready) {
    if (open == delivery_options{}.in_flight) {
      arrived.take();
      --open;
    }
    sink.send(batch, [&arrived](attempt_result result) { arrived.put(0, std::move(result)); });
    ++open;
  }
  for (; open > 0; --open)
    arrived.take();
}

/// The requests that the queue makes of these traces.
batches encode(const span_encoder& encoder, const std::vector<completed_trace_ptr>& traces) {
  batches out;
  std::vector<completed_trace_ptr> chosen;
  std::size_t bytes = 0;
  auto cut = [&] {
    for (auto& batch : encoder.encode(chosen, request_bytes))
      out.push_back(std::make_shared<const encoded_batch>(std::move(batch)));
    chosen.clear();
    bytes = 0;
  };
  for (const auto& trace : traces) {
    auto more = approximate_bytes(*trace);
    if (!chosen.empty() && bytes + more > request_bytes)
      cut();
    chosen.push_back(trace);
    bytes += more;
  }
  cut();
  return out;
}

batches compressed(const batches& plain) {
  batches out;
  for (const auto& batch : plain) {
    auto copy = std::make_shared<encoded_batch>(*batch);
    copy->body = gzip(batch->body);
    out.push_back(std::move(copy));
  }
  return out;
}

std::size_t body_bytes(const batches& all) {
  std::size_t out = 0;
  for (const auto& batch : all)
    out += batch->body.size();
  return out;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One way to send: a protocol, with gzip or without.
struct way {
  std::string name;
  bool gzip = false;
  std::unique_ptr<span_sink> sink;
  std::unique_ptr<span_sink> raw; ///< sends bodies as they are
  batches ready;                  ///< encoded, not compressed
  batches on_the_wire;            ///< what goes over the wire; the same as `ready` without gzip
  std::vector<double> spans_per_s, cpu_us, vs_preencoded, cpu_vs_preencoded, vs_posting, vs_protobuf;
};

nlohmann::json row(double value, const char* better, const char* unit) {
  return {{"value", value}, {"better", better}, {"unit", unit}};
}

} // namespace

int main(int argc, char** argv) {
  std::size_t copies = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20;
  std::size_t rounds = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 15;
  std::string only = argc > 3 ? argv[3] : "";
  bench::loopback_backend backend; // a child: before the first thread
  auto traces = bench::settled_traces(copies);
  double spans = 0;
  for (const auto& trace : traces)
    spans += static_cast<double>(trace->spans.size());
  if (spans == 0) {
    std::fprintf(stderr, "no trace has settled\n");
    return 1;
  }

  runtime::http_loop loop;
  std::vector<way> ways;
  for (auto [name, type, address] :
       {std::tuple{"otlp_http", "otlp", backend.url("/v1/traces")},
        std::tuple{"otlp_grpc", "otlp", "grpc" + backend.url().substr(4)},
        std::tuple{"otlp_json", "otlp", "http+json" + backend.url("/v1/traces").substr(4)},
        std::tuple{"zipkin_json", "zipkin", backend.url("/api/v2/spans")}})
    for (bool gzip : {false, true}) {
      auto target = resolve_endpoint(type, address);
      if (!target) {
        std::fprintf(stderr, "%s\n", target.error().message.c_str());
        return 1;
      }
      http_sink_options options;
      options.proxy = "";
      options.gzip = gzip;
      auto full_name = std::string{name} + (gzip ? "_gzip" : "");
      if (!only.empty() && only != full_name)
        continue;
      auto& added = ways.emplace_back();
      added.name = full_name;
      added.gzip = gzip;
      added.sink = make_sink(loop, *target, options);
      options.gzip = false;
      added.raw = make_sink(loop, *target, options);
    }

  for (std::size_t round = 0; round <= rounds; ++round) { // the first warms up
    auto generated = measure([&] {
      // In requests of the usual size, as nobody would build one message of everything.
      constexpr std::size_t at_a_time = 200;
      for (std::size_t i = 0; i < traces.size(); i += at_a_time)
        testing::encode_with_generated_messages(
            std::span{traces}.subspan(i, std::min(at_a_time, traces.size() - i)));
    });
    for (auto& one : ways) {
      one.ready = encode(*one.sink->encoder(), traces);
      one.on_the_wire = one.gzip ? compressed(one.ready) : one.ready;
      auto whole = measure([&] { deliver(*one.sink, traces); });
      auto preencoded = measure([&] { post(*one.sink, one.ready); });
      auto posting = one.gzip ? measure([&] { post(*one.raw, one.on_the_wire); }) : preencoded;
      if (round == 0)
        continue;
      one.spans_per_s.push_back(spans / whole.wall);
      one.cpu_us.push_back(1e6 * whole.cpu / spans);
      one.vs_preencoded.push_back(preencoded.wall / whole.wall);
      one.cpu_vs_preencoded.push_back(preencoded.cpu / whole.cpu);
      one.vs_posting.push_back(posting.wall / whole.wall);
      one.vs_protobuf.push_back(generated.wall / whole.wall);
    }
  }

  nlohmann::ordered_json out;
  std::fprintf(stderr, "%zu traces, %.0f spans\n%-18s%12s%12s%12s%15s%9s%12s%12s\n", traces.size(), spans, "",
               "spans/s", "bytes/span", "CPU us/span", "vs preencoded", "by CPU", "vs posting",
               "vs protobuf");
  for (auto& one : ways) {
    auto bytes = static_cast<double>(body_bytes(one.on_the_wire)) / spans;
    std::fprintf(stderr, "%-18s%12.0f%12.1f%12.3f%15.3f%9.3f%12.3f%12.3f\n", one.name.c_str(),
                 median(one.spans_per_s), bytes, median(one.cpu_us), median(one.vs_preencoded),
                 median(one.cpu_vs_preencoded), median(one.vs_posting), median(one.vs_protobuf));
    auto name = "delivery_" + one.name;
    if (one.name == "otlp_http_gzip") { // as it is by default
      out["export_vs_preencoded"] = row(median(one.vs_preencoded), "higher", "ratio");
      out["export_vs_preencoded"]["goal"] = 0.6;
    }
    out[name + "_vs_preencoded"] = row(median(one.vs_preencoded), "higher", "ratio");
    if (one.name.starts_with("otlp_http"))
      out[name + "_vs_preencoded"]["goal"] = 0.6;
    out[name + "_cpu_vs_preencoded"] = row(median(one.cpu_vs_preencoded), "higher", "ratio");
    if (one.gzip)
      out[name + "_vs_posting"] = row(median(one.vs_posting), "higher", "ratio");
    out[name + "_vs_protobuf"] = row(median(one.vs_protobuf), "higher", "ratio");
    out[name + "_spans_per_s"] = row(median(one.spans_per_s), "higher", "1/s");
    out[name + "_bytes_per_span"] = row(bytes, "lower", "B");
    out[name + "_cpu_us_per_span"] = row(median(one.cpu_us), "lower", "us");
  }
  std::cout << out.dump(2) << '\n';
}
