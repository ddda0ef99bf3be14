#pragma once

// A data directory for a test, and how to look at what is in it.

#include "runtime/store/journal.hpp"
#include "tests/runtime/store/random_values.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace tc::test {

inline const timestamp noon{std::chrono::seconds{1'780'000'000}};

/// A state of an object, as a watch tells it.
inline observation_ptr state_of(const std::string& name, std::uint64_t version, timestamp at,
                                const std::string& kind = "Kustomization", const std::string& revision = {}) {
  auto out = std::make_shared<observation>();
  out->object = {kind == "Kustomization" ? "kustomize.toolkit.fluxcd.io" : "source.toolkit.fluxcd.io", kind,
                 "flux-system", name};
  out->uid = "uid-" + name;
  out->resource_version = version;
  out->received_at = at;
  out->state.emplace();
  if (!revision.empty())
    out->state->artifact.emplace().revision = revision;
  return out;
}

inline store::waiting_trace waiting(const std::string& uid, std::uint64_t number, std::uint64_t seed = 1) {
  return {{uid, number},
          "sha1:" + std::to_string(number),
          true,
          std::make_shared<completed_trace>(random_trace(seed))};
}

inline std::vector<std::string> bytes_of(const std::vector<observation_ptr>& facts) {
  std::vector<std::string> out;
  for (const auto& fact : facts)
    out.push_back(fact->object.name + '@' + std::to_string(fact->resource_version));
  return out;
}

class store_test : public ::testing::Test {
protected:
  store::journal_options options() const {
    store::journal_options out;
    out.path = folder.path() + "/data";
    out.database.sync = store::sync_policy::off; // what a test kills is the process, not the power
    out.commit_wait = std::chrono::milliseconds{1};
    out.first_retry = std::chrono::milliseconds{5};
    return out;
  }

  tl::expected<std::unique_ptr<store::journal>, std::string> try_open(const store::journal_options& with) {
    store::journal_outside outside;
    outside.clock = [this] { return noon + std::chrono::seconds{++opened}; };
    outside.state = [this](const std::string& problem) {
      std::lock_guard guard{mutex};
      states.push_back(problem);
    };
    outside.damaged = [this](const std::string& aside, const std::string& problem) {
      std::lock_guard guard{mutex};
      damages.push_back(aside + ": " + problem);
    };
    outside.found_trace = found_trace;
    outside.found_observation = found_observation;
    return store::journal::open(with, std::move(outside));
  }

  std::unique_ptr<store::journal> open(const store::journal_options& with) {
    auto out = try_open(with);
    EXPECT_TRUE(out) << out.error();
    return out ? std::move(*out) : nullptr;
  }
  std::unique_ptr<store::journal> open() { return open(options()); }

  std::string file() const { return options().path + "/store.db"; }

  testing::temporary_folder folder;
  std::function<void(const store::waiting_trace&)> found_trace;
  std::function<void(const observation_ptr&)> found_observation;
  std::mutex mutex;
  std::vector<std::string> states;
  std::vector<std::string> damages;
  int opened = 0;
};

} // namespace tc::test
