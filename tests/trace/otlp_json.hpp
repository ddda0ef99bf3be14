#pragma once

// The least OTLP/JSON that the checker of recordings reads. The product's encoder is in export/; this one
// keeps the tests of trace/ independent of it.

#include "messages/span.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <string>

namespace tc::test {

inline nlohmann::json json_of(const std::vector<attribute>& attributes) {
  auto result = nlohmann::json::array();
  for (const auto& [key, value] : attributes) {
    nlohmann::json text;
    if (const auto* s = std::get_if<std::string>(&value))
      text["stringValue"] = *s;
    else if (const auto* b = std::get_if<bool>(&value))
      text["boolValue"] = *b;
    else if (const auto* i = std::get_if<std::int64_t>(&value))
      text["intValue"] = std::to_string(*i);
    else if (const auto* d = std::get_if<double>(&value))
      text["doubleValue"] = *d;
    else {
      auto items = nlohmann::json::array();
      for (const auto& each : std::get<std::vector<std::string>>(value))
        items.push_back({{"stringValue", each}});
      text["arrayValue"] = {{"values", items}};
    }
    result.push_back({{"key", key}, {"value", text}});
  }
  return result;
}

inline std::string nanoseconds(timestamp at) {
  return std::to_string(at.time_since_epoch().count());
}

/// Returns one ExportTraceServiceRequest, one resource per service.
inline nlohmann::json otlp_json(const completed_trace& trace) {
  std::map<std::string, nlohmann::json> by_service;
  for (const auto& each : trace.spans) {
    nlohmann::json made = {{"traceId", trace.id.to_hex()},
                           {"spanId", each.id.to_hex()},
                           {"name", each.name},
                           {"kind", static_cast<int>(each.kind)},
                           {"startTimeUnixNano", nanoseconds(each.start)},
                           {"endTimeUnixNano", nanoseconds(each.end)},
                           {"attributes", json_of(each.attributes)}};
    if (!each.parent.is_zero())
      made["parentSpanId"] = each.parent.to_hex();
    for (const auto& event : each.events)
      made["events"].push_back({{"timeUnixNano", nanoseconds(event.at)},
                                {"name", event.name},
                                {"attributes", json_of(event.attributes)}});
    for (const auto& link : each.links)
      made["links"].push_back({{"traceId", link.trace.to_hex()}, {"spanId", link.span.to_hex()}});
    if (each.status != span_status::unset)
      made["status"] = {{"code", static_cast<int>(each.status)}, {"message", each.status_message}};
    auto& spans = by_service[each.service];
    if (spans.is_null())
      spans = nlohmann::json::array();
    spans.push_back(std::move(made));
  }
  nlohmann::json request = {{"resourceSpans", nlohmann::json::array()}};
  for (auto& [service, spans] : by_service) {
    auto resource = trace.resource_attributes;
    resource.push_back({"service.name", service});
    request["resourceSpans"].push_back(
        {{"resource", {{"attributes", json_of(resource)}}}, {"scopeSpans", {{{"spans", spans}}}}});
  }
  return request;
}

} // namespace tc::test
