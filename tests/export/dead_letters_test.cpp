// The folder of dead letters on a real file system: what is in it, its bounds, and disks that do not take it.

#include "export/dead_letters.hpp"
#include "export/otlp_json_reader.hpp"
#include "tests/export/sample_traces.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>

#include <sys/resource.h>

namespace tc::exporting {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const timestamp start{seconds{1'700'000'000}};

std::string content(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

class dead_letters : public ::testing::Test {
protected:
  std::vector<std::filesystem::path> files(const std::string& end) const {
    std::vector<std::filesystem::path> out;
    if (std::filesystem::is_directory(where))
      for (const auto& each : std::filesystem::directory_iterator{where})
        if (each.path().string().ends_with(end))
          out.push_back(each.path());
    std::sort(out.begin(), out.end());
    return out;
  }
  dead_letter letter(std::uint32_t seed, std::size_t spans = 3) const {
    return {testing::random_trace(seed, spans), "flux-system/backend", "status_400",
            "the backend answered 400", start + seconds{seed}};
  }

  tc::testing::temporary_folder folder;
  std::filesystem::path where = std::filesystem::path{folder.path()} / "some" / "folder";
};

TEST_F(dead_letters, are_otlp_json_with_the_reason_beside_it) {
  dead_letter_folder letters{where};
  auto refused = letter(1);
  ASSERT_EQ(letters.put(refused).error, "");
  ASSERT_THAT(files(".otlp.json"), SizeIs(1));
  auto spans = read_otlp_json_lines(content(files(".otlp.json")[0]));
  ASSERT_TRUE(spans) << spans.error();
  ASSERT_EQ(spans->size(), 3U);
  for (const auto& one : *spans)
    EXPECT_EQ(one.trace, refused.trace->id);
  auto reason = nlohmann::json::parse(content(files(".reason.json").at(0)));
  EXPECT_EQ(reason.at("reason"), "status_400");
  EXPECT_EQ(reason.at("message"), "the backend answered 400");
  EXPECT_EQ(reason.at("provider"), "flux-system/backend");
  EXPECT_EQ(reason.at("traceID"), refused.trace->id.to_hex());
  EXPECT_EQ(reason.at("spans"), 3);
  EXPECT_EQ(std::filesystem::status(files(".otlp.json")[0]).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(dead_letters, are_bounded_in_files_and_the_oldest_go) {
  dead_letter_folder letters{where, {.files = 3}};
  std::size_t removed = 0;
  for (std::uint32_t i = 1; i <= 5; ++i)
    removed += letters.put(letter(i)).removed;
  EXPECT_EQ(removed, 2U);
  ASSERT_THAT(files(".otlp.json"), SizeIs(3));
  ASSERT_THAT(files(".reason.json"), SizeIs(3));
  EXPECT_THAT(files(".otlp.json")[0].string(), HasSubstr(letter(3).trace->id.to_hex()));
}

TEST_F(dead_letters, are_bounded_in_bytes) {
  dead_letter_folder letters{where, {.bytes = 20'000}};
  for (std::uint32_t i = 1; i <= 40; ++i) {
    letters.put(letter(i));
    ASSERT_LE(letters.bytes(), 20'000U);
  }
  std::size_t on_disk = 0;
  for (const auto& each : files(".json"))
    on_disk += std::filesystem::file_size(each);
  EXPECT_EQ(on_disk, letters.bytes());
  EXPECT_GT(letters.letters(), 2U);
  EXPECT_THAT(letters.put(letter(41, 400)).error, HasSubstr("larger than the whole folder"));
  EXPECT_GT(letters.letters(), 2U) << "which makes no room in vain";
}

TEST_F(dead_letters, of_earlier_processes_count) {
  {
    dead_letter_folder before{where};
    before.put(letter(1));
    before.put(letter(2));
  }
  std::ofstream{where / "20231114T221320Z-000001-ab.otlp.json.unfinished"} << "{";
  dead_letter_folder letters{where, {.files = 2}};
  EXPECT_EQ(letters.put(letter(3)).removed, 1U);
  ASSERT_THAT(files(".otlp.json"), SizeIs(2));
  EXPECT_THAT(files(".otlp.json")[0].string(), HasSubstr(letter(2).trace->id.to_hex()));
  EXPECT_THAT(files(".unfinished"), IsEmpty());
}

TEST_F(dead_letters, that_were_taken_away_make_room) {
  dead_letter_folder letters{where, {.files = 2}};
  letters.put(letter(1));
  letters.put(letter(2));
  for (const auto& each : files(".json"))
    std::filesystem::remove(each); // sent again, say
  EXPECT_EQ(letters.put(letter(3)).removed, 0U);
  EXPECT_THAT(files(".otlp.json"), SizeIs(1));
}

TEST_F(dead_letters, leave_nothing_half_written_on_a_full_disk_and_go_on_when_there_is_room) {
  dead_letter_folder letters{where};
  ASSERT_EQ(letters.put(letter(1)).error, "");
  // A write that stops in the middle, as on a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto small = before;
  small.rlim_cur = 1000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto failed = letters.put(letter(2, 20));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(failed.error, HasSubstr("cannot write"));
  EXPECT_THAT(files(""), SizeIs(2));
  EXPECT_EQ(letters.put(letter(3)).error, "");
  EXPECT_THAT(files(".otlp.json"), SizeIs(2));
}

TEST_F(dead_letters, survive_a_folder_that_cannot_be_made_or_is_taken_away) {
  std::ofstream{std::filesystem::path{folder.path()} / "some"} << "a file in the way";
  dead_letter_folder letters{where};
  EXPECT_THAT(letters.put(letter(1)).error, HasSubstr("folder"));
  std::filesystem::remove(std::filesystem::path{folder.path()} / "some");
  EXPECT_EQ(letters.put(letter(2)).error, "");
  std::filesystem::remove_all(where);
  EXPECT_NE(letters.put(letter(3)).error, "");
  EXPECT_EQ(letters.put(letter(4)).error, "") << "made again";
  EXPECT_EQ(letters.letters(), 1U);
}

} // namespace
} // namespace tc::exporting
