// What /healthz says.

#include "runtime/program/liveness.hpp"

#include <gtest/gtest.h>

using namespace tc::runtime;
using namespace std::chrono_literals;

TEST(liveness, ends_when_the_controller_stands_still_and_comes_back_with_it) {
  liveness::clock::time_point start{};
  liveness life{start};
  EXPECT_EQ(life.problem(start + 2min), "");
  EXPECT_NE(life.problem(start + 121s), "");
  life.told(start + 150s);
  EXPECT_EQ(life.problem(start + 200s), "");
}

TEST(liveness, does_not_come_back_once_the_controller_has_ended) {
  liveness::clock::time_point start{};
  liveness life{start};
  EXPECT_FALSE(life.has_failed());
  life.failed("out of range");
  life.told(start + 1s);
  EXPECT_TRUE(life.has_failed());
  EXPECT_EQ(life.problem(start + 2s), "the controller actor has ended: out of range");
}
