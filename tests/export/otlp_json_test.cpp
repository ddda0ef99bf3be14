// OTLP/JSON: one example in full, and everything written is read back as it was.

#include "export/otlp_json.hpp"
#include "export/otlp_json_reader.hpp"
#include "tests/export/sample_traces.hpp"
#include "version.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>
#include <map>

namespace tc::exporting {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string encode_one(const completed_trace_ptr& trace) {
  auto batches = otlp_json_encoder{}.encode(std::vector{trace});
  return batches.size() == 1 ? batches[0].body : std::string{};
}

TEST(otlp_json_encoder, writes_what_the_protocol_says) {
  auto body = encode_one(testing::small_trace());
  EXPECT_EQ(body.find('\n'), std::string::npos) << "one request is one line";
  auto request = json::parse(body);
  auto expected = json::parse(R"({"resourceSpans":[
    {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"source-controller"}},
                               {"key":"k8s.cluster.name","value":{"stringValue":"prod"}}]},
     "scopeSpans":[{"scope":{"name":"trace-controller","version":"VERSION"},"spans":[
       {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"a1a2a3a4a5a6a7a8","traceState":"ot=th:0","flags":3,
        "name":"reconcile GitRepository demo","kind":2,
        "startTimeUnixNano":"1700000000000000001","endTimeUnixNano":"1700000001500000002",
        "attributes":[{"key":"flux.span.kind","value":{"stringValue":"source"}}],
        "events":[{"timeUnixNano":"1700000000005000001","name":"NewArtifact",
                   "attributes":[{"key":"message","value":{"stringValue":"stored \"x\"\n"}}]}],
        "status":{}}]}]},
    {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"kustomize-controller"}},
                               {"key":"k8s.cluster.name","value":{"stringValue":"prod"}}]},
     "scopeSpans":[{"scope":{"name":"trace-controller","version":"VERSION"},"spans":[
       {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"b1b2b3b4b5b6b7b8","traceState":"ot=th:0",
        "parentSpanId":"a1a2a3a4a5a6a7a8","flags":3,"name":"reconcile Kustomization apps","kind":1,
        "startTimeUnixNano":"1700000001500000002","endTimeUnixNano":"1700000003500000002",
        "attributes":[{"key":"flux.outcome","value":{"stringValue":"failed"}},
                      {"key":"flux.changed","value":{"boolValue":true}},
                      {"key":"flux.attempt","value":{"intValue":"-2"}},
                      {"key":"ratio","value":{"doubleValue":0.25}},
                      {"key":"list","value":{"arrayValue":{"values":[{"stringValue":"a"},{"stringValue":"b"}]}}}],
        "links":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"c1c2c3c4c5c6c7c8",
                  "attributes":[{"key":"flux.link","value":{"stringValue":"dependsOn"}}]}],
        "status":{"message":"health check failed","code":2}}]}]}]})");
  for (auto& group : expected["resourceSpans"])
    group["scopeSpans"][0]["scope"]["version"] = version;
  EXPECT_EQ(request, expected);
}

TEST(otlp_json_reader, reads_back_every_span_as_it_was) {
  for (std::uint32_t seed = 0; seed < 30; ++seed) {
    auto traces = testing::random_traces(seed, 8);
    std::string lines;
    for (const auto& batch : otlp_json_encoder{}.encode(traces, 5000))
      lines += batch.body + "\n";
    auto spans = read_otlp_json_lines(lines);
    ASSERT_TRUE(spans) << spans.error();
    std::map<std::pair<trace_id, span_id>, const decoded_span*> found;
    for (const auto& entry : *spans)
      ASSERT_TRUE(found.emplace(std::pair{entry.trace, entry.content.id}, &entry).second) << "sent twice";
    std::size_t count = 0;
    for (const auto& trace : traces)
      for (const auto& span : trace->spans) {
        auto* read = found[{trace->id, span.id}];
        ASSERT_NE(read, nullptr);
        auto expected = span;
        if (expected.service.empty())
          expected.service = "trace-controller";
        EXPECT_EQ(read->content, expected) << "seed " << seed;
        EXPECT_EQ(read->trace_state, trace->trace_state);
        EXPECT_EQ(read->resource_attributes.size(), trace->resource_attributes.size() + 1);
        ++count;
      }
    EXPECT_EQ(count, spans->size());
  }
}

TEST(otlp_json_encoder, writes_doubles_that_json_has_no_number_for_as_text) {
  auto trace = std::make_shared<completed_trace>(*testing::small_trace());
  auto infinity = std::numeric_limits<double>::infinity();
  trace->spans[0].attributes = {{"a", std::nan("")}, {"b", infinity}, {"c", -infinity}, {"d", 1e300}};
  auto spans = read_otlp_json(encode_one(trace));
  ASSERT_TRUE(spans) << spans.error();
  const auto& read = spans->front().content.attributes;
  EXPECT_TRUE(std::isnan(std::get<double>(read[0].value)));
  EXPECT_EQ(read[1].value, attribute_value{infinity});
  EXPECT_EQ(read[2].value, attribute_value{-infinity});
  EXPECT_EQ(read[3].value, attribute_value{1e300});
}

TEST(otlp_json_reader, takes_numbers_for_text_and_skips_what_it_does_not_know) {
  auto spans = read_otlp_json(R"({"new":1,"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":
    "0102030405060708090A0B0C0D0E0F10","spanId":"a1a2a3a4a5a6a7a8","parentSpanId":"","startTimeUnixNano":5,
    "attributes":[{"key":"bytes","value":{"bytesValue":"AA=="}},{"key":"n","value":{"intValue":7}}]}]}]}]})");
  ASSERT_TRUE(spans) << spans.error();
  ASSERT_EQ(spans->size(), 1U);
  EXPECT_EQ((*spans)[0].content.start.time_since_epoch().count(), 5);
  EXPECT_EQ((*spans)[0].content.attributes, (std::vector<attribute>{{"n", std::int64_t{7}}}));
}

TEST(otlp_json_reader, names_what_is_wrong) {
  auto problem = [](std::string_view text) {
    auto result = read_otlp_json_lines(text);
    return result ? std::string{"no error"} : result.error();
  };
  EXPECT_THAT(problem("\n{\"resourceSpans\":"), HasSubstr("line 2"));
  EXPECT_THAT(problem("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(problem(R"({"resourceSpans":5})"), HasSubstr("resourceSpans: expected an array"));
  EXPECT_THAT(problem(R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xy"}]}]}]})"),
              HasSubstr("traceId: expected 32 hexadecimal digits"));
}

} // namespace
} // namespace tc::exporting
