// Trace and Provider resources from YAML files.

#include "runtime/program/manifests.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace tc;
using namespace tc::runtime;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace {

constexpr const char* trace = R"(
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Trace
metadata: {name: apps}
spec:
  providerRef: {name: backend}
  eventSources: [{kind: Kustomization, name: "*"}]
)";

std::string error_of(const std::string& text) {
  manifests into;
  auto read = read_manifests("my.yaml", text, into);
  EXPECT_FALSE(read);
  return read ? "" : read.error();
}

} // namespace

TEST(manifests, several_documents_with_the_defaults_of_the_api) {
  manifests into;
  auto text = std::string{"# nothing but a comment\n---\n"} + trace + "---" + trace +
              "  suspend: yes\n---\nkind: Provider\nmetadata: {name: backend, namespace: flux-system}\n"
              "spec: {type: otlp, address: 'http://c'}\n---\nkind: Namespace\nmetadata: {name: other}\n---\n";
  auto read = read_manifests("my.yaml", text, into);
  ASSERT_TRUE(read) << read.error();
  ASSERT_EQ(into.traces.size(), 2U);
  EXPECT_EQ(into.traces[0].namespace_name, "default");
  EXPECT_EQ(into.traces[0].name, "apps");
  EXPECT_EQ(into.traces[0].provider_name, "backend");
  EXPECT_EQ(into.traces[0].settle_after, std::chrono::seconds{10});
  EXPECT_NE(into.traces[0].uid, into.traces[1].uid);
  EXPECT_FALSE(into.traces[0].suspend);
  EXPECT_TRUE(into.traces[1].suspend);
  ASSERT_EQ(into.providers.size(), 1U);
  EXPECT_EQ(into.providers[0].namespace_name, "flux-system");
  EXPECT_THAT(into.skipped, ElementsAre("Namespace/other"));
}

TEST(manifests, quoted_scalars_stay_texts_and_plain_ones_become_what_they_look_like) {
  manifests into;
  auto text =
      std::string{trace} + "  attributes: {a: \"true\", b: '7', c: plain}\n  sampling: {ratio: 0.5}\n";
  auto read = read_manifests("my.yaml", text, into);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(into.traces.at(0).attributes,
            (std::map<std::string, std::string>{{"a", "true"}, {"b", "7"}, {"c", "plain"}}));
  EXPECT_EQ(into.traces.at(0).sampling.ratio, 0.5);
}

TEST(manifests, an_error_names_file_document_and_field) {
  auto error = error_of(std::string{trace} + "---" + trace + "  settleAfter: soon\n");
  EXPECT_THAT(error, StartsWith("my.yaml, document 2: "));
  EXPECT_THAT(error, HasSubstr("spec.settleAfter"));
  EXPECT_THAT(error_of("kind: Trace\nmetadata: {name: a}\n"), HasSubstr("spec is missing"));
  EXPECT_THAT(error_of("kind: Trace\nmetadata: {name: a}\nspec: {providerRef: {name: b}, eventSources: "
                       "[{kind: Kustomization}]}\n"),
              HasSubstr("spec.eventSources[0].name"));
  EXPECT_THAT(error_of("kind: Provider\nmetadata: {name: a}\nspec: {}\n"), HasSubstr("spec.type"));
}

TEST(manifests, what_is_no_manifest_is_an_error_too) {
  EXPECT_THAT(error_of("a: [1, 2"), StartsWith("my.yaml: not valid YAML: "));
  EXPECT_THAT(error_of("kind: 5\n"), HasSubstr("field 'kind'"));
  EXPECT_THAT(error_of("kind: [Trace]\n"), HasSubstr("field 'kind'"));
  EXPECT_THAT(error_of("replicas: 1\n"), HasSubstr("field 'kind'"));
  EXPECT_THAT(error_of("kind: Trace\nmetadata: nothing\n"), HasSubstr("document 1"));
}

TEST(manifests, odd_values_are_no_crash) {
  manifests into;
  EXPECT_TRUE(read_manifests("my.yaml", "kind: Namespace\nmetadata: {name: 5}\n", into));
  EXPECT_TRUE(read_manifests("my.yaml", "kind: Namespace\nmetadata: {name: \"\xff\"}\n", into));
  EXPECT_TRUE(read_manifests("my.yaml", "", into));
  EXPECT_TRUE(read_manifests("my.yaml", "- a\n- b\n", into));
  EXPECT_THAT(error_of("kind: Trace\nmetadata: {name: \"\xff\"}\nspec: 7\n"), HasSubstr("document 1"));
}

TEST(manifests, are_read_as_strictly_as_the_api_server_reads_them) {
  auto with = [](const std::string& spec) { return error_of(std::string{trace} + spec); };
  EXPECT_THAT(with("  settleafter: 5s\n"), HasSubstr("'spec.settleafter' is unknown"));
  EXPECT_THAT(with("  sampling: {percentage: 5}\n"), HasSubstr("'spec.sampling.percentage' is unknown"));
  EXPECT_THAT(with("  timeout: 5s\n"), HasSubstr("spec.settleAfter is not shorter than the timeout"));
  auto typo = std::string{trace};
  EXPECT_THAT(error_of(typo.replace(typo.find("Kustomization"), 13, "Kustomizatoin")),
              HasSubstr("spec.eventSources[0].kind is 'Kustomizatoin', which is not followed"));
  auto labels = std::string{trace};
  EXPECT_THAT(error_of(labels.replace(labels.find("name: \"*\""), 9, "name: \"*\", labels: {}")),
              HasSubstr("'spec.eventSources[0].labels' is unknown"));
}
