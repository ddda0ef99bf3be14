#include "trace/revision.hpp"

#include "messages/kinds.hpp"
#include "trace/span_ids.hpp"

#include <gtest/gtest.h>

namespace tc::trace {
namespace {

const std::string h40(40, 'a');
const std::string h64(64, 'b');

object_id source(const char* kind) {
  return {std::string{usual_group(kind)}, kind, "apps", "web"};
}

struct shape {
  std::string text;
  revision expected;
};

class revisions : public testing::TestWithParam<shape> {};

TEST_P(revisions, are_taken_apart) {
  EXPECT_EQ(parse_revision(GetParam().text), GetParam().expected) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    all, revisions,
    testing::Values(
        shape{"main@sha1:" + h40, {"main", "sha1", h40}},
        shape{"refs/pull/1/head@sha1:" + h40, {"refs/pull/1/head", "sha1", h40}},
        shape{"v1.2.3@sha1:" + h40, {"v1.2.3", "sha1", h40}},
        shape{"user@host/branch@sha1:" + h40, {"user@host/branch", "sha1", h40}},
        shape{"sha1:" + h40, {"", "sha1", h40}}, shape{"sha256:" + h64, {"", "sha256", h64}},
        shape{"latest@sha256:" + h64, {"latest", "sha256", h64}},
        shape{"6.5.4@sha256:" + h64, {"6.5.4", "sha256", h64}}, shape{"main/" + h40, {"main", "sha1", h40}},
        shape{"feature/x/" + h40, {"feature/x", "sha1", h40}}, shape{"HEAD/" + h40, {"", "sha1", h40}},
        shape{h40, {"", "sha1", h40}}, shape{"tag/" + h64, {"tag", "sha256", h64}},
        shape{"main@sha1:" + std::string(40, 'A'), {"main", "sha1", h40}}, shape{"6.5.4", {"6.5.4", "", ""}},
        shape{"6.0.3+4e5cbb7b97d0", {"6.0.3+4e5cbb7b97d0", "", ""}}, shape{"", {"", "", ""}},
        shape{"orev", {"orev", "", ""}}, shape{"main@sha1:", {"main@sha1:", "", ""}},
        shape{"@", {"@", "", ""}}));

TEST(change_keys, are_the_content_not_the_branch) {
  EXPECT_EQ(change_key_of(source("GitRepository"), "main@sha1:" + h40, ""), "sha1:" + h40);
  EXPECT_EQ(change_key_of(source("GitRepository"), "refs/heads/x@sha1:" + h40, ""), "sha1:" + h40);
  EXPECT_EQ(change_key_of(source("OCIRepository"), "latest@sha256:" + h64, ""), "sha256:" + h64);
  EXPECT_EQ(change_key_of(source("Bucket"), "sha256:" + h64, ""), "sha256:" + h64);
}

TEST(change_keys, are_the_origin_commit_where_an_artifact_names_one) {
  EXPECT_EQ(change_key_of(source("OCIRepository"), "latest@sha256:" + h64, "main@sha1:" + h40),
            "sha1:" + h40);
  EXPECT_EQ(change_key_of(source("ExternalArtifact"), "latest@sha256:" + h64, "6.1.8/" + h40), "sha1:" + h40);
  EXPECT_EQ(change_key_of(source("OCIRepository"), "latest@sha256:" + h64, "build 17"), "sha256:" + h64)
      << "free text that names no commit";
}

TEST(change_keys, of_charts_name_the_chart_and_its_version) {
  EXPECT_EQ(change_key_of(source("HelmChart"), "6.5.4", ""), "chart:apps/web@6.5.4");
  EXPECT_EQ(change_key_of(source("HelmRepository"), "sha256:" + h64, ""), "") << "an index is no change";
}

TEST(change_keys, are_told_from_others_without_being_made) {
  for (const auto* kind : {"GitRepository", "OCIRepository", "HelmChart", "HelmRepository"})
    for (const auto& revision : {"main@sha1:" + h40, "main@sha1:" + std::string(40, 'A'),
                                 "latest@sha256:" + h64, "tag/" + h64, std::string{"6.5.4"}, std::string{}})
      for (const auto& origin : {std::string{}, "main@sha1:" + h40, std::string{"build 17"}})
        for (const auto& key : {"sha1:" + h40, "SHA1:" + h40, "sha256:" + h64, "sha1:" + h40 + "0",
                                std::string{"chart:apps/web@6.5.4"}, std::string{}})
          EXPECT_EQ(has_change_key(source(kind), revision, origin, key),
                    change_key_of(source(kind), revision, origin) == key)
              << kind << ' ' << revision << ' ' << origin << ' ' << key;
}

TEST(change_keys, keep_their_incarnation_apart) {
  auto at = *parse_rfc3339("2026-11-21T09:13:23Z");
  auto key = incarnation_key("sha1:" + h40, at);
  EXPECT_EQ(key, "sha1:" + h40 + "@2026-11-21T09:13:23Z");
  EXPECT_EQ(base_key(key), "sha1:" + h40);
  EXPECT_EQ(base_key("chart:apps/web@6.5.4"), "chart:apps/web@6.5.4");
}

TEST(ids, are_those_of_the_design) {
  // printf 'sha1:aaaa…' | sha256sum
  auto id = derive_trace_id("sha1:" + h40);
  EXPECT_EQ(id, derive_trace_id("sha1:" + h40));
  auto hash = sha256("sha1:" + h40);
  EXPECT_TRUE(std::equal(id.bytes.begin(), id.bytes.end(), hash.begin()));
  EXPECT_NE(id, derive_trace_id("sha1:" + h40, "uid-of-a-trace:"));
}

TEST(ids, of_spans_differ_by_trace_object_and_discriminator) {
  auto trace = derive_trace_id("a");
  auto one = derive_span_id(trace, source("GitRepository"), "source");
  EXPECT_NE(one, derive_span_id(derive_trace_id("b"), source("GitRepository"), "source"));
  EXPECT_NE(one, derive_span_id(trace, source("Bucket"), "source"));
  EXPECT_NE(one, derive_span_id(trace, source("GitRepository"), "waited"));
  EXPECT_FALSE(one.is_zero());
}

} // namespace
} // namespace tc::trace
