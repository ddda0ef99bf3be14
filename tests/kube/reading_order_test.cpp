#include "kube/reading_order.hpp"

#include <gtest/gtest.h>

using namespace tc::kube;
using namespace std::chrono_literals;

namespace {

class reading_order_test : public ::testing::Test {
protected:
  tc::duration now = 1h;
  reading_order order{[this] { return now; }};
  std::size_t first = order.join();
  std::size_t second = order.join();
};

TEST_F(reading_order_test, nobody_waits_for_a_watch_that_brings_nothing) {
  order.came(first, 1000);
  order.came(second, 100'000);
  now += reading_order::a_moment;
  EXPECT_TRUE(order.may_read(first, true));
  EXPECT_TRUE(order.may_read(second, true));
}

TEST_F(reading_order_test, who_is_ahead_waits_for_who_has_more) {
  order.came(first, 1000);
  order.came(second, 2000);
  EXPECT_FALSE(order.may_read(second, true)) << "the first may have more";
  now += reading_order::a_moment;
  EXPECT_TRUE(order.may_read(second, true));
  EXPECT_FALSE(order.may_read(first, false)) << "no room: it has more for sure, for as long as it takes";
  now += 10s;
  EXPECT_FALSE(order.may_read(second, true));
  EXPECT_TRUE(order.may_read(first, true));
  order.came(first, 2000);
  EXPECT_TRUE(order.may_read(second, true));
}

TEST_F(reading_order_test, a_little_ahead_is_none) {
  order.came(first, 1000);
  order.came(second, 1000 + reading_order::slack);
  EXPECT_TRUE(order.may_read(second, true));
  order.came(second, 1001 + reading_order::slack);
  EXPECT_FALSE(order.may_read(second, true));
}

TEST_F(reading_order_test, a_watch_that_has_ended_is_waited_for_no_longer) {
  order.came(first, 1000);
  order.came(second, 2000);
  EXPECT_FALSE(order.may_read(first, false));
  EXPECT_FALSE(order.may_read(second, true));
  order.closed(first);
  EXPECT_TRUE(order.may_read(second, true));
  EXPECT_TRUE(order.may_read(first, true)) << "a list is in no order";
}

TEST_F(reading_order_test, nobody_waits_for_ever_for_versions_that_mean_nothing) {
  order.came(second, 1'000'000'000);
  int read = 0;
  for (int step = 0; step < 1000; ++step, now += 1ms) {
    order.came(first, 1000 + static_cast<std::uint64_t>(step));
    read += order.may_read(second, true) ? 1 : 0;
  }
  EXPECT_EQ(read, 3) << "one piece each 250 ms";
}

TEST_F(reading_order_test, who_may_be_kept_apart_waits_and_is_not_waited_for) {
  auto events = order.join(true);
  order.came(first, 1000);
  order.came(events, 2000);
  EXPECT_FALSE(order.may_read(events, true));
  EXPECT_TRUE(order.may_read(first, true));
  order.came(first, 5000);
  EXPECT_TRUE(order.may_read(first, true));
  order.closed(events);
  order.came(events, 2000);
  EXPECT_FALSE(order.may_read(events, false));
  EXPECT_TRUE(order.may_read(first, true));
}

TEST_F(reading_order_test, without_room_nobody_reads_and_nobodys_patience_ends) {
  order.came(first, 1000);
  order.came(second, 2000);
  for (int step = 0; step < 1000; ++step, now += 1ms) {
    EXPECT_FALSE(order.may_read(first, false));
    EXPECT_FALSE(order.may_read(second, false));
  }
  EXPECT_FALSE(order.may_read(second, true)) << "the first is first";
  EXPECT_TRUE(order.may_read(first, true));
}

} // namespace
