// JSON as API servers and controllers send it (some of it is not), to observations and specs.

#include "kube/decode/decode.hpp"

#include "tests/support/recording.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace tc::kube {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const auto at = *parse_rfc3339("2026-11-21T08:00:00.25Z");

observation_ptr read(const std::string& json, const char* type = "MODIFIED") {
  decoder decode;
  auto result = decode.decode_object(type, json, at, arrival::live);
  EXPECT_TRUE(result) << (result ? "" : result.error().to_string());
  return result && *result ? **result : nullptr;
}

std::string problem(const std::string& json, const char* type = "MODIFIED") {
  decoder decode;
  auto result = decode.decode_object(type, json, at, arrival::live);
  return result ? "" : result.error().to_string();
}

std::string object_of(const std::string& api, const std::string& kind, const std::string& rest) {
  return R"({"apiVersion":")" + api + R"(","kind":")" + kind +
         R"(","metadata":{"name":"web","namespace":"apps","uid":"u1","resourceVersion":"42","generation":3,)"
         R"("creationTimestamp":"2026-11-21T07:00:00Z","labels":{"a":"b"}})" +
         rest + "}";
}

TEST(decode, a_Kustomization) {
  auto fact = read(object_of("kustomize.toolkit.fluxcd.io/v1", "Kustomization", R"(,
    "spec":{"interval":"10m","retryInterval":"8s","timeout":"30s","suspend":true,"wait":true,"sourceRef":{"kind":"GitRepository","name":"demo"},
            "dependsOn":[{"name":"infra"},{"name":"x","namespace":"other"}]},
    "status":{"observedGeneration":-1,"lastAttemptedRevision":"main@sha1:ab","lastAppliedRevision":"main@sha1:aa","lastHandledReconcileAt":"t",
      "conditions":[{"type":"Ready","status":"True","reason":"ReconciliationSucceeded","message":"Applied","lastTransitionTime":"2026-11-21T07:59:59Z","observedGeneration":3}],
      "history":[{"digest":"sha256:d","firstReconciled":"2026-11-21T07:59:59Z","lastReconciled":"2026-11-21T07:59:59Z","lastReconciledDuration":"5.2s",
                  "lastReconciledStatus":"ReconciliationSucceeded","totalReconciliations":1,"metadata":{"revision":"main@sha1:ab","originRevision":"o"}}],
      "inventory":{"entries":[{"id":"apps_web_apps_Deployment","v":"v1"},{"id":"_system__node__Namespace","v":"v1"},{"id":"bad","v":"v1"}]}})"));
  ASSERT_TRUE(fact);
  EXPECT_EQ(fact->object, (object_id{"kustomize.toolkit.fluxcd.io", "Kustomization", "apps", "web"}));
  EXPECT_EQ(fact->resource_version, 42U);
  EXPECT_EQ(fact->received_at, at);
  const auto& state = *fact->state;
  EXPECT_EQ(state.generation, 3);
  EXPECT_EQ(state.observed_generation, -1);
  EXPECT_TRUE(state.suspended);
  EXPECT_TRUE(state.waits);
  EXPECT_EQ(state.interval, 10min);
  EXPECT_EQ(state.source_ref, (object_id{"source.toolkit.fluxcd.io", "GitRepository", "apps", "demo"}));
  ASSERT_EQ(state.depends_on.size(), 2U);
  EXPECT_EQ(state.depends_on[0].namespace_name, "apps");
  EXPECT_EQ(state.depends_on[1].namespace_name, "other");
  ASSERT_EQ(state.inventory.size(), 2U);
  EXPECT_EQ(state.inventory[0], (object_id{"apps", "Deployment", "apps", "web"}));
  EXPECT_EQ(state.inventory[1], (object_id{"", "Namespace", "", "system:node"}));
  ASSERT_EQ(state.applies.size(), 1U);
  EXPECT_EQ(state.applies[0].last_duration, 5200ms);
  EXPECT_EQ(state.applies[0].origin_revision, "o");
  ASSERT_TRUE(state.find_condition("Ready"));
  EXPECT_TRUE(state.find_condition("Ready")->is_true());
  EXPECT_EQ(state.label("a"), "b");
}

TEST(decode, every_served_version_of_a_HelmRelease) {
  for (const char* version : {"v2beta1", "v2beta2", "v2"}) {
    auto fact = read(object_of(std::string{"helm.toolkit.fluxcd.io/"} + version, "HelmRelease", R"(,
      "spec":{"chart":{"spec":{"chart":"podinfo","version":"6.x","sourceRef":{"kind":"HelmRepository","name":"charts","namespace":"flux-system"}}},
              "valuesFrom":[{"kind":"ConfigMap","name":"values"},{"kind":"Secret","name":"secret"}]},
      "status":{"helmChart":"flux-system/apps-web","lastAttemptedRevision":"6.5.4","lastAttemptedGeneration":3,"lastAttemptedConfigDigest":"sha256:c",
        "lastAttemptedReleaseAction":"upgrade","lastAttemptedReleaseActionDuration":"1.5s","failures":2,
        "history":[{"chartName":"podinfo","chartVersion":"6.5.4","configDigest":"sha256:c","status":"deployed","version":7,"firstDeployed":"2026-11-21T07:00:00Z","lastDeployed":"2026-11-21T07:59:00Z"}]})"));
    ASSERT_TRUE(fact);
    const auto& state = *fact->state;
    EXPECT_EQ(state.helm_chart, "flux-system/apps-web");
    EXPECT_EQ(state.source_ref->namespace_name, "flux-system");
    ASSERT_EQ(state.values_from.size(), 2U);
    EXPECT_EQ(state.values_from[1], (object_id{"", "Secret", "apps", "secret"}));
    EXPECT_EQ(state.last_action_duration, 1500ms);
    ASSERT_EQ(state.releases.size(), 1U);
    EXPECT_EQ(state.releases[0].version, 7);
  }
}

TEST(decode, sources_with_their_artifacts) {
  auto oci = read(object_of("source.toolkit.fluxcd.io/v1beta2", "OCIRepository", R"(,
    "spec":{"url":"oci://ghcr.io/acme/app","ref":{"tag":"latest"}},
    "status":{"artifact":{"revision":"latest@sha256:aa","digest":"sha256:bb","lastUpdateTime":"2026-11-21T07:59:00Z",
      "metadata":{"org.opencontainers.image.revision":"main@sha1:cc","org.opencontainers.image.source":"https://git/app.git","org.opencontainers.image.created":"yesterday"}}})"));
  ASSERT_TRUE(oci && oci->state->artifact);
  EXPECT_EQ(oci->state->artifact->origin_revision, "main@sha1:cc");
  EXPECT_EQ(oci->state->artifact->created, timestamp{}) << "free text";
  EXPECT_EQ(oci->state->ref_type, "tag");
  auto git = read(object_of(
      "source.toolkit.fluxcd.io/v1", "GitRepository",
      R"(,"spec":{"url":"https://git/x.git","ref":{"branch":"main","semver":">=1"},"include":[{"repository":{"name":"other"}}]})"));
  EXPECT_EQ(git->state->ref_type, "semver") << "in the order of precedence";
  ASSERT_EQ(git->state->sources.size(), 1U);
  auto bucket = read(object_of("source.toolkit.fluxcd.io/v1", "Bucket",
                               R"(,"spec":{"endpoint":"minio:9000","bucketName":"apps"})"));
  EXPECT_EQ(bucket->state->url, "minio:9000/apps");
  auto generated = read(object_of(
      "source.toolkit.fluxcd.io/v1", "ExternalArtifact",
      R"(,"spec":{"sourceRef":{"apiVersion":"source.extensions.fluxcd.io/v1beta1","kind":"ArtifactGenerator","name":"split"}})"));
  EXPECT_EQ(generated->state->source_ref->group, "source.extensions.fluxcd.io");
}

TEST(decode, workloads) {
  auto deployment = read(object_of(
      "apps/v1", "Deployment",
      R"(,"spec":{"template":{"spec":{"containers":[{"image":"a:1"}],"initContainers":[{"image":"b:2"}]}}},
    "status":{"observedGeneration":3,"replicas":2,"updatedReplicas":1,"availableReplicas":1})"));
  ASSERT_TRUE(deployment && deployment->state->workload);
  EXPECT_EQ(deployment->state->workload->desired, 1) << "the default";
  EXPECT_EQ(deployment->state->workload->current, 2);
  EXPECT_THAT(deployment->state->workload->images, testing::ElementsAre("a:1", "b:2"));
  auto set = read(
      object_of("apps/v1", "DaemonSet", R"(,"status":{"desiredNumberScheduled":3,"numberAvailable":2})"));
  EXPECT_EQ(set->state->workload->desired, 3);
  auto rolled = read(
      object_of("apps/v1", "Deployment", R"(,"status":{"conditions":[{"type":"Progressing","status":"True",
    "reason":"NewReplicaSetAvailable","lastTransitionTime":"2026-11-21T08:00:00Z","lastUpdateTime":"2026-11-21T09:00:00Z"}]})"));
  EXPECT_EQ(to_rfc3339(rolled->state->find_condition("Progressing")->last_transition), "2026-11-21T09:00:00Z")
      << "when this rollout got there, not the first one";
  EXPECT_EQ(set->state->workload->available, 2);
}

TEST(decode, pods_that_the_strategy_of_a_workload_leaves_as_they_are) {
  auto updated = [](const char* kind, const char* strategy) {
    auto fact = read(object_of("apps/v1", kind,
                               std::string{R"(,"spec":{"replicas":3,"updateStrategy":)"} + strategy +
                                   R"(},"status":{"replicas":3,"updatedReplicas":1,"availableReplicas":3,
      "desiredNumberScheduled":3,"currentNumberScheduled":3,"updatedNumberScheduled":1,"numberAvailable":3})"));
    return fact->state->workload->updated;
  };
  EXPECT_EQ(updated("StatefulSet", R"({"type":"RollingUpdate","rollingUpdate":{"partition":0}})"), 1);
  EXPECT_EQ(updated("StatefulSet", R"({"type":"RollingUpdate","rollingUpdate":{"partition":1}})"), 1);
  EXPECT_EQ(updated("StatefulSet", R"({"type":"RollingUpdate","rollingUpdate":{"partition":2}})"), 3);
  EXPECT_EQ(updated("StatefulSet", R"({"type":"OnDelete"})"), 3);
  EXPECT_EQ(updated("DaemonSet", R"({"type":"OnDelete"})"), 3);
  EXPECT_EQ(updated("DaemonSet", R"({"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":2}})"), 1);
}

TEST(decode, the_second_of_an_apply_by_a_Flux_controller) {
  auto fact = read(
      R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","resourceVersion":"1","managedFields":[
    {"manager":"kustomize-controller","operation":"Apply","time":"2026-11-21T07:00:00Z"},
    {"manager":"kustomize-controller","operation":"Apply","subresource":"status","time":"2026-11-21T09:00:00Z"},
    {"manager":"kubectl","operation":"Update","fieldsType":"FieldsV1","time":"2026-11-21T08:00:00Z",
     "fieldsV1":{"f:spec":{"f:interval":{}}}},
    {"manager":"helm-controller","operation":"Update","fieldsType":"FieldsV1","time":"2026-11-21T08:30:00Z",
     "fieldsV1":{"f:metadata":{"f:finalizers":{}}}}]}})");
  EXPECT_EQ(to_rfc3339(fact->state->applied_at), "2026-11-21T07:00:00Z");
  EXPECT_EQ(to_rfc3339(fact->state->edited_at), "2026-11-21T08:00:00Z");
}

TEST(decode, the_second_by_which_a_reconciliation_was_asked_for) {
  auto read_with = [](const std::string& fields) {
    return read(
        R"({"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization","metadata":{"name":"apps",
        "resourceVersion":"1","annotations":{"reconcile.fluxcd.io/requestedAt":"20"},"managedFields":[)" +
        fields + "]}}");
  };
  const std::string status =
      R"({"manager":"gotk-kustomize-controller","operation":"Update","time":"2026-11-21T09:00:00Z","fieldsType":"FieldsV1",
      "fieldsV1":{"f:status":{}},"subresource":"status"})";
  auto asked = read_with(
      status +
      R"(,{"manager":"flux","operation":"Update","time":"2026-11-21T07:00:00Z","fieldsType":"FieldsV1",
      "fieldsV1":{"f:metadata":{"f:annotations":{".":{},"f:reconcile.fluxcd.io/requestedAt":{}}}}})");
  EXPECT_EQ(asked->state->requested_at, "20");
  EXPECT_EQ(to_rfc3339(asked->state->requested_by), "2026-11-21T07:00:00Z");
  EXPECT_FALSE(is_known(read_with(status)->state->requested_by));
}

TEST(decode, Events_with_stale_and_combined_ones) {
  auto fact = read(
      R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"web.18ba05e5800c0080","namespace":"apps","resourceVersion":"7",
      "annotations":{"kustomize.toolkit.fluxcd.io/revision":"main@sha1:aa","other.io/revision":"no"}},
    "involvedObject":{"kind":"Kustomization","namespace":"apps","name":"web","apiVersion":"kustomize.toolkit.fluxcd.io/v1","uid":"u"},
    "reason":"Progressing","message":"(combined from similar events): Deployment/apps/web configured","source":{"component":"kustomize-controller"},
    "firstTimestamp":"2026-11-21T08:50:00Z","lastTimestamp":"2026-11-21T08:51:00Z","count":3,"type":"Warning"})");
  ASSERT_TRUE(fact && fact->message);
  EXPECT_EQ(fact->object.kind, "Kustomization");
  EXPECT_TRUE(fact->message->combined);
  EXPECT_EQ(fact->message->text, "Deployment/apps/web configured");
  EXPECT_EQ(fact->message->revision, "main@sha1:aa");
  EXPECT_EQ(fact->message->count, 3);
  EXPECT_EQ(fact->message->severity, "error");
  EXPECT_EQ(fact->message->exact_first.time_since_epoch().count(), 0x18ba05e5800c0080LL);
}

TEST(decode, an_Alert_that_could_not_be_told_is_a_notification_about_its_object) {
  auto event = [](const std::string& reason, const std::string& message) {
    return R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"slack.18c","namespace":"flux-system","resourceVersion":"9"},
      "involvedObject":{"apiVersion":"notification.toolkit.fluxcd.io/v1beta3","kind":"Alert","namespace":"flux-system","name":"slack"},
      "type":"Warning","count":3,"reason":")" +
           reason + R"(","message":")" + message +
           R"(","source":{"component":"notification-controller"},"lastTimestamp":"2026-01-02T03:04:05Z"})";
  };
  kube::decoder decoder;
  auto read = decoder.decode_object(
      "ADDED",
      event("NotificationDispatchFailed",
            "failed to send notification for Kustomization/flux-system/apps: postMessage failed: 503"),
      {}, arrival::live);
  ASSERT_TRUE(read && *read);
  const auto& fact = ***read;
  EXPECT_EQ(fact.kind, observation_kind::notification);
  EXPECT_EQ(fact.object, (object_id{"kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps"}));
  EXPECT_FALSE(fact.message);
  EXPECT_EQ(fact.notification->receiver, "Alert/flux-system/slack");
  EXPECT_EQ(fact.notification->attempts,
            1); // an Event counts failures of equal text, not tries of one delivery
  EXPECT_EQ(fact.notification->error, "postMessage failed: 503");
  EXPECT_EQ(to_rfc3339(fact.notification->ended), "2026-01-02T03:04:05Z");
  for (const auto& [reason, message] :
       {std::pair{"InvalidConfig", "failed to send notification for Kustomization/a/b: x"},
        std::pair{"NotificationDispatchFailed", "something else"},
        std::pair{"NotificationDispatchFailed", "failed to send notification for nobody"}}) {
    auto other = decoder.decode_object("ADDED", event(reason, message), {}, arrival::live);
    ASSERT_TRUE(other) << message;
    EXPECT_FALSE(*other) << message;
  }
}

TEST(decode, Events_of_the_newer_API) {
  auto fact =
      read(R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"x","resourceVersion":"7"},
    "regarding":{"kind":"HelmRelease","namespace":"apps","name":"web","apiVersion":"helm.toolkit.fluxcd.io/v2"},
    "reason":"UpgradeSucceeded","note":"done","reportingController":"helm-controller","eventTime":"2026-11-21T08:50:00.5Z"})");
  ASSERT_TRUE(fact && fact->message);
  EXPECT_EQ(fact->message->text, "done");
  EXPECT_EQ(to_rfc3339(fact->message->last), "2026-11-21T08:50:00.500Z");
}

TEST(decode, posts_of_controllers_and_of_a_generic_Provider) {
  decoder decode;
  for (const char* key : {"kustomize.toolkit.fluxcd.io/revision", "revision"}) {
    auto result = decode.decode_post(
        std::string{
            R"({"involvedObject":{"kind":"Kustomization","namespace":"apps","name":"web","uid":"u","apiVersion":"kustomize.toolkit.fluxcd.io/v1"},
      "severity":"info","timestamp":"2026-11-21T08:50:00Z","message":"m","reason":"Progressing","reportingController":"kustomize-controller","metadata":{")"} +
            key + R"(":"main@sha1:aa"}})",
        at);
    ASSERT_TRUE(result && *result);
    EXPECT_EQ((**result)->kind, observation_kind::post);
    EXPECT_EQ((**result)->message->revision, "main@sha1:aa");
  }
  EXPECT_THAT(decode.decode_post("{}", at).error().to_string(), HasSubstr("involvedObject.kind is missing"));
  EXPECT_THAT(decode.decode_post(R"({"involvedObject":{"kind":"Kustomization"}})", at).error().to_string(),
              HasSubstr("name is missing"));
  EXPECT_THAT(decode.decode_post("[1,2", at).error().to_string(), HasSubstr("not JSON"));
}

TEST(decode, the_origin_revision_that_stands_in_the_text_only) {
  decoder decode;
  auto origin_in = [&](const std::string& kind, const std::string& text, const std::string& metadata = {}) {
    auto result = decode.decode_post(
        R"({"involvedObject":{"kind":")" + kind +
            R"(","namespace":"apps","name":"web","uid":"u","apiVersion":"source.toolkit.fluxcd.io/v1"},
      "severity":"info","timestamp":"2026-11-21T08:50:00Z","reason":"NewArtifact","reportingController":"source-controller","message":")" +
            text + R"(","metadata":{)" + metadata +
            R"("source.toolkit.fluxcd.io/revision":"latest@sha256:bb"}})",
        at);
    return result && *result ? (**result)->message->origin_revision : "not read";
  };
  const std::string text =
      "stored artifact with revision 'latest@sha256:bb' from 'oci://ghcr.io/org/app', origin source "
      "'https://github.com/org/app', origin revision 'main@sha1:aa'";
  EXPECT_EQ(origin_in("OCIRepository", text), "main@sha1:aa");
  EXPECT_EQ(origin_in("OCIRepository", text, R"("source.toolkit.fluxcd.io/originRevision":"main@sha1:cc",)"),
            "main@sha1:cc")
      << "the annotation goes first";
  EXPECT_EQ(origin_in("OCIRepository",
                      "stored artifact with revision 'latest@sha256:bb' from 'oci://ghcr.io/org/app'"),
            "");
  EXPECT_EQ(origin_in("OCIRepository", "stored artifact, origin revision '"), "");
  EXPECT_EQ(origin_in("GitRepository", "stored artifact for commit 'x, origin revision 'main@sha1:aa'"), "")
      << "a commit's subject is anybody's text";
}

TEST(decode, leaves_out_what_does_not_concern_us) {
  EXPECT_FALSE(read(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"x","resourceVersion":"1"}})"));
  EXPECT_FALSE(
      read(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","resourceVersion":"1"},"data":{}})"));
  EXPECT_FALSE(
      read(R"({"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"x","resourceVersion":"1"}})"));
  EXPECT_FALSE(read(
      R"({"apiVersion":"notification.toolkit.fluxcd.io/v1","kind":"Alert","metadata":{"name":"x","resourceVersion":"1"}})"));
  EXPECT_FALSE(read(R"({"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"9"}})", "BOOKMARK"));
  EXPECT_TRUE(read(
      R"({"apiVersion":"infra.contrib.fluxcd.io/v1","kind":"Terraform","metadata":{"name":"x","resourceVersion":"1"},"spec":{"timeout":30}})"))
      << "a Trace may follow other makers' kinds, whatever their fields mean";
}

TEST(decode, names_object_and_place_of_what_it_cannot_read) {
  EXPECT_EQ(
      problem(object_of("kustomize.toolkit.fluxcd.io/v1", "Kustomization", R"(,"spec":{"interval":10})")),
      "Kustomization/apps/web: spec.interval is not a string");
  EXPECT_EQ(
      problem(object_of("kustomize.toolkit.fluxcd.io/v1", "Kustomization",
                        R"(,"status":{"conditions":[{"type":"Ready"},{"lastTransitionTime":"soon"}]})")),
      "Kustomization/apps/web: status.conditions[1].lastTransitionTime is not an RFC 3339 time");
  EXPECT_EQ(problem(object_of("kustomize.toolkit.fluxcd.io/v1", "Kustomization", R"(,"spec":"no")")),
            "Kustomization/apps/web: spec is not an object");
  EXPECT_THAT(
      problem(
          R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x","resourceVersion":"abc"}})"),
      HasSubstr("resourceVersion"));
  EXPECT_THAT(problem(R"({"apiVersion":"apps/v1","kind":"Deployment"})"), HasSubstr("metadata is missing"));
  EXPECT_THAT(problem(R"({"kind":"Status","message":"too old resource version","code":410})", "ERROR"),
              HasSubstr("too old"));
  EXPECT_THAT(problem("{}", "CHANGED"), HasSubstr("CHANGED"));
  EXPECT_THAT(problem("[]"), HasSubstr("not an object"));
  EXPECT_THAT(problem("{\"a\":"), HasSubstr("not JSON"));
}

TEST(decode, never_crashes_on_damaged_input) {
  auto lines = test::read_lines(std::string{TC_SOURCE_DIR} + "/tests/recordings/s02-helm/stream.jsonl.gz");
  decoder decode;
  std::mt19937 random{7};
  for (std::size_t i = 0; i < lines.size(); i += 3) {
    auto line = lines[i];
    for (int damage = 0; damage < 4; ++damage) {
      auto where = random() % line.size();
      switch (random() % 3) {
      case 0:
        line[where] = static_cast<char>(random());
        break;
      case 1:
        line.erase(where, random() % 40);
        break;
      default:
        line.resize(where + 1);
      }
      static_cast<void>(decode.decode_watch(line, at, false));
      static_cast<void>(decode.decode_post(line, at));
      static_cast<void>(decode.decode_trace(line));
    }
  }
}

TEST(decode, a_Trace_with_its_defaults) {
  decoder decode;
  auto trace = decode.decode_trace(
      R"({"apiVersion":"notification.toolkit.fluxcd.io/v1beta3","kind":"Trace","metadata":{"name":"t","namespace":"apps","uid":"u","generation":2},
    "spec":{"providerRef":{"name":"jaeger"},"eventSources":[{"kind":"Kustomization","name":"*","matchLabels":{"a":"b"}},{"kind":"HelmRelease","name":"web","namespace":"x"}]}})");
  ASSERT_TRUE(trace) << trace.error().to_string();
  EXPECT_EQ(trace->provider_name, "jaeger");
  ASSERT_EQ(trace->event_sources.size(), 2U);
  EXPECT_EQ(trace->event_sources[0].group, "kustomize.toolkit.fluxcd.io");
  EXPECT_EQ(trace->settle_after, 10s);
  EXPECT_EQ(trace->timeout, 30min);
  EXPECT_EQ(trace->sampling.ratio, 1.0);
  EXPECT_EQ(trace->mode, export_mode::on_settle);
}

TEST(decode, a_Trace_with_everything) {
  decoder decode;
  auto trace = decode.decode_trace(
      R"({"kind":"Trace","metadata":{"name":"t"},"spec":{"providerRef":{"name":"p"},"eventSources":[{"kind":"Bucket","name":"*"}],
    "inclusionList":["a.*"],"exclusionList":["b"],"sampling":{"ratio":"0.25","keepErrors":true,"keepSlowerThan":"5m","keepChanged":true},"export":"Progressive",
    "settleAfter":"1s","timeout":"1h","scope":"Trace","attributes":{"env":"prod"},"suspend":true,"includeDrift":true,"includeUnused":true},
    "status":{"lastExportedTrace":{"time":"2026-11-21T08:00:00Z"}}})");
  ASSERT_TRUE(trace) << trace.error().to_string();
  EXPECT_EQ(trace->sampling.ratio, 0.25);
  EXPECT_EQ(trace->sampling.keep_slower_than, 5min);
  EXPECT_EQ(trace->scope, trace_scope::trace);
  EXPECT_EQ(trace->mode, export_mode::progressive);
  EXPECT_TRUE(trace->exported_until && trace->include_drift && trace->include_unused && trace->suspend);
}

TEST(decode, says_what_is_wrong_with_a_Trace_or_Provider) {
  decoder decode;
  auto wrong = [&](const std::string& spec) {
    return decode
        .decode_trace(R"({"kind":"Trace","metadata":{"name":"t","namespace":"n"},"spec":)" + spec + "}")
        .error()
        .to_string();
  };
  EXPECT_THAT(wrong(R"({})"), HasSubstr("Trace/n/t: spec has no providerRef.name"));
  EXPECT_THAT(wrong(R"({"providerRef":{"name":"p"}})"), HasSubstr("spec.eventSources is empty"));
  EXPECT_THAT(wrong(R"({"providerRef":{"name":"p"},"eventSources":[{"name":"*"}]})"),
              HasSubstr("spec.eventSources[0].kind is missing"));
  EXPECT_THAT(
      wrong(
          R"({"providerRef":{"name":"p"},"eventSources":[{"kind":"Kustomization","name":"a","matchLabels":{"x":"y"}}]})"),
      HasSubstr("matchLabels needs the name '*'"));
  EXPECT_THAT(
      wrong(
          R"({"providerRef":{"name":"p"},"eventSources":[{"kind":"Kustomization","name":"*"}],"sampling":{"ratio":2}})"),
      HasSubstr("spec.sampling.ratio is not between 0 and 1"));
  EXPECT_THAT(
      wrong(
          R"({"providerRef":{"name":"p"},"eventSources":[{"kind":"Kustomization","name":"*"}],"settleAfter":"soon"})"),
      HasSubstr("spec.settleAfter"));
  EXPECT_THAT(
      wrong(
          R"({"providerRef":{"name":"p"},"eventSources":[{"kind":"Kustomization","name":"*"}],"scope":"World"})"),
      HasSubstr("not one of Change, Trace"));
  EXPECT_THAT(
      decode.decode_provider(R"({"kind":"Provider","metadata":{"name":"p"},"spec":{}})").error().to_string(),
      HasSubstr("spec.type is missing"));
  auto provider = decode.decode_provider(
      R"({"kind":"Provider","metadata":{"name":"p","namespace":"n"},"spec":{"type":"otel","address":"http://c:4318","timeout":"3s","secretRef":{"name":"s"}}})");
  ASSERT_TRUE(provider);
  EXPECT_EQ(provider->timeout, 3s);
  EXPECT_EQ(provider->secret_name, "s");
}

} // namespace
} // namespace tc::kube
