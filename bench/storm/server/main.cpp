// Serves a storm that `storm` wrote down, as an API server would.

#include "bench/storm/server/server.hpp"
#include "runtime/program/yaml_documents.hpp"

#include <CLI/CLI.hpp>

#include <cmath>
#include <fstream>
#include <iostream>
#include <sstream>

namespace {

using namespace tc;

tl::expected<std::vector<nlohmann::json>, std::string> read_objects(const std::vector<std::string>& files) {
  std::vector<nlohmann::json> out;
  for (const auto& file : files) {
    std::ifstream in{file};
    std::ostringstream text;
    text << in.rdbuf();
    auto documents = runtime::yaml_documents(text.str());
    if (!in || !documents)
      return tl::unexpected(file + ": " + (in ? documents.error() : "cannot be read"));
    for (auto& each : *documents)
      if (each.is_object())
        out.push_back(std::move(each));
  }
  return out;
}

/// By how much the storm moves: to now, where it is played at its own pace; else so that it ends now.
std::chrono::seconds moved_by(const std::pair<timestamp, timestamp>& course, double speed, bool stay) {
  if (stay)
    return std::chrono::seconds{0};
  auto now = std::chrono::system_clock::now();
  auto from = speed > 0 && speed <= 1 ? course.first : course.second;
  return std::chrono::floor<std::chrono::seconds>(now - from);
}

nlohmann::json kubeconfig_for(std::uint16_t port) {
  return {{"apiVersion", "v1"},
          {"kind", "Config"},
          {"current-context", "storm"},
          {"clusters",
           {{{"name", "storm"}, {"cluster", {{"server", "http://127.0.0.1:" + std::to_string(port)}}}}}},
          {"users", {{{"name", "storm"}, {"user", {{"token", "storm"}}}}}},
          {"contexts", {{{"name", "storm"}, {"context", {{"cluster", "storm"}, {"user", "storm"}}}}}}};
}

int fail(const std::string& problem) {
  std::cerr << "storm_server: " << problem << '\n';
  return 1;
}

} // namespace

int main(int argc, char** argv) {
  storm::server_settings with;
  std::string folder, kubeconfig, judge, faults;
  std::vector<std::string> manifests;
  double fault_every = 0, bookmark_every = 10;
  std::uint64_t fault_seed = 1;
  bool stay = false;
  CLI::App app{
      "Serves a storm as an API server on loopback: list, watch, bookmarks, 410, pages, gzip, status."};
  app.add_option("--recording", folder, "folder that `storm --output` wrote")->required();
  app.add_option("--manifests", manifests, "YAML with Traces, Providers, Secrets or Leases to serve");
  app.add_option("--port", with.port, "on 127.0.0.1; 0 lets the system choose");
  app.add_option("--kubeconfig", kubeconfig, "file to write for the clients once it listens");
  app.add_option("--judge", judge, "folder to write truth.json and posts.jsonl into, with their times moved");
  app.add_option("--rate", with.with.rate,
                 "events a second; without --rate and --speed: as fast as they are read");
  app.add_option("--speed", with.with.speed, "1 is the storm's own pace, 2 is twice as fast");
  app.add_option("--window", with.with.window,
                 "events that the slowest reader may be behind, without a pace");
  app.add_option("--begin-at-watches", with.begin_at_watches,
                 "begin when so many watches of the storm are open; "
                 "0: at POST /storm/play");
  app.add_option("--bookmark-every", bookmark_every, "seconds");
  app.add_flag("--stay", stay, "leave the storm's times as they are, and do not move them to the present");
  app.add_flag("--keep-times", with.keep_times, "remember when each event was sent, for GET /storm/sent");
  app.add_option("--faults", faults, "cut,stall,expire,restart,slow: what goes wrong while it plays");
  app.add_option("--fault-every", fault_every, "mean seconds between two faults");
  app.add_option("--fault-seed", fault_seed, "the same seed gives the same faults");
  CLI11_PARSE(app, argc, argv);
  auto seconds = [](double value) { return duration{static_cast<std::int64_t>(value * 1e9)}; };
  auto kinds = storm::parse_faults(faults);
  if (!kinds)
    return fail("--faults: '" + faults + "' is not among cut, stall, expire, restart, slow");
  with.faults = storm::fault_plan{fault_seed, seconds(fault_every), *kinds};
  with.bookmark_every = seconds(bookmark_every);

  auto objects = read_objects(manifests);
  if (!objects)
    return fail(objects.error());
  auto course = storm::course_of(folder);
  if (!course)
    return fail(course.error());
  auto by = moved_by(*course, with.with.speed, stay);
  auto loaded = storm::load_storm(folder, by);
  if (!loaded)
    return fail(loaded.error());
  if (!judge.empty())
    for (const auto* name : {"truth.json", "posts.jsonl"}) {
      auto from = folder + '/';
      from += name;
      auto to = judge + '/';
      to += name;
      if (auto copied = storm::copy_moved(from, to, by); !copied)
        return fail(copied.error());
    }
  auto server = storm::stand_in::listen(std::move(*loaded), std::move(*objects), std::move(with));
  if (!server)
    return fail(server.error());
  if (!kubeconfig.empty()) {
    std::ofstream out{kubeconfig + ".new"};
    out << kubeconfig_for((*server)->port()).dump(1) << '\n';
    out.close();
    if (!out || std::rename((kubeconfig + ".new").c_str(), kubeconfig.c_str()) != 0)
      return fail(kubeconfig + ": cannot be written");
  }
  std::cout << "http://127.0.0.1:" << (*server)->port() << std::endl;
  (*server)->run();
  return 0;
}
