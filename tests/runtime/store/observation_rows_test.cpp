// Which observations are kept: what an estate would remember.

#include "tests/runtime/store/store_fixture.hpp"

#include <gmock/gmock.h>

using namespace tc;
using tc::store::observation_rows;
using tc::test::noon;
using tc::test::state_of;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace {

constexpr std::size_t no_limit = 1'000'000;

struct rows_with : observation_rows {
  void put(const observation_ptr& fact, std::size_t bytes = 10) { add(++last, *fact, bytes); }
  pruning pruned(timestamp horizon, std::size_t newest = 0, std::size_t most = no_limit) {
    auto out = prune(horizon, newest, most);
    apply(out);
    return out;
  }
  std::int64_t last = 0;
};

} // namespace

TEST(store_observation_rows, keeps_the_latest_state_of_each_object) {
  rows_with rows;
  rows.put(state_of("apps", 1, noon));
  rows.put(state_of("infra", 2, noon));
  rows.put(state_of("apps", 3, noon));
  auto done = rows.pruned(noon + std::chrono::hours{1});
  EXPECT_THAT(done.gone, ElementsAre(1));
  EXPECT_THAT(done.first_left, ElementsAre(3)) << "no creation: there were states before it";
  EXPECT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows.bytes(), 20U);
  EXPECT_THAT(rows.pruned(noon + std::chrono::hours{1}).gone, IsEmpty());
}

TEST(store_observation_rows, keeps_what_came_since_the_horizon_and_the_newest) {
  rows_with rows;
  for (std::uint64_t version = 1; version <= 10; ++version)
    rows.put(state_of("apps", version, noon + std::chrono::seconds{version}));
  EXPECT_THAT(rows.pruned(noon + std::chrono::seconds{3}).gone, ElementsAre(1, 2));
  EXPECT_THAT(rows.pruned(noon + std::chrono::hours{1}, 5).gone, ElementsAre(3, 4, 5));
}

TEST(store_observation_rows, keeps_where_the_contents_of_a_source_began) {
  rows_with rows;
  rows.put(state_of("repo", 1, noon, "GitRepository", "main@sha1:a"));
  rows.put(state_of("repo", 2, noon, "GitRepository", "main@sha1:a"));
  rows.put(state_of("repo", 3, noon, "GitRepository", "main@sha1:b"));
  rows.put(state_of("repo", 4, noon, "GitRepository", "main@sha1:b"));
  auto done = rows.pruned(noon + std::chrono::hours{1});
  EXPECT_THAT(done.gone, ElementsAre(2));
  EXPECT_THAT(done.first_left, ElementsAre(1));
  for (std::uint64_t version = 5; version < 5 + observation_rows::contents_kept_of_a_source; ++version)
    rows.put(state_of("repo", version, noon, "GitRepository", "main@sha1:" + std::to_string(version)));
  EXPECT_THAT(rows.pruned(noon + std::chrono::hours{1}).gone, ElementsAre(1, 3, 4));
}

TEST(store_observation_rows, lets_go_of_what_was_deleted) {
  rows_with rows;
  rows.put(state_of("apps", 1, noon));
  auto gone = std::make_shared<observation>(*state_of("apps", 2, noon));
  gone->kind = observation_kind::deleted;
  rows.put(gone);
  EXPECT_THAT(rows.pruned(noon + std::chrono::hours{1}).gone, ElementsAre(1, 2));
  EXPECT_EQ(rows.size(), 0U);
}

TEST(store_observation_rows, gives_room_whatever_the_horizon_is) {
  rows_with rows;
  for (std::uint64_t version = 1; version <= 10; ++version)
    rows.put(state_of("apps", version, noon), 100);
  EXPECT_THAT(rows.pruned(noon - std::chrono::hours{1}, 100, 450).gone, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(rows.bytes(), 400U);
}

TEST(store_observation_rows, an_object_that_comes_back_is_a_new_one) {
  rows_with rows;
  rows.put(state_of("apps", 1, noon));
  auto gone = std::make_shared<observation>(*state_of("apps", 2, noon));
  gone->kind = observation_kind::deleted;
  rows.put(gone);
  rows.put(state_of("apps", 2, noon, "Kustomization")); // told twice: the later row counts
  rows.put(gone);
  rows.pruned(noon + std::chrono::hours{1});
  EXPECT_EQ(rows.size(), 0U);
  rows.put(state_of("apps", 3, noon));
  rows.put(state_of("apps", 4, noon));
  auto done = rows.pruned(noon + std::chrono::hours{1});
  EXPECT_THAT(done.gone, ElementsAre(5));
  EXPECT_EQ(rows.size(), 1U);
}

TEST(store_observation_rows, are_the_same_after_a_move) {
  rows_with before;
  for (std::uint64_t version = 1; version <= 6; ++version)
    before.put(state_of(version % 2 == 0 ? "apps" : "infra", version, noon));
  rows_with rows{std::move(before)};
  EXPECT_THAT(rows.pruned(noon + std::chrono::hours{1}).gone, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(rows.size(), 2U);
}
