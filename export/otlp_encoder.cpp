#include "export/otlp_encoder.hpp"

#include "export/resource_groups.hpp"
#include "export/text.hpp"
#include "version.hpp"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>

#include <algorithm>

namespace tc::exporting {

namespace {

namespace otlp = opentelemetry::proto;
using google::protobuf::Arena;
using key_values = google::protobuf::RepeatedPtrField<otlp::common::v1::KeyValue>;

/// proto3 strings must be UTF-8: receivers refuse a whole request for one bad byte.
void set_text(std::string* field, std::string_view text) {
  if (is_valid_utf8(text))
    field->assign(text);
  else
    *field = to_valid_utf8(text);
}

void write_value(otlp::common::v1::AnyValue& out, const attribute_value& value) {
  struct visitor {
    otlp::common::v1::AnyValue& out;
    void operator()(const std::string& x) const { set_text(out.mutable_string_value(), x); }
    void operator()(bool x) const { out.set_bool_value(x); }
    void operator()(std::int64_t x) const { out.set_int_value(x); }
    void operator()(double x) const { out.set_double_value(x); }
    void operator()(const std::vector<std::string>& x) const {
      auto* list = out.mutable_array_value(); // also when it is empty, so that it stays a list
      for (const auto& entry : x)
        set_text(list->add_values()->mutable_string_value(), entry);
    }
  };
  std::visit(visitor{out}, value);
}

void write_attributes(key_values& out, const std::vector<attribute>& attributes) {
  out.Reserve(static_cast<int>(attributes.size()));
  for (const auto& entry : attributes) {
    auto* pair = out.Add();
    set_text(pair->mutable_key(), entry.key);
    write_value(*pair->mutable_value(), entry.value);
  }
}

template <class Id>
void set_id(std::string* field, const Id& id) {
  field->assign(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
}

/// OTLP has no time before 1970.
std::uint64_t unix_nanos(timestamp at) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, at.time_since_epoch().count()));
}

void write_span(otlp::trace::v1::Span& out, const span& source, const completed_trace& trace) {
  set_id(out.mutable_trace_id(), trace.id);
  set_id(out.mutable_span_id(), source.id);
  if (!trace.trace_state.empty())
    set_text(out.mutable_trace_state(), trace.trace_state);
  if (!source.parent.is_zero())
    set_id(out.mutable_parent_span_id(), source.parent);
  set_text(out.mutable_name(), source.name);
  out.set_kind(static_cast<otlp::trace::v1::Span::SpanKind>(source.kind));
  out.set_start_time_unix_nano(unix_nanos(source.start));
  out.set_end_time_unix_nano(unix_nanos(source.end));
  write_attributes(*out.mutable_attributes(), source.attributes);
  for (const auto& event : source.events) {
    auto* entry = out.add_events();
    entry->set_time_unix_nano(unix_nanos(event.at));
    set_text(entry->mutable_name(), event.name);
    write_attributes(*entry->mutable_attributes(), event.attributes);
  }
  for (const auto& link : source.links) {
    auto* entry = out.add_links();
    set_id(entry->mutable_trace_id(), link.trace);
    set_id(entry->mutable_span_id(), link.span);
    write_attributes(*entry->mutable_attributes(), link.attributes);
  }
  if (source.status != span_status::unset) {
    out.mutable_status()->set_code(static_cast<otlp::trace::v1::Status::StatusCode>(source.status));
    if (source.status == span_status::error)
      set_text(out.mutable_status()->mutable_message(), source.status_message);
  }
  out.set_flags(exported_trace_flags);
}

/// Bytes of a message of `size` bytes as a field of a number below 16: tag, length, content.
std::size_t framed(std::size_t size) {
  return 1 + google::protobuf::io::CodedOutputStream::VarintSize64(size) + size;
}

} // namespace

otlp_protobuf_encoder::otlp_protobuf_encoder(encoder_options options) : options_(std::move(options)) {
  if (options_.scope_version.empty())
    options_.scope_version = version;
}

std::vector<encoded_batch> otlp_protobuf_encoder::encode(std::span<const completed_trace_ptr> traces,
                                                         std::size_t limit) const {
  google::protobuf::ArenaOptions arena_options;
  arena_options.max_block_size = 256 * 1024;
  Arena arena{arena_options};
  resource_groups groups{traces, options_};

  // Spans and group heads are made once, measured, and then only linked into the requests.
  std::vector<std::vector<otlp::trace::v1::Span*>> spans(traces.size());
  std::vector<std::vector<measured_span>> measured(traces.size());
  for (std::size_t t = 0; t < traces.size(); ++t) {
    const auto& trace = *traces[t];
    spans[t].reserve(trace.spans.size());
    measured[t].reserve(trace.spans.size());
    for (std::size_t s = 0; s < trace.spans.size(); ++s) {
      auto* made = Arena::CreateMessage<otlp::trace::v1::Span>(&arena);
      write_span(*made, trace.spans[s], trace);
      spans[t].push_back(made);
      measured[t].push_back({framed(made->ByteSizeLong()), groups.of(t, s)});
    }
  }
  auto open_group = [&](otlp::trace::v1::ResourceSpans& out, const resource_group& group) {
    write_attributes(*out.mutable_resource()->mutable_attributes(), group.attributes);
    auto* scope_spans = out.add_scope_spans();
    set_text(scope_spans->mutable_scope()->mutable_name(), options_.scope_name);
    set_text(scope_spans->mutable_scope()->mutable_version(), options_.scope_version);
    return scope_spans;
  };
  std::vector<std::size_t> group_bytes;
  for (const auto& group : groups.all()) {
    auto* head = Arena::CreateMessage<otlp::trace::v1::ResourceSpans>(&arena);
    open_group(*head, group);
    // The two lengths around the spans grow with them: by at most four bytes each below 4 GiB.
    group_bytes.push_back(framed(head->ByteSizeLong()) + 8);
  }

  std::vector<encoded_batch> out;
  for (const auto& ranges : cut_batches(measured, group_bytes, limit)) {
    auto* request = Arena::CreateMessage<otlp::collector::trace::v1::ExportTraceServiceRequest>(&arena);
    std::vector<otlp::trace::v1::ScopeSpans*> opened(groups.all().size(), nullptr);
    encoded_batch batch;
    for (const auto& range : ranges) {
      for (auto s = range.first; s < range.first + range.count; ++s) {
        auto group = groups.of(range.trace, s);
        if (opened[group] == nullptr)
          opened[group] = open_group(*request->add_resource_spans(), groups.all()[group]);
        opened[group]->mutable_spans()->UnsafeArenaAddAllocated(spans[range.trace][s]);
      }
      batch.span_count += range.count;
      batch.shares.push_back({traces[range.trace], range.first, range.count});
    }
    request->SerializeToString(&batch.body);
    out.push_back(std::move(batch));
  }
  return out;
}

} // namespace tc::exporting
