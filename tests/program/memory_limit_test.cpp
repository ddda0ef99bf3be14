// A data directory with more waiting traces than --memory-limit has room for, made from a recording, and the
// whole program on it: killed while its backend is away, started again, drained.

#include "export/gzip.hpp"
#include "messages/ids.hpp"
#include "runtime/options.hpp"
#include "runtime/store/journal.hpp"
#include "tests/program/cluster_in_miniature.hpp"
#include "tests/program/running_program.hpp"
#include "tests/support/recording.hpp"
#include "tests/support/temporary_folder.hpp"
#include "trace/assemble.hpp"
#include "trace/ledger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

using namespace tc::testing;
using nlohmann::json;

namespace {

constexpr std::size_t limit_mib = tc::runtime::least_memory_limit >> 20;
constexpr std::size_t traces = 80 * limit_mib;

/// The trace of the first change of a recording, as the heart draws it.
tc::completed_trace recorded_trace() {
  tc::trace::ledger facts;
  for (auto& fact :
       tc::test::load_stream(TC_SOURCE_DIR "/tests/recordings/s01-three-kustomizations/stream.jsonl.gz"))
    facts.add(std::move(fact));
  return tc::trace::assemble(facts, first_change_key, {});
}

class memory_limit_test : public ::testing::Test {
protected:
  /// Returns how many spans wait in the data directory.
  std::size_t fill_data_directory() {
    auto trace = recorded_trace();
    tc::store::journal_options with;
    with.path = folder.path("data");
    with.database.sync = tc::store::sync_policy::off;
    tc::store::journal_outside outside;
    outside.clock = [] {
      return std::chrono::time_point_cast<tc::duration>(std::chrono::system_clock::now());
    };
    auto journal = tc::store::journal::open(with, std::move(outside));
    EXPECT_TRUE(journal);
    for (std::size_t i = 1; i <= traces; ++i) {
      auto copy = std::make_shared<tc::completed_trace>(trace);
      copy->id.bytes[0] = static_cast<std::uint8_t>(i >> 8);
      copy->id.bytes[1] = static_cast<std::uint8_t>(i);
      copy->change_key.append("-").append(std::to_string(i));
      copy->settled_at = trace.spans.front().end;
      (*journal)->put({{"trace-demo", i}, copy->change_key, true, std::move(copy)});
      if (i % 500 == 0)
        (*journal)->flush();
    }
    return trace.spans.size() * traces;
  }

  void start(const std::string& backend) {
    if (!std::exchange(installed, true)) {
      api.put(trace_object());
      api.put(provider_object(backend));
    }
    program = std::make_unique<running_program>(std::vector<std::string>{
        "run", "--kubeconfig", folder.write("kubeconfig", kubeconfig_for(api.url(), "token")),
        "--health-addr=0", "--metrics-addr=127.0.0.1:0", "--scheduler-threads=2",
        "--data-dir=" + folder.path("data"),
        std::string{"--memory-limit="}.append(std::to_string(limit_mib)).append("Mi")});
    metrics = program->port_of("--metrics-addr");
    ASSERT_GT(metrics, 0) << program->log();
  }

  json wait_for_books(const std::function<bool(const json& trace)>& wanted) {
    for (auto end = std::chrono::steady_clock::now() + 4 * generous_limit;
         std::chrono::steady_clock::now() < end;) {
      auto books = json::parse(get(metrics, "/debug/books").second);
      if (books.at("traces").size() == 1 && wanted(books.at("traces").front())) {
        EXPECT_TRUE(books.at("balanced"));
        return books;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
    }
    ADD_FAILURE() << get(metrics, "/debug/books").second << program->log().substr(0, 3000);
    return {};
  }

  void expect_small() const {
    std::ifstream in{std::string{"/proc/"}.append(std::to_string(program->process())).append("/status")};
    for (std::string line; std::getline(in, line);)
      if (line.starts_with("VmHWM:")) {
        auto peak = std::stoul(line.substr(6)) / 1024;
        std::printf("at most %lu MiB of %zu\n", peak, limit_mib);
#ifndef TC_SANITIZED // which keep what is freed, and shadows of all
        EXPECT_LE(peak, limit_mib);
#endif
      }
  }

  temporary_folder folder;
  cluster_in_miniature api;
  bool installed = false;
  std::unique_ptr<running_program> program;
  int metrics = 0;
};

TEST_F(memory_limit_test, what_waits_is_read_back_little_by_little_and_arrives_once) {
  auto spans = fill_data_directory();
  ASSERT_GT(spans, traces);
  std::atomic<bool> back = false;
  std::mutex mutex;
  std::set<std::string> arrived;
  std::size_t again = 0;
  scripted_server backend{[&](const scripted_request& request) {
    if (!back)
      return scripted_response::json("{}", 503);
    auto body = json::parse(tc::exporting::gunzip(request.body, std::size_t{1} << 28).value_or("{}"));
    std::lock_guard guard{mutex};
    for (const auto& resources : body.at("resourceSpans"))
      for (const auto& scope : resources.at("scopeSpans"))
        for (const auto& span : scope.at("spans"))
          again +=
              arrived.insert(span.at("traceId").get<std::string>() + span.at("spanId").get<std::string>())
                      .second
                  ? 0
                  : 1;
    return scripted_response::json("{}", 200);
  }};
  auto address = "http+json" + backend.url().substr(4);
  start(address);
  auto all_wait = [](const json& trace) { return trace.at("waiting") == traces; };
  auto books = wait_for_books(all_wait);
  ASSERT_TRUE(books.is_object());
  EXPECT_GT(books.at("traces").front().at("spilled"), traces - 100);
  expect_small();
  program->signal(SIGKILL);
  program->exit_status();

  start(address);
  ASSERT_TRUE(wait_for_books(all_wait).is_object());
  back = true;
  books = wait_for_books([](const json& trace) { return trace.at("exported") == traces; });
  ASSERT_TRUE(books.is_object());
  EXPECT_EQ(books.at("traces").front().at("dropped"), 0);
  EXPECT_EQ(books.at("traces").front().at("spilled"), 0);
  expect_small();
  program->signal(SIGTERM);
  EXPECT_EQ(program->exit_status(), 0) << program->log();
  std::lock_guard guard{mutex};
  EXPECT_EQ(arrived.size(), spans);
  EXPECT_EQ(again, 0U);
}

} // namespace
