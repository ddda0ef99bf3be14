#include "tests/export/generated_encoder.hpp"

#include "export/otlp_encoder.hpp"
#include "export/resource_groups.hpp"
#include "version.hpp"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

#include <google/protobuf/arena.h>

namespace tc::exporting::testing {

namespace {

namespace otlp = opentelemetry::proto;
using key_values = google::protobuf::RepeatedPtrField<otlp::common::v1::KeyValue>;

void write_value(otlp::common::v1::AnyValue& out, const attribute_value& value) {
  if (auto* text = std::get_if<std::string>(&value))
    out.set_string_value(*text);
  else if (auto* flag = std::get_if<bool>(&value))
    out.set_bool_value(*flag);
  else if (auto* number = std::get_if<std::int64_t>(&value))
    out.set_int_value(*number);
  else if (auto* floating = std::get_if<double>(&value))
    out.set_double_value(*floating);
  else if (auto* list = std::get_if<std::vector<std::string>>(&value)) {
    auto* array = out.mutable_array_value();
    for (const auto& entry : *list)
      array->add_values()->set_string_value(entry);
  }
}

void write_attributes(key_values& out, const std::vector<attribute>& attributes) {
  for (const auto& entry : attributes) {
    auto* pair = out.Add();
    pair->set_key(entry.key);
    write_value(*pair->mutable_value(), entry.value);
  }
}

template <class Id>
std::string raw(const Id& id) {
  return {id.bytes.begin(), id.bytes.end()};
}

std::uint64_t unix_nanos(timestamp at) {
  return static_cast<std::uint64_t>(at.time_since_epoch().count());
}

void write_span(otlp::trace::v1::Span& out, const span& source, const completed_trace& trace) {
  out.set_trace_id(raw(trace.id));
  out.set_span_id(raw(source.id));
  out.set_trace_state(trace.trace_state);
  if (!source.parent.is_zero())
    out.set_parent_span_id(raw(source.parent));
  out.set_name(source.name);
  out.set_kind(static_cast<otlp::trace::v1::Span::SpanKind>(source.kind));
  out.set_start_time_unix_nano(unix_nanos(source.start));
  out.set_end_time_unix_nano(unix_nanos(source.end));
  write_attributes(*out.mutable_attributes(), source.attributes);
  for (const auto& event : source.events) {
    auto* entry = out.add_events();
    entry->set_time_unix_nano(unix_nanos(event.at));
    entry->set_name(event.name);
    write_attributes(*entry->mutable_attributes(), event.attributes);
  }
  for (const auto& link : source.links) {
    auto* entry = out.add_links();
    entry->set_trace_id(raw(link.trace));
    entry->set_span_id(raw(link.span));
    write_attributes(*entry->mutable_attributes(), link.attributes);
  }
  if (source.status != span_status::unset) {
    out.mutable_status()->set_code(static_cast<otlp::trace::v1::Status::StatusCode>(source.status));
    out.mutable_status()->set_message(source.status_message);
  }
  out.set_flags(exported_trace_flags);
}

} // namespace

std::string encode_with_generated_messages(std::span<const completed_trace_ptr> traces,
                                           const encoder_options& options) {
  google::protobuf::Arena arena;
  auto* request =
      google::protobuf::Arena::CreateMessage<otlp::collector::trace::v1::ExportTraceServiceRequest>(&arena);
  resource_groups groups{traces, options};
  std::vector<otlp::trace::v1::ScopeSpans*> opened(groups.all().size(), nullptr);
  for (std::size_t t = 0; t < traces.size(); ++t)
    for (std::size_t s = 0; s < traces[t]->spans.size(); ++s) {
      auto group = groups.of(t, s);
      if (opened[group] == nullptr) {
        auto* added = request->add_resource_spans();
        write_attributes(*added->mutable_resource()->mutable_attributes(), groups.all()[group].attributes);
        opened[group] = added->add_scope_spans();
        opened[group]->mutable_scope()->set_name(options.scope_name);
        opened[group]->mutable_scope()->set_version(version);
      }
      write_span(*opened[group]->add_spans(), traces[t]->spans[s], *traces[t]);
    }
  return request->SerializeAsString();
}

} // namespace tc::exporting::testing
