#include "runtime/program/overload.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace tc::runtime {
namespace {

using namespace std::chrono_literals;
using trace::shed_level;

struct overloaded : testing::Test {
  std::vector<shed_level> levels;
  std::size_t lost = 0;
  overload subject{[this](shed_level level) { levels.push_back(level); },
                   [this](const observation&, shed_level) { ++lost; }};

  void look(std::size_t waiting, duration at) { subject.look(waiting, 100, timestamp{at}); }

  static observation_batch_ptr batch(std::size_t size) {
    observation state;
    state.object = {"kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps"};
    state.state.emplace();
    return std::make_shared<const observation_batch>(size, std::make_shared<const observation>(state));
  }
};

TEST_F(overloaded, goes_further_the_longer_it_lasts) {
  for (auto at : {0s, 4s, 5s, 14s, 15s, 29s, 30s, 60s})
    look(80, at);
  EXPECT_EQ(levels, (std::vector{shed_level::repeated, shed_level::phases, shed_level::idle_runs}));
}

TEST_F(overloaded, ends_below_half_and_begins_again_at_three_quarters) {
  look(75, 0s);
  look(50, 5s);
  EXPECT_EQ(subject.level(), shed_level::repeated);
  look(49, 6s);
  EXPECT_EQ(subject.level(), shed_level::nothing);
  look(74, 7s);
  look(74, 60s);
  EXPECT_EQ(subject.level(), shed_level::nothing);
  EXPECT_EQ(levels, (std::vector{shed_level::repeated, shed_level::nothing}));
}

TEST_F(overloaded, leaves_a_burst_alone) {
  look(100, 0s);
  look(100, 4s);
  auto whole = batch(3);
  EXPECT_EQ(subject.sift(whole), whole);
  EXPECT_EQ(lost, 0U);
}

TEST_F(overloaded, hands_on_what_is_kept_and_counts_the_rest) {
  look(100, 0s);
  look(100, 5s);
  EXPECT_EQ(subject.sift(batch(3))->size(), 1U);
  EXPECT_EQ(lost, 2U);
  EXPECT_EQ(subject.sift(batch(2)), nullptr);
  EXPECT_EQ(lost, 4U);
  look(0, 6s);
  EXPECT_EQ(subject.sift(batch(2))->size(), 2U);
  EXPECT_EQ(lost, 4U);
}

} // namespace
} // namespace tc::runtime
