// `trace-controller record`: watches a cluster and writes what the API server says, line by line, as replay
// reads it. Never Secrets: they are not among the kinds that are watched.

#include "kube/cluster.hpp"
#include "kube/discovery.hpp"
#include "kube/reflector.hpp"
#include "runtime/logging.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/find_cluster.hpp"
#include "runtime/program/wall_clock.hpp"
#include "runtime/signals.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <tuple>

namespace tc::runtime {

namespace {

/// Recordings have microseconds.
std::string microseconds(timestamp at) {
  auto second = std::chrono::floor<std::chrono::seconds>(at);
  auto text = to_rfc3339(second);
  text.pop_back(); // the Z
  auto digits =
      std::to_string(1'000'000 + std::chrono::duration_cast<std::chrono::microseconds>(at - second).count());
  digits.front() = '.';
  return text + digits + 'Z';
}

/// Writes each object as a line. Runs on the HTTP client's thread.
class recording_writer : public kube::reflector_sink {
public:
  recording_writer(int file, logger log, std::function<void()> failed)
      : file_(file), log_(std::move(log)), failed_(std::move(failed)) {}

  void on_object(const kube::resource_ref&, kube::watch_type type, std::string_view object_json,
                 timestamp received_at, arrival) override {
    write(kube::to_string(type), object_json, received_at);
  }
  void on_bookmark(const kube::resource_ref&, std::string_view object_json, timestamp received_at) override {
    write("BOOKMARK", object_json, received_at);
  }
  void on_synced(const kube::resource_ref& resource) override {
    // Tells replay where the first list ends, also where the API server has no WatchList.
    write("BOOKMARK",
          "{\"apiVersion\":\"" + resource.api_version() + "\",\"kind\":\"" + resource.kind +
              "\",\"metadata\":{\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}",
          wall_clock());
    log_.debug("first list complete", {{"kind", resource.to_string()}});
  }
  void on_error(const kube::resource_ref& resource, std::string_view object,
                std::string_view problem) override {
    log_.error("an object cannot be read and is skipped",
               {{"kind", resource.to_string()}, {"object", object}, {"error", problem}});
  }
  void on_state(const kube::resource_ref& resource, kube::reflector_status status,
                std::string_view reason) override {
    auto wrong = status == kube::reflector_status::failing || status == kube::reflector_status::forbidden;
    log_.log(wrong ? log_level::error : log_level::debug, "watch",
             {{"kind", resource.kind}, {"state", kube::to_string(status)}, {"reason", reason}});
  }

  std::uint64_t lines() const { return lines_; }

private:
  void write(std::string_view type, std::string_view object_json, timestamp received_at) {
    if (broken_)
      return;
    std::string line;
    line.reserve(object_json.size() + 100);
    line.append("{\"receivedAt\":\"").append(microseconds(received_at)).append("\",\"type\":\"").append(type);
    line.append("\",\"object\":");
    // A line must stay a line; JSON has line ends only between tokens.
    for (char c : object_json)
      if (c != '\n' && c != '\r')
        line.push_back(c);
    line.append("}\n");
    // Not before: a cluster that never answers must not cost an older recording.
    if (lines_ == 0)
      std::ignore = ::ftruncate(file_, 0); // a pipe has no length
    std::string_view rest = line;
    while (!rest.empty()) {
      auto written = ::write(file_, rest.data(), rest.size());
      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0) {
        log_.error("the recording cannot be written", {{"error", std::strerror(errno)}});
        broken_ = true;
        failed_();
        return;
      }
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    ++lines_;
  }

  int file_;
  logger log_;
  std::function<void()> failed_;
  std::uint64_t lines_ = 0;
  bool broken_ = false;
};

} // namespace

int record(const record_options& options) {
  ignore_broken_pipes();
  logger log(options.logging);
  auto complain = [](const std::string& problem) {
    std::fprintf(stderr, "trace-controller record: %s\n", problem.c_str());
    return 2;
  };
  auto access = find_cluster(options.cluster);
  if (!access)
    return complain(access.error());
  auto file = options.output == "-" ? STDOUT_FILENO
                                    : ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0)
    return complain("--output " + options.output + ": " + std::strerror(errno));

  std::mutex mutex;
  std::condition_variable changed;
  bool stop = false;
  bool failed = false;
  auto request_stop = [&](bool by_failure) {
    std::lock_guard guard{mutex};
    stop = true;
    failed = failed || by_failure;
    changed.notify_all();
  };
  http_loop loop;
  kube::cluster target(loop, std::move(*access));
  kube::discovery versions(target, wall_clock);
  recording_writer writer(file, log, [&] { request_stop(true); });
  std::vector<std::unique_ptr<kube::reflector>> reflectors;
  std::random_device seed;
  for (const auto& kind : kube::watched_kinds()) {
    kube::reflector_options reflect;
    reflect.namespace_name = options.watch_namespace;
    reflect.seed = seed();
    reflectors.push_back(std::make_unique<kube::reflector>(
        kube::reflector_context{target, versions, writer, wall_clock}, kind, std::move(reflect)));
  }
  for (auto& one : reflectors)
    one->start();
  {
    signal_watch signals([&](int) { request_stop(false); });
    std::unique_lock guard{mutex};
    changed.wait(guard, [&] { return stop; });
  }
  for (auto& one : reflectors)
    one->stop();
  loop.stop();
  if (file != STDOUT_FILENO)
    ::close(file);
  std::fprintf(stderr, "%llu lines written to %s\n", static_cast<unsigned long long>(writer.lines()),
               options.output == "-" ? "standard output" : options.output.c_str());
  return failed ? 1 : 0;
}

} // namespace tc::runtime
