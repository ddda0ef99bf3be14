// Makes a storm and writes it down as a recording: stream.jsonl, posts.jsonl and truth.json, as the folders
// of real recordings have them.

#include "bench/storm/storm.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

int main(int argc, char** argv) {
  using namespace tc;
  storm::settings with;
  std::string folder;
  double commit_every = 60, interval = 300, rollout = 3, rest = 300;
  CLI::App app{"Writes a synthetic Flux estate under load as a recording with its truth."};
  app.add_option("--output", folder, "folder to write; made if it is not there")->required();
  app.add_option("--seed", with.seed, "the same seed gives the same storm");
  app.add_option("--sources", with.sources, "GitRepositories, each with a tree of its own");
  app.add_option("--kustomizations", with.kustomizations, "under the topmost one of each source");
  app.add_option("--deployments", with.deployments, "that each Kustomization applies");
  app.add_option("--releases", with.releases, "HelmReleases that each Kustomization applies");
  app.add_option("--depends-on", with.depends_on, "share of Kustomizations that wait for another");
  app.add_option("--waits", with.waits, "share of Kustomizations with spec.wait");
  app.add_option("--commits", with.commits, "to each source");
  app.add_option("--commit-every", commit_every, "mean seconds between two commits to one source");
  app.add_option("--touched", with.touched, "share of a source's items that a commit changes");
  app.add_option("--broken", with.broken, "share of those that fail");
  app.add_option("--interval", interval, "seconds; spec.interval of each Kustomization");
  app.add_option("--rollout", rollout, "mean seconds until a Deployment is available");
  app.add_option("--rest", rest, "seconds after the last commit, before one more interval ends the storm");
  CLI11_PARSE(app, argc, argv);
  auto seconds = [](double value) { return duration{static_cast<std::int64_t>(value * 1e9)}; };
  with.commit_every = seconds(commit_every);
  with.interval = seconds(interval);
  with.rollout = seconds(rollout);
  with.rest = seconds(rest);

  std::filesystem::create_directories(folder);
  std::ofstream stream{folder + "/stream.jsonl", std::ios::binary};
  std::ofstream posts{folder + "/posts.jsonl", std::ios::binary};
  std::size_t lines = 0;
  auto made = storm::play(
      with,
      [&](timestamp at, const char* type, const storm::json& object) {
        ++lines;
        stream << R"({"receivedAt":")" << to_rfc3339(at) << R"(","type":")" << type << R"(","object":)"
               << object << "}\n";
      },
      [&](timestamp at, const storm::json& body) {
        posts << R"({"receivedAt":")" << to_rfc3339(at) << R"(","path":"/","headers":{},"body":)" << body
              << "}\n";
      });
  std::ofstream truth{folder + "/truth.json", std::ios::binary};
  truth << made.truth.dump(1) << '\n';
  for (auto* file : {&stream, &posts, &truth})
    file->flush();
  if (!stream || !posts || !truth) {
    std::cerr << folder << ": cannot be written\n";
    return 1;
  }
  std::cout << folder << ": " << lines << " lines, " << made.changes << " changes, " << made.runs
            << " runs\n";
  return 0;
}
