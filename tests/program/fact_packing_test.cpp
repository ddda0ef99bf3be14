#include "runtime/program/fact_packing.hpp"

#include "runtime/store/codec.hpp"
#include "tests/support/recording.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

namespace tc::runtime {
namespace {

constexpr std::size_t plenty = std::size_t{1} << 30;

class fact_packing : public ::testing::Test {
protected:
  static void expect_same(const std::optional<observation_batch>& got, const observation_batch& wanted) {
    ASSERT_TRUE(got);
    ASSERT_EQ(got->size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      EXPECT_EQ(store::encode(*(*got)[i]), store::encode(*wanted[i]));
  }

  tc::testing::temporary_folder folder;
  observation_batch facts = tc::test::load_stream(TC_SOURCE_DIR "/tests/recordings/s02-helm/stream.jsonl.gz");
  std::vector<std::size_t> prints = std::vector<std::size_t>(facts.size(), 42);
};

TEST_F(fact_packing, gives_back_what_was_packed_in_memory) {
  auto packed = make_fact_packer(nullptr)(facts, prints);
  std::size_t bytes = 0;
  for (const auto& fact : facts)
    bytes += fact->byte_size();
  EXPECT_LT(packed->memory(), bytes / 10);
  expect_same(packed->unpack(), facts);
  EXPECT_EQ(packed->prints(), prints);
}

TEST_F(fact_packing, gives_back_what_lies_in_a_file_without_a_name) {
  auto file = spill_file::in(folder.path(), plenty);
  ASSERT_TRUE(file);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  auto pack = make_fact_packer(file);
  auto first = pack(facts, prints);
  auto size = file->size();
  EXPECT_GT(size, 0U);
  EXPECT_LT(first->memory(), 200U);
  observation_batch few{facts.begin(), facts.begin() + 3};
  auto second = pack(few, {7});
  expect_same(second->unpack(), few);
  expect_same(first->unpack(), facts);
  EXPECT_EQ(second->prints(), std::vector<std::size_t>{7});
  EXPECT_EQ(first->prints(), prints);
  first.reset();
  expect_same(second->unpack(), few);
  second.reset();
  EXPECT_EQ(file->size(), 0U) << "the room goes back to the disk";
  expect_same(pack(facts, prints)->unpack(), facts);
}

TEST_F(fact_packing, stays_in_memory_where_the_disk_has_no_room) {
  auto file = spill_file::in(folder.path(), 4096);
  ASSERT_TRUE(file);
  auto pack = make_fact_packer(file);
  auto packed = pack(facts, prints);
  EXPECT_EQ(file->size(), 0U);
  EXPECT_GT(packed->memory(), 4096U);
  expect_same(packed->unpack(), facts);
  EXPECT_EQ(spill_file::in(folder.path("nowhere"), plenty), nullptr);
}

} // namespace
} // namespace tc::runtime
