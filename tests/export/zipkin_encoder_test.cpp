// Zipkin v2 JSON: one example in full, and the rules that it does not show.

#include "export/zipkin_encoder.hpp"
#include "tests/export/sample_traces.hpp"
#include "version.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <set>

namespace tc::exporting {
namespace {

using nlohmann::json;

TEST(zipkin_encoder, maps_a_trace_as_opentelemetry_says) {
  auto batches = zipkin_encoder{}.encode(std::vector{testing::small_trace()});
  ASSERT_EQ(batches.size(), 1U);
  auto expected = json::parse(R"([
    {"traceId":"0102030405060708090a0b0c0d0e0f10","id":"a1a2a3a4a5a6a7a8","name":"reconcile GitRepository demo",
     "kind":"SERVER","timestamp":1700000000000000,"duration":1500000,
     "localEndpoint":{"serviceName":"source-controller"},
     "annotations":[{"timestamp":1700000000005000,"value":"\"NewArtifact\": {\"message\":\"stored \\\"x\\\"\\n\"}"}],
     "tags":{"flux.span.kind":"source","k8s.cluster.name":"prod",
             "otel.scope.name":"trace-controller","otel.scope.version":"VERSION"}},
    {"traceId":"0102030405060708090a0b0c0d0e0f10","id":"b1b2b3b4b5b6b7b8","parentId":"a1a2a3a4a5a6a7a8",
     "name":"reconcile Kustomization apps","timestamp":1700000001500000,"duration":2000000,
     "localEndpoint":{"serviceName":"kustomize-controller"},
     "tags":{"error":"health check failed","otel.status_code":"ERROR","flux.outcome":"failed","flux.changed":"true",
             "flux.attempt":"-2","ratio":"0.25","list":"[\"a\",\"b\"]","k8s.cluster.name":"prod",
             "otel.scope.name":"trace-controller","otel.scope.version":"VERSION"}}])");
  for (auto& span : expected)
    span["tags"]["otel.scope.version"] = version;
  EXPECT_EQ(json::parse(batches[0].body), expected);
}

TEST(zipkin_encoder, knows_no_duration_of_zero_and_no_empty_kind) {
  auto trace = std::make_shared<completed_trace>(*testing::small_trace());
  trace->spans.resize(1);
  trace->spans[0].kind = span_kind::internal;
  trace->spans[0].end = trace->spans[0].start;
  trace->spans[0].events = {{trace->spans[0].start, "plain", {}}};
  auto body = json::parse(zipkin_encoder{}.encode(std::vector{completed_trace_ptr{trace}})[0].body);
  EXPECT_EQ(body[0]["duration"], 1);
  EXPECT_FALSE(body[0].contains("kind"));
  EXPECT_EQ(body[0]["annotations"][0]["value"], "plain");
}

TEST(zipkin_encoder, marks_only_failed_spans_with_the_error_tag) {
  auto trace = std::make_shared<completed_trace>(*testing::small_trace());
  trace->spans[0].attributes = {{"error", "not really"}};
  trace->spans[1].status_message.clear();
  auto body = json::parse(zipkin_encoder{}.encode(std::vector{completed_trace_ptr{trace}})[0].body);
  EXPECT_FALSE(body[0]["tags"].contains("error"));
  EXPECT_EQ(body[1]["tags"]["error"], "");
}

TEST(zipkin_encoder, carries_every_span_once_over_all_batches) {
  auto traces = testing::random_traces(3, 10);
  std::multiset<std::string> expected, found;
  for (const auto& trace : traces)
    for (const auto& span : trace->spans)
      expected.insert(trace->id.to_hex() + span.id.to_hex());
  auto batches = zipkin_encoder{}.encode(traces, 4000);
  EXPECT_GT(batches.size(), 3U);
  for (const auto& batch : batches)
    for (const auto& span : json::parse(batch.body))
      found.insert(span["traceId"].get<std::string>() + span["id"].get<std::string>());
  EXPECT_EQ(found, expected);
}

} // namespace
} // namespace tc::exporting
