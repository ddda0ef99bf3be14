// When a change was last busy, before an object that takes it was made.

#include "trace/change_activity.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using namespace tc;
using namespace tc::trace;

const auto noon = *parse_rfc3339("2026-11-21T12:00:00Z");
const object_id app{"kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "app"};
const object_id other{"kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "other"};

struct change_under_test {
  change_activity activity;
  std::vector<attempt> attempts;

  void fetched(timestamp at) {
    occurrence content;
    content.updated = at;
    activity.add_content(content);
  }

  void ran(const object_id& object, timestamp ended, outcome result = outcome::succeeded,
           bool retry_due = false) {
    attempt made;
    made.object = object;
    made.outcome_second = ended;
    made.result = result;
    made.retry_due = retry_due;
    attempts.push_back(made);
    activity.add_attempt(attempts, attempts.size() - 1);
  }

  std::optional<timestamp> last_busy(timestamp until) const {
    return activity.last_busy(attempts, app, until);
  }
};

TEST(change_activity, is_the_latest_fetch_or_run_until_then) {
  change_under_test change;
  change.fetched(noon);
  change.fetched(noon + 10s);
  change.fetched(noon + 90s);
  EXPECT_EQ(change.last_busy(noon), noon);
  EXPECT_EQ(change.last_busy(noon + 60s), noon + 10s);
  change.ran(other, noon + 5s);
  EXPECT_EQ(change.last_busy(noon + 60s), noon + 10s);
  change.ran(other, noon + 40s);
  change.ran(other, noon + 80s);
  EXPECT_EQ(change.last_busy(noon + 40s), noon + 40s) << "that very second counts";
  EXPECT_EQ(change.last_busy(noon + 60s), noon + 40s);
  EXPECT_EQ(change.last_busy(noon + 85s), noon + 80s);
}

TEST(change_activity, is_nothing_when_all_content_is_younger) {
  change_under_test change;
  EXPECT_EQ(change.last_busy(noon), std::nullopt);
  change.fetched({});
  EXPECT_EQ(change.last_busy(noon), std::nullopt) << "when it was fetched is not known";
  change.fetched(noon + 1s);
  change.ran(other, noon - 1s);
  EXPECT_EQ(change.last_busy(noon), std::nullopt);
}

TEST(change_activity, leaves_the_objects_own_runs_aside) {
  change_under_test change;
  change.fetched(noon);
  change.ran(other, noon + 5s);
  change.ran(app, noon + 10s);
  change.ran(app, noon + 20s, outcome::failed, true);
  change.ran(app, {}, outcome::open);
  EXPECT_EQ(change.last_busy(noon + 60s), noon + 5s);
}

TEST(change_activity, is_nothing_while_another_object_is_under_way) {
  change_under_test open;
  open.fetched(noon);
  open.ran(app, {}, outcome::open);
  open.ran(other, {}, outcome::open);
  EXPECT_EQ(open.last_busy(noon + 60s), std::nullopt);

  change_under_test retries;
  retries.fetched(noon);
  retries.ran(other, noon + 5s, outcome::failed, true);
  EXPECT_EQ(retries.last_busy(noon + 60s), std::nullopt);

  change_under_test gave_up;
  gave_up.fetched(noon);
  gave_up.ran(other, noon + 5s, outcome::failed, false);
  EXPECT_EQ(gave_up.last_busy(noon + 60s), noon + 5s);
}

} // namespace
