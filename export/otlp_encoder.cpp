#include "export/otlp_encoder.hpp"

#include "export/protobuf_writer.hpp"
#include "export/resource_groups.hpp"
#include "export/text.hpp"
#include "version.hpp"

#include <algorithm>
#include <bit>

namespace tc::exporting {

namespace {

/// Field numbers of opentelemetry-proto; export/proto has the messages in full.
namespace field {
// AnyValue
constexpr std::uint32_t string_value = 1, bool_value = 2, int_value = 3, double_value = 4, array_value = 5;
// ArrayValue
constexpr std::uint32_t values = 1;
// KeyValue
constexpr std::uint32_t key = 1, value = 2;
// Resource, and InstrumentationScope
constexpr std::uint32_t resource_attributes = 1, scope_name = 1, scope_version = 2;
// ExportTraceServiceRequest, ResourceSpans, ScopeSpans
constexpr std::uint32_t resource_spans = 1, resource = 1, scope_spans = 2, scope = 1, spans = 2;
// Span
constexpr std::uint32_t trace_id = 1, span_id = 2, trace_state = 3, parent_span_id = 4, name = 5, kind = 6,
                        start_time = 7, end_time = 8, attributes = 9, events = 11, links = 13, status = 15,
                        flags = 16;
// Span.Event, Span.Link, Status
constexpr std::uint32_t event_time = 1, event_name = 2, event_attributes = 3, link_trace_id = 1,
                        link_span_id = 2, link_attributes = 4, status_message = 2, status_code = 3;
} // namespace field

/// OTLP has no time before 1970.
std::uint64_t unix_nanos(timestamp at) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, at.time_since_epoch().count()));
}

template <class Id>
std::string_view raw(const Id& id) {
  return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

/// Writes the parts of a request. As proto3 has it, plain fields with their default value are left out.
class otlp_writer {
public:
  explicit otlp_writer(protobuf_writer& out) : out_(out) {
    // nop
  }

  void write_span(std::uint32_t number, const span& source, const completed_trace& trace) {
    // Nearly all spans are of 128 to 16,383 bytes.
    out_.message_field<2>(number, [&] {
      out_.bytes_field(field::trace_id, raw(trace.id));
      out_.bytes_field(field::span_id, raw(source.id));
      text(field::trace_state, trace.trace_state);
      if (!source.parent.is_zero())
        out_.bytes_field(field::parent_span_id, raw(source.parent));
      text(field::name, source.name);
      out_.varint_field(field::kind, static_cast<std::uint64_t>(source.kind));
      time(field::start_time, source.start);
      time(field::end_time, source.end);
      write_attributes(field::attributes, source.attributes);
      for (const auto& event : source.events)
        out_.message_field(field::events, [&] {
          time(field::event_time, event.at);
          text(field::event_name, event.name);
          write_attributes(field::event_attributes, event.attributes);
        });
      for (const auto& link : source.links)
        out_.message_field(field::links, [&] {
          out_.bytes_field(field::link_trace_id, raw(link.trace));
          out_.bytes_field(field::link_span_id, raw(link.span));
          write_attributes(field::link_attributes, link.attributes);
        });
      if (source.status != span_status::unset)
        out_.message_field(field::status, [&] {
          if (source.status == span_status::error)
            text(field::status_message, source.status_message);
          out_.varint_field(field::status_code, static_cast<std::uint64_t>(source.status));
        });
      out_.fixed32_field(field::flags, exported_trace_flags);
    });
  }

  void write_attributes(std::uint32_t number, const std::vector<attribute>& attributes) {
    for (const auto& entry : attributes)
      if (auto* string = std::get_if<std::string>(&entry.value);
          string && is_valid_utf8(*string) && is_valid_utf8(entry.key))
        write_text_attribute(number, entry.key, *string);
      else
        out_.message_field(number, [&] {
          text(field::key, entry.key);
          out_.message_field(field::value, [&] { write_value(entry.value); });
        });
  }

  /// proto3 strings must be UTF-8: receivers refuse a whole request for one bad byte.
  void text(std::uint32_t number, std::string_view value) {
    if (!value.empty())
      required_text(number, value);
  }

private:
  /// Most attributes are text: their lengths are known ahead, and nothing has to move.
  void write_text_attribute(std::uint32_t number, std::string_view key, std::string_view value) {
    auto of_value = length_field_size(value.size());
    out_.length_field(number,
                      (key.empty() ? 0 : length_field_size(key.size())) + length_field_size(of_value));
    if (!key.empty())
      out_.bytes_field(field::key, key);
    out_.length_field(field::value, of_value);
    out_.bytes_field(field::string_value, value);
  }

  void time(std::uint32_t number, timestamp at) {
    if (auto nanos = unix_nanos(at); nanos != 0)
      out_.fixed64_field(number, nanos);
  }

  void required_text(std::uint32_t number, std::string_view value) {
    if (is_valid_utf8(value))
      out_.bytes_field(number, value);
    else
      out_.bytes_field(number, to_valid_utf8(value));
  }

  /// Members of a oneof are written with their default too: that they are there says of which type they are.
  void write_value(const attribute_value& value) {
    if (auto* string = std::get_if<std::string>(&value))
      required_text(field::string_value, *string);
    else if (auto* flag = std::get_if<bool>(&value))
      out_.varint_field(field::bool_value, *flag ? 1 : 0);
    else if (auto* number = std::get_if<std::int64_t>(&value))
      out_.varint_field(field::int_value, static_cast<std::uint64_t>(*number));
    else if (auto* floating = std::get_if<double>(&value))
      out_.fixed64_field(field::double_value, std::bit_cast<std::uint64_t>(*floating));
    else if (auto* list = std::get_if<std::vector<std::string>>(&value))
      out_.message_field(field::array_value, [&] {
        for (const auto& entry : *list)
          out_.message_field(field::values, [&] { required_text(field::string_value, entry); });
      });
  }

  protobuf_writer& out_;
};

/// Fetches the texts of a span that is written soon. They lie all over memory, and waiting for one after the
/// other would take longer than writing them.
void fetch_ahead(const span& source) {
  for (const auto& entry : source.attributes) {
    __builtin_prefetch(entry.key.data());
    if (auto* text = std::get_if<std::string>(&entry.value))
      __builtin_prefetch(text->data());
  }
}

/// The parts of a ResourceSpans that stand before its spans.
struct encoded_group {
  std::string resource; ///< field `resource` of ResourceSpans
  std::string scope;    ///< field `scope` of ScopeSpans, the same for all
};

encoded_group encode_group(const resource_group& group, const encoder_options& options) {
  protobuf_writer resource, scope;
  resource.message_field(field::resource, [&] {
    otlp_writer{resource}.write_attributes(field::resource_attributes, group.attributes);
  });
  scope.message_field(field::scope, [&] {
    otlp_writer{scope}.text(field::scope_name, options.scope_name);
    otlp_writer{scope}.text(field::scope_version, options.scope_version);
  });
  return {std::string{resource.text()}, std::string{scope.text()}};
}

/// What a group costs in a batch beside its spans: lengths of up to five bytes each, for up to 4 GiB.
std::size_t overhead(const encoded_group& group) {
  return group.resource.size() + group.scope.size() + std::size_t{2} * (1 + 5);
}

/// Appends a ResourceSpans with those spans, each encoded with its field head.
void append_group(std::string& out, const encoded_group& group, const std::vector<std::string_view>& spans) {
  auto size = group.scope.size();
  for (auto entry : spans)
    size += entry.size();
  protobuf_writer outer, inner;
  inner.length_field(field::scope_spans, size);
  outer.length_field(field::resource_spans, group.resource.size() + inner.size() + size);
  out += outer.text();
  out += group.resource;
  out += inner.text();
  out += group.scope;
  for (auto entry : spans)
    out += entry;
}

} // namespace

otlp_protobuf_encoder::otlp_protobuf_encoder(encoder_options options) : options_(std::move(options)) {
  if (options_.scope_version.empty())
    options_.scope_version = version;
}

std::vector<encoded_batch> otlp_protobuf_encoder::encode(std::span<const completed_trace_ptr> traces,
                                                         std::size_t limit) const {
  resource_groups groups{traces, options_};
  // Each span is encoded once, one after the other; batches are copied together from these bytes.
  constexpr std::size_t usual_span = 512;
  std::size_t spans_in_all = 0;
  for (const auto& trace : traces)
    spans_in_all += trace->spans.size();
  protobuf_writer writer{usual_span * spans_in_all};
  std::vector<std::size_t> starts; // of each trace
  std::vector<std::vector<measured_span>> measured(traces.size());
  starts.reserve(traces.size());
  for (std::size_t t = 0; t < traces.size(); ++t) {
    const auto& spans = traces[t]->spans;
    starts.push_back(writer.size());
    measured[t].reserve(spans.size());
    for (std::size_t s = 0; s < spans.size(); ++s) {
      if (s + 1 < spans.size())
        fetch_ahead(spans[s + 1]);
      auto before = writer.size();
      otlp_writer{writer}.write_span(field::spans, spans[s], *traces[t]);
      measured[t].push_back({writer.size() - before, groups.of(t, s)});
    }
  }
  auto bytes = writer.text();
  std::vector<encoded_group> encoded;
  std::vector<std::size_t> group_bytes;
  for (const auto& group : groups.all()) {
    encoded.push_back(encode_group(group, options_));
    group_bytes.push_back(overhead(encoded.back()));
  }

  std::vector<encoded_batch> out;
  for (const auto& ranges : cut_batches(measured, group_bytes, limit)) {
    encoded_batch batch;
    std::vector<std::uint32_t> order; // groups in the order in which their first spans come
    std::vector<std::vector<std::string_view>> members(encoded.size());
    std::size_t size = 0;
    for (const auto& range : ranges) {
      auto start = starts[range.trace];
      for (std::size_t s = 0; s < range.first; ++s)
        start += measured[range.trace][s].bytes;
      for (auto s = range.first; s < range.first + range.count; ++s) {
        const auto& span = measured[range.trace][s];
        if (members[span.group].empty()) {
          order.push_back(span.group);
          size += group_bytes[span.group];
        }
        members[span.group].push_back(bytes.substr(start, span.bytes));
        start += span.bytes;
        size += span.bytes;
      }
      batch.span_count += range.count;
      batch.shares.push_back({traces[range.trace], range.first, range.count});
    }
    batch.body.reserve(size);
    for (auto group : order)
      append_group(batch.body, encoded[group], members[group]);
    out.push_back(std::move(batch));
  }
  return out;
}

} // namespace tc::exporting
