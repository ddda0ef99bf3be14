// Which objects have to do with a change: what takes it, and what those hang under, and nothing beside.

#include "trace/reach.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tc::trace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

object_id of(const std::string& kind, const std::string& name) {
  return {"", kind, "flux-system", name};
}

const auto git = of("GitRepository", "git");
const auto top = of("Kustomization", "top");
const auto app = of("Kustomization", "app");
const auto beside = of("Kustomization", "beside");
const auto release = of("HelmRelease", "release");
const auto chart = of("HelmChart", "chart");
const auto charts = of("HelmRepository", "charts");
const auto others = of("HelmChart", "others");

/// A source with a Kustomization that applies a release, whose chart comes from a repository that others use.
reach small_tree() {
  reach out;
  out.content(git, "sha1:a");
  out.link(app, git);
  out.link(release, app);
  out.link(release, chart);
  out.link(chart, charts);
  out.link(others, charts);
  out.link(of("HelmRelease", "of others"), others);
  return out;
}

TEST(reach, goes_down_to_all_that_takes_the_change_and_up_to_what_decides_that) {
  auto tree = small_tree();
  tree.open("sha1:a", git);
  EXPECT_THAT(tree.members("sha1:a"),
              UnorderedElementsAre(Pair(git, true), Pair(app, true), Pair(release, true), Pair(chart, false),
                                   Pair(charts, false)));
  EXPECT_THAT(tree.changes_of(charts), ElementsAre("sha1:a"));
  EXPECT_THAT(tree.changes_of(others), IsEmpty());
}

TEST(reach, of_a_chart_is_the_release_that_it_upgrades) {
  auto tree = small_tree();
  tree.content(chart, "chart:flux-system/chart@2.0.0");
  tree.open("chart:flux-system/chart@2.0.0", chart);
  EXPECT_THAT(tree.members("chart:flux-system/chart@2.0.0"),
              UnorderedElementsAre(Pair(chart, true), Pair(release, true), Pair(charts, false),
                                   Pair(app, false), Pair(git, false)));
}

TEST(reach, grows_with_what_becomes_known_in_any_order) {
  reach tree;
  tree.open("sha1:a", git);
  EXPECT_THAT(tree.take_grown(), IsEmpty()) << "who opens it asks for all of it";
  tree.link(release, app);
  EXPECT_THAT(tree.take_grown(), IsEmpty());
  tree.link(app, git);
  EXPECT_THAT(tree.take_grown(), UnorderedElementsAre(Pair("sha1:a", app), Pair("sha1:a", release)));
  tree.link(release, chart);
  EXPECT_THAT(tree.take_grown(), ElementsAre(Pair("sha1:a", chart)));
  auto mirror = of("GitRepository", "mirror");
  tree.link(beside, mirror);
  tree.content(mirror, "sha1:a");
  EXPECT_THAT(tree.take_grown(), UnorderedElementsAre(Pair("sha1:a", mirror), Pair("sha1:a", beside)));
}

TEST(reach, goes_down_from_what_was_only_looked_at_once_that_takes_the_change) {
  reach tree;
  tree.link(app, git);
  tree.link(app, top);
  tree.link(beside, top);
  tree.open("sha1:a", git);
  EXPECT_THAT(tree.changes_of(beside), IsEmpty());
  tree.link(top, git);
  EXPECT_THAT(tree.changes_of(beside), ElementsAre("sha1:a"));
}

TEST(reach, does_not_go_from_a_dependency_to_those_that_wait_for_it) {
  reach tree;
  tree.link(app, git);
  tree.look(beside, app);
  tree.open("sha1:a", git);
  EXPECT_THAT(tree.changes_of(beside), IsEmpty());
  tree.open("sha1:b", beside);
  EXPECT_THAT(tree.changes_of(app), UnorderedElementsAre("sha1:a", "sha1:b"));
}

TEST(reach, of_an_object_whose_source_nobody_has_seen_is_what_follows_that_source) {
  reach tree;
  tree.link(app, git);
  tree.link(beside, git);
  tree.open("sha1:a", app);
  EXPECT_THAT(tree.changes_of(beside), ElementsAre("sha1:a"));
}

TEST(reach, of_a_later_incarnation_is_that_of_its_content) {
  reach tree;
  tree.link(app, git);
  tree.content(git, "sha1:a");
  tree.open("sha1:a@2026-11-21T08:00:00Z", app);
  EXPECT_THAT(tree.changes_of(git), ElementsAre("sha1:a@2026-11-21T08:00:00Z"));
}

TEST(reach, has_a_source_that_may_have_had_the_content_once) {
  reach tree;
  tree.content(git, "sha1:b");
  tree.link(app, git);
  tree.recorded(git, "sha1:a");
  auto mirror = of("GitRepository", "mirror");
  tree.content(mirror, "sha1:a");
  tree.open("sha1:a", mirror);
  EXPECT_THAT(tree.members("sha1:a"),
              UnorderedElementsAre(Pair(mirror, true), Pair(git, true), Pair(app, true)));
}

TEST(reach, ends_when_a_change_is_closed_and_lives_through_forgotten_links) {
  auto tree = small_tree();
  tree.open("sha1:a", git);
  tree.open("sha1:b", app);
  tree.close("sha1:a");
  EXPECT_THAT(tree.changes_of(app), ElementsAre("sha1:b"));
  EXPECT_THAT(tree.members("sha1:a"), IsEmpty());
  tree.clear_links();
  EXPECT_THAT(tree.changes_of(release), IsEmpty());
  tree.link(release, app);
  EXPECT_THAT(tree.changes_of(release), ElementsAre("sha1:b"));
}

} // namespace
} // namespace tc::trace
