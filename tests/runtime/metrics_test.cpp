#include "runtime/metrics.hpp"

#include "runtime/process_metrics.hpp"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <thread>

using namespace tc::runtime;
using testing::HasSubstr;
using testing::Not;

TEST(metrics, text) {
  metrics m;
  m.observations.add(3, "Kustomization", "watch");
  m.observations.add(1, std::string{"Kustomization"}, "watch");
  m.observations.add(1, "HelmRelease", "post");
  m.changes_opened.add(2);
  m.changes.set(2, "pending");
  m.export_queue_bytes.set(1536, "flux-system/jaeger");
  m.settle_to_export.observe(0.3);
  auto text = m.to_text();
  EXPECT_THAT(text, HasSubstr("# TYPE trace_controller_observations_total counter\n"));
  EXPECT_THAT(text,
              HasSubstr("trace_controller_observations_total{kind=\"Kustomization\",source=\"watch\"} 4\n"));
  EXPECT_THAT(text,
              HasSubstr("trace_controller_observations_total{kind=\"HelmRelease\",source=\"post\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\ntrace_controller_changes_opened_total 2\n"));
  EXPECT_THAT(text, HasSubstr("\ntrace_controller_changes{state=\"pending\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("trace_controller_export_queue_bytes{provider=\"flux-system/jaeger\"} 1536\n"));
  EXPECT_THAT(text, HasSubstr("trace_controller_settle_to_export_seconds_bucket{le=\"0.5\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("trace_controller_settle_to_export_seconds_bucket{le=\"0.1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("trace_controller_build_info{"));
  EXPECT_THAT(text, HasSubstr("\nprocess_resident_memory_bytes "));
  EXPECT_THAT(text, HasSubstr("\nprocess_open_fds "));
}

TEST(metrics, series_without_labels_are_there_from_the_start) {
  EXPECT_THAT(metrics{}.to_text(), HasSubstr("\ntrace_controller_changes_opened_total 0\n"));
}

TEST(metrics, nasty_label_values_stay_one_line) {
  metrics m;
  m.decode_errors.add(1, "a\"b\\c\nd\xff");
  EXPECT_THAT(m.to_text(), HasSubstr("trace_controller_decode_errors_total{kind=\"a\\\"b\\\\c d?\"} 1\n"));
}

TEST(metrics, counting_from_many_threads_loses_nothing) {
  metrics m;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&m, i] {
      for (int n = 0; n < 1000; ++n)
        m.actor_restarts.add(1, i % 2 == 0 ? "even" : "odd");
    });
  for (auto& thread : threads)
    thread.join();
  EXPECT_THAT(m.to_text(), HasSubstr("trace_controller_actor_restarts_total{actor=\"even\"} 2000\n"));
  EXPECT_THAT(m.to_text(), HasSubstr("trace_controller_actor_restarts_total{actor=\"odd\"} 2000\n"));
}

TEST(metrics, the_manual_names_every_family) {
  std::ostringstream manual;
  manual << std::ifstream{TC_SOURCE_DIR "/docs/metrics.md"}.rdbuf();
  metrics m;
  // Families without a series do not show, so give each one.
  m.observations.add(1, "a", "b");
  m.observations_waiting.set(1);
  m.decode_errors.add(1, "a");
  m.watch_state.set(1, "a");
  m.watch_restarts.add(1, "a", "b");
  m.changes_exported.add(1, "a");
  m.changes_sampled.add(1, "a");
  m.changes_dropped.add(1, "a");
  m.changes_history.add(1, "a");
  m.spans_exported.add(1, "a");
  m.observations_shed.add(1, "a", "b");
  m.spans_outdated.add(1, "a");
  m.spans_dropped.add(1, "a", "b");
  m.changes.set(1, "a");
  m.export_attempts.add(1, "a", "b");
  m.export_queue_spans.set(1, "a");
  m.export_queue_bytes.set(1, "a");
  m.export_backend_away.set(1, "a");
  m.dead_letters.add(1, "status_400");
  m.dead_letters_lost.add(1, "room");
  m.store_rows.set(1, "a");
  m.store_queue.set(1, "a");
  m.store_observations_lost.add(1, "a");
  m.shard_events.add(1, "acquired");
  m.leader_election_master_status.set(1, "a");
  m.actor_restarts.add(1, "a");
  std::istringstream lines{m.to_text()};
  std::size_t families = 0;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("# TYPE ")) {
      auto name = line.substr(7, line.find(' ', 7) - 7);
      if (name.starts_with("trace_controller_"))
        name.erase(0, 17);
      EXPECT_THAT(manual.str(), HasSubstr('`' + name + '`'));
      ++families;
    }
  EXPECT_EQ(families, 43u + 7u);
}

TEST(process_metrics, stat_of_a_program_with_a_strange_name) {
  auto figures = parse_process_stat(
      "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 7 0 5000 8192 3 0 0", 100, 4096);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->cpu_seconds, 4);
  EXPECT_EQ(figures->threads, 7);
  EXPECT_EQ(figures->start_time_seconds, 50);
  EXPECT_EQ(figures->virtual_bytes, 8192);
  EXPECT_EQ(figures->resident_bytes, 3 * 4096);
  EXPECT_FALSE(parse_process_stat("", 100, 4096));
  EXPECT_FALSE(parse_process_stat("12 (x) S 1 2", 100, 4096));
}

TEST(process_metrics, this_process) {
  auto figures = read_process_figures();
  ASSERT_TRUE(figures);
  EXPECT_GT(figures->resident_bytes, 100'000);
  EXPECT_GE(figures->open_files, 1);
  EXPECT_GE(figures->threads, 1);
  EXPECT_GT(figures->start_time_seconds, 1.6e9);
}
