// The journal on real files: what was given is there again after a crash, whatever happens to the disk and to
// the file.

#include "runtime/store/codec.hpp"
#include "runtime/store/schema.hpp"
#include "tests/runtime/store/store_fixture.hpp"

#include <gmock/gmock.h>

#include <future>
#include <random>
#include <set>

using namespace tc;
using namespace tc::store;
using tc::test::bytes_of;
using tc::test::noon;
using tc::test::state_of;
using tc::test::waiting;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

namespace fs = std::filesystem;

class store_journal : public tc::test::store_test {
protected:
  /// What a process that is killed now leaves behind, as the folder of another.
  journal_options crash_image() {
    auto out = options();
    out.path = folder.path() + "/image" + std::to_string(++images);
    fs::create_directories(out.path);
    for (const char* name : {"store.db", "store.db-wal"})
      if (fs::exists(options().path + '/' + name))
        fs::copy(options().path + '/' + name, out.path + '/' + name);
    return out;
  }

  /// Returns null when it cannot be read.
  completed_trace_ptr read(journal& from, std::uint64_t number) {
    std::promise<completed_trace_ptr> answer;
    from.read({"uid-1", number}, [&](result<completed_trace_ptr> found) {
      answer.set_value(found ? std::move(*found) : nullptr);
    });
    return answer.get_future().get();
  }

  void set_byte(const std::string& path, std::size_t at, char value) {
    std::fstream out{path, std::ios::in | std::ios::out | std::ios::binary};
    out.seekp(static_cast<std::streamoff>(at));
    out.put(value);
  }

  int images = 0;
};

} // namespace

TEST_F(store_journal, gives_everything_back_after_a_crash) {
  auto log = open();
  EXPECT_TRUE(log->take_contents().observations.empty());
  log->note_position("Kustomization.kustomize.toolkit.fluxcd.io", "5");
  log->add({state_of("apps", 6, noon), state_of("infra", 7, noon)});
  log->put(waiting("uid-1", 1, 11));
  log->put(waiting("uid-1", 2, 12));
  log->acknowledged({"uid-1", 1});
  log->note_sent("flux-system/backend", {1, 2, 3});
  log->note_progress("uid-1", {noon, noon + std::chrono::seconds{5}}, noon);
  log->flush();
  log->note_sent("flux-system/backend", {4});
  log->flush();
  auto again = open(crash_image())->take_contents();
  EXPECT_THAT(bytes_of(again.observations), ElementsAre("apps@6", "infra@7"));
  EXPECT_EQ(again.positions.at("Kustomization.kustomize.toolkit.fluxcd.io"), "7");
  ASSERT_EQ(again.traces.size(), 1U);
  EXPECT_EQ(again.traces.front().key, (trace_key{"uid-1", 2}));
  EXPECT_EQ(again.traces.front().change_key, "sha1:2");
  EXPECT_EQ(encode(*again.traces.front().trace), encode(tc::test::random_trace(12)));
  EXPECT_THAT(again.sent.at("flux-system/backend"), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(again.progress.at("uid-1"), (trace_progress{noon, noon + std::chrono::seconds{5}}));
}

TEST_F(store_journal, moves_a_position_by_what_a_watch_tells_only) {
  auto log = open();
  const std::string kind = "Kustomization.kustomize.toolkit.fluxcd.io";
  // Within the first list, which is in no order.
  auto listed = std::make_shared<observation>(*state_of("apps", 90, noon));
  listed->initial = true;
  log->add({listed, state_of("unlisted", 91, noon)});
  log->flush();
  EXPECT_TRUE(open(crash_image())->take_contents().positions.empty()) << "the list is not complete";
  log->note_position(kind, "95");
  auto relisted = std::make_shared<observation>(*state_of("apps", 200, noon));
  relisted->relisted = true;
  log->add({relisted});
  log->flush();
  EXPECT_EQ(open(crash_image())->take_contents().positions.at(kind), "95");
  log->add({state_of("apps", 201, noon)});
  log->flush();
  EXPECT_EQ(open(crash_image())->take_contents().positions.at(kind), "201");
}

TEST_F(store_journal, reads_a_waiting_trace_back) {
  auto log = open();
  log->put(waiting("uid-1", 7, 3));
  log->flush();
  std::promise<result<completed_trace_ptr>> answer;
  log->read({"uid-1", 7}, [&](auto trace) { answer.set_value(std::move(trace)); });
  auto trace = answer.get_future().get();
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(encode(**trace), encode(tc::test::random_trace(3)));
  std::promise<bool> unknown;
  log->read({"uid-1", 8}, [&](auto missing) { unknown.set_value(missing.has_value()); });
  EXPECT_FALSE(unknown.get_future().get());
}

TEST_F(store_journal, forgets_a_deleted_trace) {
  auto log = open();
  log->put(waiting("uid-1", 1));
  log->put(waiting("uid-2", 1));
  log->note_progress("uid-1", {noon, noon}, noon);
  log->flush();
  log->forget_trace("uid-1");
  log->flush();
  auto again = open(crash_image())->take_contents();
  ASSERT_EQ(again.traces.size(), 1U);
  EXPECT_EQ(again.traces.front().key.trace_uid, "uid-2");
  EXPECT_TRUE(again.progress.empty());
}

TEST_F(store_journal, keeps_nothing_that_another_cluster_showed) {
  auto log = open();
  log->begin_cluster("one");
  log->add({state_of("apps", 2, noon)});
  log->note_position("Event", "4");
  log->put(waiting("uid-1", 1));
  log->flush();
  auto again = open(crash_image())->take_contents();
  EXPECT_EQ(again.cluster, "one");
  EXPECT_EQ(again.observations.size(), 1U);
  log->begin_cluster("two");
  log->add({state_of("infra", 2, noon)});
  log->flush();
  again = open(crash_image())->take_contents();
  EXPECT_EQ(again.cluster, "two");
  EXPECT_THAT(bytes_of(again.observations), ElementsAre("infra@2"));
  EXPECT_TRUE(again.positions.empty());
  EXPECT_EQ(again.traces.size(), 1U);
}

TEST_F(store_journal, lets_go_of_what_no_open_change_needs) {
  auto with = options();
  with.database.keep_newest = 2;
  {
    auto log = open(with);
    for (std::uint64_t version = 1; version <= 9; ++version)
      log->add({state_of("apps", version, noon + std::chrono::hours{version})});
    log->note_progress("uid-1", {noon, noon}, noon + std::chrono::hours{6});
    log->flush();
  }
  { // at the first look after opening
    auto log = open(with);
    log->note_progress("uid-1", {noon, noon}, noon + std::chrono::hours{6});
    log->add({state_of("infra", 1, noon + std::chrono::hours{9})});
    log->flush();
    log->flush();
  }
  auto again = open(with)->take_contents();
  // Less a margin: a change may have begun a little before it is known.
  EXPECT_THAT(bytes_of(again.observations), ElementsAre("apps@6", "apps@7", "apps@8", "apps@9", "infra@1"));
  EXPECT_TRUE(again.observations.front()->initial) << "it was no creation";
}

// An HTTP event that was answered is with the disk 50 ms later, and a sync: docs/durability.md,
// docs/events.md.
TEST(commit_window, ends_50_ms_after_the_first_of_a_group_whatever_comes_after_it) {
  using std::chrono::milliseconds;
  const journal_options defaults;
  ASSERT_EQ(defaults.commit_wait, milliseconds{50});
  commit_window window{defaults.commit_wait, defaults.commit_observations};
  const commit_window::time began{std::chrono::hours{1}};
  EXPECT_EQ(window.due(0), std::nullopt);
  for (int given = 0; given < 1000; ++given) {
    window.given(began + milliseconds{given});
    EXPECT_EQ(window.due(1), began + milliseconds{50}) << given;
  }
  window.taken();
  EXPECT_EQ(window.due(0), std::nullopt);
  // While the one before was written, another has begun: its time counts from then.
  window.given(began + milliseconds{2000});
  EXPECT_EQ(window.due(1), began + milliseconds{2050});
  // Many do not wait.
  EXPECT_EQ(window.due(defaults.commit_observations - 1), began + milliseconds{2050});
  EXPECT_EQ(window.due(defaults.commit_observations), began + milliseconds{2000});
}

TEST_F(store_journal, writes_at_once_what_somebody_waits_for_and_tells_when_it_is_there) {
  auto with = options();
  with.commit_wait = std::chrono::hours{1};
  auto log = open(with);
  log->note_position("Kustomization.kustomize.toolkit.fluxcd.io", "5");
  log->add({state_of("apps", 6, noon)});
  std::promise<std::size_t> there;
  log->when_written([&] { there.set_value(open(crash_image())->take_contents().observations.size()); });
  EXPECT_EQ(there.get_future().get(), 1U);
  // What comes later waits for company again, as long as it takes.
  auto before = log->books().commits;
  log->add({state_of("infra", 7, noon)});
  EXPECT_EQ(log->books().observations_waiting, 1U);
  EXPECT_EQ(log->books().commits, before);
  std::promise<void> nothing_new;
  log->when_written([&] { nothing_new.set_value(); });
  nothing_new.get_future().get();
  EXPECT_EQ(log->books().observations_waiting, 0U);
}

TEST_F(store_journal, lets_nobody_wait_for_a_disk_that_fails) {
  auto log = open();
  log->flush();
  auto path = options().path;
  fs::remove_all(path);
  std::ofstream{path} << "no folder can be made here";
  log->add({state_of("apps", 6, noon)});
  std::promise<void> tried;
  log->when_written([&] { tried.set_value(); });
  tried.get_future().get();
  EXPECT_NE(log->books().problem, "");
  fs::remove(path);
}

TEST_F(store_journal, lets_one_process_in_at_a_time) {
  auto log = open();
  auto second = try_open(options());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error(), HasSubstr("--data-dir " + options().path + " is in use by another process"));
  log.reset();
  EXPECT_TRUE(try_open(options()));
}

TEST_F(store_journal, says_which_folder_cannot_be_used_and_what_to_do) {
  auto with = options();
  with.path = "/proc/self/data";
  auto refused = try_open(with);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("--data-dir /proc/self/data cannot be made"));
}

TEST_F(store_journal, takes_an_old_schema_over) {
  fs::create_directories(options().path);
  {
    auto old = connection::open(file());
    ASSERT_TRUE(old);
    ASSERT_TRUE(make_schema_of(1, *old));
    ASSERT_TRUE(old->execute("INSERT INTO progress VALUES('uid-1', 1, 2)"));
  }
  auto log = open();
  EXPECT_EQ(log->take_contents().progress.size(), 1U);
  log->note_position("Event", "4");
  log->flush();
  EXPECT_EQ(open(crash_image())->take_contents().positions.size(), 1U);
  EXPECT_THAT(damages, IsEmpty());
}

TEST_F(store_journal, leaves_the_file_of_a_newer_program_alone) {
  open().reset();
  {
    auto newer = connection::open(file());
    ASSERT_TRUE(newer->execute("UPDATE format SET version=9; PRAGMA user_version=9"));
  }
  auto refused = try_open(options());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("version 9"));
  EXPECT_TRUE(fs::exists(file()));
}

TEST_F(store_journal, takes_a_flipped_version_for_damage) {
  open().reset();
  {
    auto flipped = connection::open(file());
    ASSERT_TRUE(flipped->execute("PRAGMA user_version=9"));
  }
  EXPECT_TRUE(open());
  EXPECT_EQ(damages.size(), 1U);
}

TEST_F(store_journal, goes_on_in_memory_while_there_is_no_room_and_writes_then_what_is_needed) {
  auto with = options();
  with.database.limit_bytes = 400'000;
  auto log = open(with);
  std::uint64_t number = 0;
  while (log->books().problem.empty()) { // fill it up with traces that wait
    ASSERT_LT(++number, 10'000U);
    log->put(waiting("uid-1", number, number));
    log->flush();
  }
  EXPECT_THAT(log->books().problem, HasSubstr("free some room"));
  log->add({state_of("apps", 1, noon)});
  log->note_sent("flux-system/backend", {1});
  log->flush();
  EXPECT_LE(fs::file_size(file()), with.database.limit_bytes);
  // The backend takes them: there is room again.
  for (std::uint64_t each = 1; each < number; ++each)
    log->acknowledged({"uid-1", each});
  log->flush();
  log->flush();
  EXPECT_EQ(log->books().problem, "");
  {
    std::lock_guard guard{mutex};
    ASSERT_EQ(states.size(), 2U);
    EXPECT_NE(states.front(), "");
    EXPECT_EQ(states.back(), "");
  }
  auto again = open(crash_image())->take_contents();
  ASSERT_EQ(again.traces.size(), 1U);
  EXPECT_EQ(again.traces.front().key.number, number);
  EXPECT_EQ(again.observations.size(), 1U);
  EXPECT_EQ(again.sent.at("flux-system/backend").size(), 1U);
}

TEST_F(store_journal, bounds_what_waits_in_memory_and_tells_the_gap) {
  auto with = options();
  with.database.limit_bytes = 400'000;
  with.most_waiting = 10;
  auto log = open(with);
  log->note_position("Kustomization.kustomize.toolkit.fluxcd.io", "1");
  std::uint64_t number = 0;
  while (log->books().problem.empty()) {
    ++number;
    log->put(waiting("uid-1", number, number));
    log->flush();
  }
  for (std::uint64_t version = 2; version < 40; ++version)
    log->add({state_of("apps", version, noon), state_of("infra", version, noon)});
  log->note_position("Kustomization.kustomize.toolkit.fluxcd.io", "40");
  EXPECT_LE(log->books().observations_waiting, 10U);
  EXPECT_GT(log->books().observations_lost, 0U);
  for (std::uint64_t each = 1; each <= number; ++each)
    log->acknowledged({"uid-1", each});
  log->flush();
  log->flush();
  auto again = open(crash_image())->take_contents();
  ASSERT_GE(again.observations.size(), 10U);
  // The first that is left of each object counts as after an outage, and no watch goes on from a position.
  std::set<std::string> seen;
  for (const auto& fact : again.observations)
    EXPECT_EQ(fact->relisted, seen.insert(fact->object.name).second) << fact->object.name;
  EXPECT_TRUE(again.positions.empty());
}

TEST_F(store_journal, lets_go_of_what_the_file_has_and_reads_it_back) {
  auto log = open();
  log->put(waiting("uid-1", 1, 7));
  log->flush();
  EXPECT_EQ(log->let_go({"uid-1", 1}), keeping::kept);
  EXPECT_EQ(log->let_go({"uid-1", 2}), keeping::not_yet);
  EXPECT_EQ(encode(*read(*log, 1)), encode(tc::test::random_trace(7)));
  log->acknowledged({"uid-1", 1});
  log->flush();
  EXPECT_EQ(read(*log, 1), nullptr);
}

TEST_F(store_journal, lets_go_of_nothing_that_cannot_be_written) {
  auto with = options();
  with.database.limit_bytes = 400'000;
  auto log = open(with);
  std::uint64_t number = 0;
  while (log->books().problem.empty()) {
    ++number;
    log->put(waiting("uid-1", number, number));
    log->flush();
  }
  EXPECT_EQ(log->let_go({"uid-1", number}), keeping::failing);
  EXPECT_EQ(log->let_go({"uid-1", 1}), keeping::kept);
  EXPECT_NE(read(*log, 1), nullptr) << "reading goes on while writing fails";
}

TEST_F(store_journal, tells_what_it_finds_one_by_one_and_keeps_it_in_the_file) {
  {
    auto log = open();
    for (std::uint64_t number = 1; number <= 50; ++number)
      log->put(waiting("uid-1", number, number));
  }
  std::size_t told = 0;
  found_trace = [&](const waiting_trace& each) {
    ++told;
    EXPECT_EQ(encode(*each.trace), encode(tc::test::random_trace(each.key.number)));
  };
  auto log = open();
  EXPECT_EQ(told, 50U);
  EXPECT_TRUE(log->take_contents().traces.empty());
  EXPECT_EQ(encode(*read(*log, 33)), encode(tc::test::random_trace(33)));
  EXPECT_EQ(log->let_go({"uid-1", 33}), keeping::kept);
}

TEST_F(store_journal, takes_what_only_a_removed_file_had_over_to_the_next) {
  auto log = open();
  for (std::uint64_t number = 1; number <= 20; ++number)
    log->put(waiting("uid-1", number, number));
  log->flush();
  for (std::uint64_t number = 1; number <= 10; ++number)
    EXPECT_EQ(log->let_go({"uid-1", number}), keeping::kept);
  fs::remove_all(options().path);
  log->add({state_of("apps", 2, noon)});
  log->flush();
  auto again = open(crash_image())->take_contents();
  ASSERT_EQ(again.traces.size(), 20U);
  for (const auto& each : again.traces)
    EXPECT_EQ(encode(*each.trace), encode(tc::test::random_trace(each.key.number)));
  EXPECT_EQ(encode(*read(*log, 3)), encode(tc::test::random_trace(3)));
}

TEST_F(store_journal, reads_observations_back_little_by_little) {
  std::vector<observation_ptr> facts;
  for (std::uint64_t version = 1; version <= 25; ++version)
    facts.push_back(state_of("apps", version, noon));
  auto log = open();
  log->add(facts);
  log->flush();
  log.reset();

  std::vector<observation_ptr> found;
  found_observation = [&](const observation_ptr& fact) { found.push_back(fact); };
  log = open();
  auto there = log->take_contents();
  EXPECT_THAT(there.observations, IsEmpty());
  EXPECT_EQ(bytes_of(found), bytes_of(facts));
  log->add({state_of("apps", 26, noon)}); // is not of the earlier process
  log->flush();

  std::vector<observation_ptr> read;
  int pages = 0;
  for (std::int64_t after = 0; after < there.last_observation; ++pages) {
    std::promise<tc::store::observation_page> page;
    log->read_observations(after, there.last_observation, 10, [&](auto got) { page.set_value(*got); });
    auto got = page.get_future().get();
    EXPECT_LE(got.facts.size(), 10U);
    read.insert(read.end(), got.facts.begin(), got.facts.end());
    after = got.last;
  }
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(bytes_of(read), bytes_of(facts));
}

TEST_F(store_journal, observations_of_a_file_that_turns_out_to_be_damaged_do_not_count) {
  std::vector<observation_ptr> facts;
  for (std::uint64_t version = 1; version <= 200; ++version)
    facts.push_back(state_of("apps", version, noon));
  auto log = open();
  log->add(facts);
  log->flush();
  log.reset();
  std::string text;
  {
    std::ifstream in{file(), std::ios::binary};
    text.assign(std::istreambuf_iterator<char>{in}, {});
  }
  // One letter within the last row's content, which no page's own check looks at.
  auto at = text.find("uid-apps");
  ASSERT_NE(at, std::string::npos);
  set_byte(file(), at, 'U');
  bool counts = false;
  found_observation = [&](const observation_ptr& fact) { counts = fact != nullptr; };
  log = open();
  EXPECT_FALSE(counts) << "the last that was told is that none counts";
  EXPECT_EQ(log->take_contents().last_observation, 0);
  std::promise<std::size_t> there;
  log->read_observations(0, 1000, 10, [&](auto got) { there.set_value(got ? got->facts.size() : 99); });
  EXPECT_EQ(there.get_future().get(), 0U);
}

TEST_F(store_journal, takes_what_only_a_damaged_file_had_over_to_the_next) {
  {
    auto log = open();
    for (std::uint64_t version = 1; version < 400; ++version)
      log->add({state_of("apps", version, noon)});
    for (std::uint64_t number = 1; number <= 20; ++number)
      log->put(waiting("uid-1", number, number));
  }
  for (std::size_t page = 12; page < 20; ++page)
    set_byte(file(), page * 4096 + 4000, '\x5a');
  std::set<std::uint64_t> told;
  found_trace = [&](const waiting_trace& each) { told.insert(each.key.number); };
  auto log = open();
  EXPECT_EQ(damages.size(), 1U);
  EXPECT_EQ(told.size(), 20U);
  for (std::uint64_t number = 1; number <= 20; ++number) {
    auto found = read(*log, number);
    ASSERT_NE(found, nullptr) << number;
    EXPECT_EQ(encode(*found), encode(tc::test::random_trace(number)));
  }
}

TEST_F(store_journal, begins_anew_when_somebody_removes_the_folder) {
  auto log = open();
  log->put(waiting("uid-1", 1));
  log->note_sent("flux-system/backend", {1, 2});
  log->flush();
  fs::remove_all(options().path);
  log->add({state_of("apps", 2, noon)});
  log->flush();
  EXPECT_EQ(log->books().problem, "");
  auto again = open(crash_image())->take_contents();
  EXPECT_EQ(again.traces.size(), 1U);
  EXPECT_EQ(again.sent.at("flux-system/backend").size(), 2U);
  ASSERT_EQ(again.observations.size(), 1U);
  EXPECT_TRUE(again.observations.front()->relisted);
}

TEST_F(store_journal, gives_nothing_wrong_from_a_damaged_file) {
  {
    auto log = open();
    for (std::uint64_t version = 1; version < 60; ++version)
      log->add({state_of("apps" + std::to_string(version % 5), version, noon)});
    for (std::uint64_t number = 1; number < 20; ++number)
      log->put(waiting("uid-1", number, number));
    log->note_sent("flux-system/backend", {1, 2, 3});
    log->flush();
  }
  auto sound = options().path + ".sound";
  fs::copy(file(), sound);
  auto size = fs::file_size(sound);
  std::mt19937_64 random{1};
  int noticed = 0;
  for (int round = 0; round < 150; ++round) {
    SCOPED_TRACE(round);
    fs::remove_all(options().path);
    fs::create_directories(options().path);
    fs::copy(sound, file());
    // The header and each page's beginning more often than their share.
    auto at = round < 40 ? static_cast<std::size_t>(round) * 4 : random() % size;
    if (round % 3 == 0)
      at = at / 4096 * 4096 + at % 16;
    for (std::size_t each = 0; each < 1U + static_cast<std::size_t>(round) % 8; ++each)
      set_byte(file(), (at + each) % size, static_cast<char>(random()));
    if (round % 10 == 9)
      fs::resize_file(file(), random() % size);
    damages.clear();
    auto log = open();
    ASSERT_TRUE(log);
    auto found = log->take_contents();
    noticed += damages.empty() ? 0 : 1;
    EXPECT_LE(found.observations.size(), 59U);
    for (const auto& fact : found.observations)
      EXPECT_EQ(encode(*fact), encode(*state_of("apps" + std::to_string(fact->resource_version % 5),
                                                fact->resource_version, noon)));
    for (const auto& each : found.traces)
      EXPECT_EQ(encode(*each.trace), encode(tc::test::random_trace(each.key.number)));
    if (damages.empty() && !found.observations.empty()) {
      EXPECT_EQ(found.observations.size(), 59U) << "a damage that nobody noticed took something away";
    }
    // And it is a store again.
    log->put(waiting("uid-9", 99, 99));
    log->flush();
    EXPECT_EQ(log->books().problem, "");
  }
  EXPECT_GT(noticed, 50);
}

TEST_F(store_journal, saves_what_waits_from_a_damaged_file) {
  {
    auto log = open();
    for (std::uint64_t version = 1; version < 400; ++version)
      log->add({state_of("apps", version, noon)});
    log->put(waiting("uid-1", 1, 5));
    log->note_sent("flux-system/backend", {1, 2, 3});
    log->flush();
  }
  // Somewhere in the observations, which are most of the file.
  for (std::size_t page = 12; page < 20; ++page)
    set_byte(file(), page * 4096 + 4000, '\x5a');
  auto log = open();
  EXPECT_EQ(damages.size(), 1U);
  auto found = log->take_contents();
  EXPECT_TRUE(found.observations.empty());
  ASSERT_EQ(found.traces.size(), 1U);
  EXPECT_EQ(found.sent.at("flux-system/backend").size(), 3U);
  log->flush();
  auto again = open(crash_image())->take_contents();
  EXPECT_EQ(again.traces.size(), 1U);
  EXPECT_EQ(again.sent.at("flux-system/backend").size(), 3U);
}

TEST_F(store_journal, keeps_few_of_the_files_that_it_sets_aside) {
  for (int round = 0; round < 5; ++round) {
    open().reset();
    set_byte(file(), 0, 'x');
  }
  open().reset();
  std::size_t aside = 0;
  for (const auto& entry : fs::directory_iterator{options().path})
    aside += entry.path().filename().string().find(".damaged-") != std::string::npos &&
             !entry.path().string().ends_with("-wal");
  EXPECT_EQ(aside, directory::most_aside);
}

TEST_F(store_journal, survives_a_log_that_is_cut_anywhere) {
  auto log = open();
  for (std::uint64_t number = 1; number < 30; ++number) {
    log->add({state_of("apps", number, noon)});
    log->put(waiting("uid-1", number, number));
    log->flush();
  }
  auto whole = crash_image();
  auto size = fs::file_size(whole.path + "/store.db-wal");
  std::size_t before = 0;
  for (std::size_t cut = 0; cut <= size; cut += size / 40 + 1) {
    auto image = options();
    image.path = folder.path() + "/cut";
    fs::remove_all(image.path);
    fs::copy(whole.path, image.path);
    fs::remove(image.path + "/lock");
    fs::resize_file(image.path + "/store.db-wal", cut);
    auto found = open(image)->take_contents();
    // What was given first is there first; a group may end between an observation and its trace.
    EXPECT_LE(found.traces.size(), found.observations.size());
    EXPECT_LE(found.observations.size(), found.traces.size() + 1);
    EXPECT_GE(found.observations.size(), before);
    before = found.observations.size();
  }
  EXPECT_GT(before, 20U);
  EXPECT_THAT(damages, IsEmpty());
}
