// OTLP protobuf: against the wire format written by hand, and through the generated messages.

#include "export/otlp_encoder.hpp"
#include "tests/export/generated_encoder.hpp"
#include "tests/export/sample_traces.hpp"
#include "version.hpp"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <map>

namespace tc::exporting {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using ::testing::ElementsAre;

/// Builds protobuf bytes from field numbers alone, without any schema.
class wire {
public:
  wire& varint(int field, std::uint64_t value) {
    raw(static_cast<std::uint64_t>(field) << 3 | 0);
    raw(value);
    return *this;
  }
  wire& fixed64(int field, std::uint64_t value) {
    raw(static_cast<std::uint64_t>(field) << 3 | 1);
    for (int shift = 0; shift < 64; shift += 8)
      bytes_ += static_cast<char>(value >> shift & 0xFF);
    return *this;
  }
  wire& text(int field, std::string_view value) {
    raw(static_cast<std::uint64_t>(field) << 3 | 2);
    raw(value.size());
    bytes_ += value;
    return *this;
  }
  wire& message(int field, const wire& value) { return text(field, value.bytes_); }
  wire& fixed32(int field, std::uint32_t value) {
    raw(static_cast<std::uint64_t>(field) << 3 | 5);
    for (int shift = 0; shift < 32; shift += 8)
      bytes_ += static_cast<char>(value >> shift & 0xFF);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

private:
  void raw(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      bytes_ += static_cast<char>((value & 0x7F) | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

wire text_attribute(std::string_view key, std::string_view value) {
  return wire{}.text(1, key).message(2, wire{}.text(1, value));
}

std::string encode_one(const completed_trace_ptr& trace, encoder_options options = {}) {
  auto batches = otlp_protobuf_encoder{std::move(options)}.encode(std::vector{trace});
  return batches.size() == 1 ? batches[0].body : std::string{};
}

TEST(otlp_protobuf_encoder, writes_the_wire_format_of_the_protocol) {
  const std::string trace = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10";
  auto id = [](char high) {
    std::string out;
    for (char low = 1; low <= 8; ++low)
      out += static_cast<char>(high << 4 | low);
    return out;
  };
  const std::uint64_t start = 1'700'000'000'000'000'001, end = 1'700'000'001'500'000'002;

  auto scope = wire{}.text(1, "trace-controller").text(2, version);
  auto root = wire{}
                  .text(1, trace)
                  .text(2, id('\xa'))
                  .text(3, "ot=th:0")
                  .text(5, "reconcile GitRepository demo")
                  .varint(6, 2)
                  .fixed64(7, start)
                  .fixed64(8, end)
                  .message(9, text_attribute("flux.span.kind", "source"))
                  .message(11, wire{}
                                   .fixed64(1, start + 5'000'000)
                                   .text(2, "NewArtifact")
                                   .message(3, text_attribute("message", "stored \"x\"\n")))
                  .fixed32(16, 3);
  auto list = wire{}.message(1, wire{}.text(1, "a")).message(1, wire{}.text(1, "b"));
  auto run =
      wire{}
          .text(1, trace)
          .text(2, id('\xb'))
          .text(3, "ot=th:0")
          .text(4, id('\xa'))
          .text(5, "reconcile Kustomization apps")
          .varint(6, 1)
          .fixed64(7, end)
          .fixed64(8, end + 2'000'000'000)
          .message(9, text_attribute("flux.outcome", "failed"))
          .message(9, wire{}.text(1, "flux.changed").message(2, wire{}.varint(2, 1)))
          .message(9, wire{}.text(1, "flux.attempt").message(2, wire{}.varint(3, std::uint64_t(-2))))
          .message(9,
                   wire{}.text(1, "ratio").message(2, wire{}.fixed64(4, std::bit_cast<std::uint64_t>(0.25))))
          .message(9, wire{}.text(1, "list").message(2, wire{}.message(5, list)))
          .message(
              13,
              wire{}.text(1, trace).text(2, id('\xc')).message(4, text_attribute("flux.link", "dependsOn")))
          .message(15, wire{}.text(2, "health check failed").varint(3, 2))
          .fixed32(16, 3);
  auto resource_spans = [&](std::string_view service, const wire& span) {
    auto resource = wire{}
                        .message(1, text_attribute("service.name", service))
                        .message(1, text_attribute("k8s.cluster.name", "prod"));
    return wire{}.message(1, resource).message(2, wire{}.message(1, scope).message(2, span));
  };
  auto request = wire{}
                     .message(1, resource_spans("source-controller", root))
                     .message(1, resource_spans("kustomize-controller", run));
  EXPECT_EQ(encode_one(testing::small_trace()), request.bytes());
}

TEST(otlp_protobuf_encoder, is_read_by_the_generated_messages) {
  auto trace = testing::small_trace();
  ExportTraceServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(encode_one(trace)));
  ASSERT_EQ(request.resource_spans_size(), 2);
  const auto& run = request.resource_spans(1).scope_spans(0).spans(0);
  EXPECT_EQ(run.name(), "reconcile Kustomization apps");
  EXPECT_EQ(run.parent_span_id(), request.resource_spans(0).scope_spans(0).spans(0).span_id());
  EXPECT_EQ(run.attributes(2).value().int_value(), -2);
  EXPECT_EQ(run.attributes(4).value().array_value().values_size(), 2);
  EXPECT_EQ(run.status().code(), opentelemetry::proto::trace::v1::Status::STATUS_CODE_ERROR);
}

TEST(otlp_protobuf_encoder, writes_the_bytes_that_the_generated_messages_write) {
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    auto traces = testing::random_traces(seed, 6);
    auto batches = otlp_protobuf_encoder{}.encode(traces);
    ASSERT_EQ(batches.size(), 1U);
    EXPECT_TRUE(batches[0].body == testing::encode_with_generated_messages(traces)) << "seed " << seed;
  }
}

TEST(otlp_protobuf_encoder, writes_long_messages_like_the_generated_ones) {
  // Lengths of one to four bytes, around their bounds, on every level.
  for (std::size_t size :
       {0, 1, 90, 100, 110, 120, 126, 127, 128, 129, 16'200, 16'383, 16'384, 2'097'151, 2'097'152}) {
    auto trace = std::make_shared<completed_trace>(*testing::small_trace());
    trace->spans[0].attributes = {{"text", std::string(size, 'x')}};
    trace->spans[1].events = {{trace->spans[1].start, std::string(size, 'y'), {}}};
    trace->spans[1].attributes = {{"list", std::vector<std::string>(3, std::string(size / 3, 'z'))}};
    std::vector<completed_trace_ptr> traces{trace};
    auto batches = otlp_protobuf_encoder{}.encode(traces, std::size_t{1} << 30);
    ASSERT_EQ(batches.size(), 1U);
    EXPECT_TRUE(batches[0].body == testing::encode_with_generated_messages(traces)) << "size " << size;
  }
}

TEST(otlp_protobuf_encoder, groups_by_service_and_resource_and_loses_no_span) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    auto traces = testing::random_traces(seed, 8);
    std::map<std::string, std::string> expected, found; // trace and span ID to name
    for (const auto& trace : traces)
      for (const auto& span : trace->spans)
        expected[trace->id.to_hex() + span.id.to_hex()] = span.name;
    auto hex = [](const std::string& bytes) {
      std::string out;
      for (unsigned char byte : bytes)
        for (auto digit : {byte >> 4, byte & 15})
          out += "0123456789abcdef"[digit];
      return out;
    };
    std::size_t total = 0;
    for (const auto& batch : otlp_protobuf_encoder{}.encode(traces, 3000)) {
      ExportTraceServiceRequest request;
      ASSERT_TRUE(request.ParseFromString(batch.body));
      std::set<std::string> resources;
      for (const auto& group : request.resource_spans()) {
        EXPECT_TRUE(resources.insert(group.resource().SerializeAsString()).second) << "a resource twice";
        EXPECT_EQ(group.scope_spans_size(), 1);
        for (const auto& span : group.scope_spans(0).spans()) {
          found[hex(span.trace_id()) + hex(span.span_id())] = span.name();
          ++total;
        }
      }
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(total, expected.size()) << "a span was sent twice";
  }
}

TEST(otlp_protobuf_encoder, lets_the_trace_override_common_resource_attributes) {
  encoder_options options;
  options.resource_attributes = {
      {"k8s.cluster.name", "from-environment"}, {"team", "a"}, {"service.name", "no"}};
  ExportTraceServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(encode_one(testing::small_trace(), options)));
  std::vector<std::string> written;
  for (const auto& entry : request.resource_spans(0).resource().attributes())
    written.push_back(entry.key() + "=" + entry.value().string_value());
  EXPECT_THAT(written, ElementsAre("service.name=source-controller", "k8s.cluster.name=prod", "team=a"));
}

TEST(otlp_protobuf_encoder, names_a_default_service) {
  auto trace = std::make_shared<completed_trace>(*testing::small_trace());
  for (auto& span : trace->spans)
    span.service.clear();
  encoder_options options;
  options.default_service = "mine";
  ExportTraceServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(encode_one(trace, options)));
  ASSERT_EQ(request.resource_spans_size(), 1);
  EXPECT_EQ(request.resource_spans(0).resource().attributes(0).value().string_value(), "mine");
}

TEST(otlp_protobuf_encoder, repairs_text_that_is_not_utf8) {
  auto trace = std::make_shared<completed_trace>(*testing::small_trace());
  trace->spans[1].status_message = "cut \xE2\x82";
  trace->spans[1].attributes = {{"message", "\xff"}};
  ExportTraceServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(encode_one(trace)));
  const auto& run = request.resource_spans(1).scope_spans(0).spans(0);
  EXPECT_EQ(run.status().message(), "cut \xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(run.attributes(0).value().string_value(), "\xEF\xBF\xBD");
}

TEST(otlp_protobuf_encoder, knows_no_time_before_1970) {
  auto trace = std::make_shared<completed_trace>(*testing::small_trace());
  trace->spans[0].start = timestamp{std::chrono::nanoseconds{-5}};
  ExportTraceServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(encode_one(trace)));
  EXPECT_EQ(request.resource_spans(0).scope_spans(0).spans(0).start_time_unix_nano(), 0U);
}

} // namespace
} // namespace tc::exporting
