#include "export/zipkin_encoder.hpp"

#include "export/resource_groups.hpp"
#include "export/text.hpp"
#include "version.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace tc::exporting {

namespace {

/// Tags are text. Lists become JSON arrays, as the specification asks.
std::string tag_text(const attribute_value& value) {
  struct visitor {
    std::string operator()(const std::string& x) const { return x; }
    std::string operator()(bool x) const { return x ? "true" : "false"; }
    std::string operator()(std::int64_t x) const { return std::to_string(x); }
    std::string operator()(double x) const {
      char buffer[32];
      return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x).ptr};
    }
    std::string operator()(const std::vector<std::string>& x) const {
      std::string out = "[";
      for (const auto& entry : x) {
        if (&entry != &x.front())
          out += ',';
        append_json_string(out, entry);
      }
      return out + ']';
    }
  };
  return std::visit(visitor{}, value);
}

/// Zipkin has CLIENT, SERVER, PRODUCER and CONSUMER; an internal span has no kind.
std::string_view kind_text(span_kind kind) {
  switch (kind) {
  case span_kind::server:
    return "SERVER";
  case span_kind::client:
    return "CLIENT";
  case span_kind::producer:
    return "PRODUCER";
  case span_kind::consumer:
    return "CONSUMER";
  case span_kind::internal:
    break;
  }
  return {};
}

std::int64_t micros(timestamp at) {
  return std::max<std::int64_t>(0, at.time_since_epoch().count() / 1000);
}

/// An event is an annotation: its name, and its attributes as a JSON object when it has any.
std::string annotation_text(const span_event& event) {
  if (event.attributes.empty())
    return event.name;
  std::string out;
  append_json_string(out, event.name);
  out += ": {";
  for (const auto& entry : event.attributes) {
    if (&entry != &event.attributes.front())
      out += ',';
    append_json_string(out, entry.key);
    out += ':';
    append_json_string(out, tag_text(entry.value));
  }
  return out + '}';
}

/// Writes a `tags` object in which the first value of a key stays.
class tag_writer {
public:
  explicit tag_writer(std::string& out) : out_(out) { out_ += "\"tags\":{"; }

  void add(std::string_view key, std::string_view value) {
    if (!seen_.insert(key).second)
      return;
    if (seen_.size() > 1)
      out_ += ',';
    append_json_string(out_, key);
    out_ += ':';
    append_json_string(out_, value);
  }

private:
  std::string& out_;
  std::set<std::string_view> seen_; ///< views into the caller's keys
};

std::string span_json(const span& source, const completed_trace& trace, const resource_group& group,
                      const encoder_options& options) {
  std::string out = "{\"traceId\":\"" + trace.id.to_hex() + "\",\"id\":\"" + source.id.to_hex() + '"';
  if (!source.parent.is_zero())
    out += ",\"parentId\":\"" + source.parent.to_hex() + '"';
  out += ",\"name\":";
  append_json_string(out, source.name);
  if (auto kind = kind_text(source.kind); !kind.empty()) {
    out += ",\"kind\":\"";
    out += kind;
    out += '"';
  }
  // Zipkin reads a duration of 0 as "unknown", so the shortest is one microsecond.
  out += ",\"timestamp\":" + std::to_string(micros(source.start));
  out += ",\"duration\":" +
         std::to_string(std::max<std::int64_t>(1, (source.end - source.start).count() / 1000));
  out += ",\"localEndpoint\":{\"serviceName\":";
  append_json_string(out, group.service);
  out += '}';
  if (!source.events.empty()) {
    out += ",\"annotations\":[";
    for (const auto& event : source.events) {
      if (&event != &source.events.front())
        out += ',';
      out += "{\"timestamp\":" + std::to_string(micros(event.at)) + ",\"value\":";
      append_json_string(out, annotation_text(event));
      out += '}';
    }
    out += ']';
  }
  out += ',';
  tag_writer tags{out};
  if (source.status == span_status::error)
    tags.add("error", source.status_message);
  if (source.status != span_status::unset)
    tags.add("otel.status_code", source.status == span_status::error ? "ERROR" : "OK");
  for (const auto& entry : source.attributes)
    // An attribute named "error" would mark a good span as failed.
    if (entry.key != "error" || source.status == span_status::error)
      tags.add(entry.key, tag_text(entry.value));
  for (const auto& entry : group.attributes)
    if (entry.key != "service.name")
      tags.add(entry.key, tag_text(entry.value));
  tags.add("otel.scope.name", options.scope_name);
  tags.add("otel.scope.version", options.scope_version);
  out += "}}";
  return out;
}

} // namespace

zipkin_encoder::zipkin_encoder(encoder_options options) : options_(std::move(options)) {
  if (options_.scope_version.empty())
    options_.scope_version = version;
}

std::vector<encoded_batch> zipkin_encoder::encode(std::span<const completed_trace_ptr> traces,
                                                  std::size_t limit) const {
  resource_groups groups{traces, options_};
  std::vector<std::vector<std::string>> spans(traces.size());
  std::vector<std::vector<measured_span>> measured(traces.size());
  for (std::size_t t = 0; t < traces.size(); ++t)
    for (std::size_t s = 0; s < traces[t]->spans.size(); ++s) {
      const auto& group = groups.all()[groups.of(t, s)];
      spans[t].push_back(span_json(traces[t]->spans[s], *traces[t], group, options_));
      measured[t].push_back({spans[t].back().size() + 1, 0}); // 1 for the comma
    }
  constexpr std::size_t brackets = 2;
  const std::vector<std::size_t> no_groups{0}; // Zipkin repeats the service in every span

  std::vector<encoded_batch> out;
  for (const auto& ranges : cut_batches(measured, no_groups, limit > brackets ? limit - brackets : 0)) {
    encoded_batch batch;
    batch.body = "[";
    for (const auto& range : ranges) {
      for (auto s = range.first; s < range.first + range.count; ++s) {
        if (batch.body.size() > 1)
          batch.body += ',';
        batch.body += spans[range.trace][s];
      }
      batch.span_count += range.count;
      batch.shares.push_back({traces[range.trace], range.first, range.count});
    }
    batch.body += ']';
    out.push_back(std::move(batch));
  }
  return out;
}

} // namespace tc::exporting
