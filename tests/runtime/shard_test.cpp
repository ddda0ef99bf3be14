// Traces divided among processes.

#include "runtime/shard.hpp"

#include <gtest/gtest.h>

#include <vector>

using namespace tc::runtime;

namespace {

std::vector<std::string> uids() {
  std::vector<std::string> out;
  for (int i = 0; i < 2000; ++i)
    out.push_back("b1a3606f-3dce-48ed-ba0e-" + std::to_string(i));
  return out;
}

std::size_t owner_of(const std::string& uid, std::size_t count) {
  std::size_t out = count;
  for (std::size_t i = 0; i < count; ++i)
    if (shard{i, count}.owns(uid)) {
      EXPECT_EQ(out, count) << uid << " has two owners";
      out = i;
    }
  EXPECT_LT(out, count) << uid << " has no owner";
  return out;
}

} // namespace

TEST(shard, each_trace_has_one_and_each_shard_its_share) {
  std::vector<int> shares(4);
  for (const auto& uid : uids())
    ++shares[owner_of(uid, 4)];
  for (auto share : shares)
    EXPECT_NEAR(share, 500, 100);
  EXPECT_TRUE((shard{0, 1}.owns("anything")));
}

TEST(shard, which_one_a_trace_is_of_is_the_one_that_owns_it) {
  for (const auto& uid : uids())
    EXPECT_EQ(shard::of(uid, 4), owner_of(uid, 4));
}

TEST(shard, one_more_takes_its_share_from_the_others_and_moves_nothing_else) {
  int moved = 0;
  for (const auto& uid : uids())
    if (auto now = owner_of(uid, 5); now != owner_of(uid, 4)) {
      EXPECT_EQ(now, 4u);
      ++moved;
    }
  EXPECT_NEAR(moved, 400, 100);
}

TEST(shard, is_written_as_index_and_count) {
  EXPECT_EQ(shard::parse("3/4"), (shard{3, 4}));
  EXPECT_EQ((shard{3, 4}.to_string()), "3/4");
  EXPECT_TRUE(shard::parse("0/1")->is_whole());
  EXPECT_EQ(shard::parse("auto/4"), (shard{0, 4, true}));
  EXPECT_EQ((shard{0, 4, true}.to_string()), "auto/4");
  EXPECT_FALSE(shard::parse("auto/1")->is_whole()) << "a Lease says who has it";
  for (const auto* text :
       {"", "/", "1", "4/4", "0/0", "-1/4", "1/4x", " 1/4", "1/ 4", "0/257", "1/2/3",
        "0/99999999999999999999", "auto", "auto/", "auto/0", "auto/257", "Auto/4", "auto/-1", "autox/4"})
    EXPECT_FALSE(shard::parse(text)) << text;
}
