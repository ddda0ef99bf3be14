#include "messages/alarm.hpp"

#include <gtest/gtest.h>

namespace tc {
namespace {

using namespace std::chrono_literals;

constexpr timestamp noon{std::chrono::hours{12}};

TEST(Alarm, IsSilentUntilItIsAsked) {
  alarm subject;
  EXPECT_FALSE(subject.take(noon));
}

TEST(Alarm, TheEarliestHoldsWhoeverAskedFirst) {
  alarm subject;
  subject.ask(noon + 2s);
  subject.ask(noon + 1s);
  subject.ask(noon + 3s);
  EXPECT_FALSE(subject.take(noon + 1s - 1ns));
  EXPECT_TRUE(subject.take(noon + 1s));
}

TEST(Alarm, IsTakenOnce) {
  alarm subject;
  subject.ask(noon);
  EXPECT_TRUE(subject.take(noon + 1min));
  EXPECT_FALSE(subject.take(noon + 1h));
  subject.ask(noon + 2h);
  EXPECT_TRUE(subject.take(noon + 2h));
}

} // namespace
} // namespace tc
