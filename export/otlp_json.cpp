#include "export/otlp_json.hpp"

#include "export/otlp_encoder.hpp"
#include "export/resource_groups.hpp"
#include "export/text.hpp"
#include "version.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tc::exporting {

namespace {

void append_number(std::string& out, std::int64_t value) {
  char buffer[24];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
}

/// 64-bit integers are strings in OTLP/JSON: a double, which JSON readers may use, cannot hold them.
void append_quoted_number(std::string& out, std::int64_t value) {
  out += '"';
  append_number(out, value);
  out += '"';
}

void append_double(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    char buffer[32];
    auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    out.append(buffer, end);
  }
}

void append_value(std::string& out, const attribute_value& value) {
  struct visitor {
    std::string& out;
    void operator()(const std::string& x) const {
      out += "{\"stringValue\":";
      append_json_string(out, x);
    }
    void operator()(bool x) const { out += x ? "{\"boolValue\":true" : "{\"boolValue\":false"; }
    void operator()(std::int64_t x) const {
      out += "{\"intValue\":";
      append_quoted_number(out, x);
    }
    void operator()(double x) const {
      out += "{\"doubleValue\":";
      append_double(out, x);
    }
    void operator()(const std::vector<std::string>& x) const {
      out += "{\"arrayValue\":{\"values\":[";
      for (const auto& entry : x) {
        if (&entry != &x.front())
          out += ',';
        out += "{\"stringValue\":";
        append_json_string(out, entry);
        out += '}';
      }
      out += "]}";
    }
  };
  std::visit(visitor{out}, value);
  out += '}';
}

/// Appends `"attributes":[…]`, with a comma before it, or nothing when there are none.
void append_attributes(std::string& out, const std::vector<attribute>& attributes) {
  if (attributes.empty())
    return;
  out += ",\"attributes\":[";
  for (const auto& entry : attributes) {
    if (&entry != &attributes.front())
      out += ',';
    out += "{\"key\":";
    append_json_string(out, entry.key);
    out += ",\"value\":";
    append_value(out, entry.value);
    out += '}';
  }
  out += ']';
}

void append_time(std::string& out, timestamp at) {
  append_quoted_number(out, std::max<std::int64_t>(0, at.time_since_epoch().count()));
}

std::string span_json(const span& source, const completed_trace& trace) {
  std::string out = "{\"traceId\":\"" + trace.id.to_hex() + "\",\"spanId\":\"" + source.id.to_hex() + '"';
  if (!trace.trace_state.empty()) {
    out += ",\"traceState\":";
    append_json_string(out, trace.trace_state);
  }
  if (!source.parent.is_zero())
    out += ",\"parentSpanId\":\"" + source.parent.to_hex() + '"';
  out += ",\"flags\":";
  append_number(out, exported_trace_flags);
  out += ",\"name\":";
  append_json_string(out, source.name);
  out += ",\"kind\":";
  append_number(out, static_cast<std::int64_t>(source.kind));
  out += ",\"startTimeUnixNano\":";
  append_time(out, source.start);
  out += ",\"endTimeUnixNano\":";
  append_time(out, source.end);
  append_attributes(out, source.attributes);
  if (!source.events.empty()) {
    out += ",\"events\":[";
    for (const auto& event : source.events) {
      if (&event != &source.events.front())
        out += ',';
      out += "{\"timeUnixNano\":";
      append_time(out, event.at);
      out += ",\"name\":";
      append_json_string(out, event.name);
      append_attributes(out, event.attributes);
      out += '}';
    }
    out += ']';
  }
  if (!source.links.empty()) {
    out += ",\"links\":[";
    for (const auto& link : source.links) {
      if (&link != &source.links.front())
        out += ',';
      out += "{\"traceId\":\"" + link.trace.to_hex() + "\",\"spanId\":\"" + link.span.to_hex() + '"';
      append_attributes(out, link.attributes);
      out += '}';
    }
    out += ']';
  }
  out += ",\"status\":{";
  if (source.status == span_status::error && !source.status_message.empty()) {
    out += "\"message\":";
    append_json_string(out, source.status_message);
    out += ',';
  }
  if (source.status != span_status::unset) {
    out += "\"code\":";
    append_number(out, static_cast<std::int64_t>(source.status));
  }
  out += "}}";
  return out;
}

constexpr std::string_view request_head = "{\"resourceSpans\":[";
constexpr std::string_view request_tail = "]}";
constexpr std::string_view group_tail = "]}]}";

/// Everything of a ResourceSpans up to its first span.
std::string group_head(const resource_group& group, const encoder_options& options) {
  std::string attributes;
  append_attributes(attributes, group.attributes); // never empty: there is service.name
  std::string out = "{\"resource\":{";
  out.append(attributes, 1); // without the leading comma
  out += "},\"scopeSpans\":[{\"scope\":{\"name\":";
  append_json_string(out, options.scope_name);
  out += ",\"version\":";
  append_json_string(out, options.scope_version);
  out += "},\"spans\":[";
  return out;
}

} // namespace

otlp_json_encoder::otlp_json_encoder(encoder_options options) : options_(std::move(options)) {
  if (options_.scope_version.empty())
    options_.scope_version = version;
}

std::vector<encoded_batch> otlp_json_encoder::encode(std::span<const completed_trace_ptr> traces,
                                                     std::size_t limit) const {
  resource_groups groups{traces, options_};
  std::vector<std::vector<std::string>> spans(traces.size());
  std::vector<std::vector<measured_span>> measured(traces.size());
  for (std::size_t t = 0; t < traces.size(); ++t)
    for (std::size_t s = 0; s < traces[t]->spans.size(); ++s) {
      spans[t].push_back(span_json(traces[t]->spans[s], *traces[t]));
      measured[t].push_back({spans[t].back().size() + 1, groups.of(t, s)}); // 1 for the comma
    }
  std::vector<std::string> heads;
  std::vector<std::size_t> group_bytes;
  for (const auto& group : groups.all()) {
    heads.push_back(group_head(group, options_));
    group_bytes.push_back(heads.back().size() + group_tail.size() + 1);
  }
  constexpr auto frame = request_head.size() + request_tail.size();

  std::vector<encoded_batch> out;
  for (const auto& ranges : cut_batches(measured, group_bytes, limit > frame ? limit - frame : 0)) {
    encoded_batch batch;
    // Groups in the order in which their first spans come.
    std::vector<std::uint32_t> order;
    std::vector<std::vector<const std::string*>> members(heads.size());
    for (const auto& range : ranges) {
      for (auto s = range.first; s < range.first + range.count; ++s) {
        auto group = groups.of(range.trace, s);
        if (members[group].empty())
          order.push_back(group);
        members[group].push_back(&spans[range.trace][s]);
      }
      batch.span_count += range.count;
      batch.shares.push_back({traces[range.trace], range.first, range.count});
    }
    batch.body = request_head;
    for (auto group : order) {
      if (group != order.front())
        batch.body += ',';
      batch.body += heads[group];
      for (const auto* entry : members[group]) {
        if (entry != members[group].front())
          batch.body += ',';
        batch.body += *entry;
      }
      batch.body += group_tail;
    }
    batch.body += request_tail;
    out.push_back(std::move(batch));
  }
  return out;
}

} // namespace tc::exporting
