#include "runtime/program/delivered_json.hpp"

#include "runtime/http_client/base64.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace tc::runtime {

using nlohmann::json;

namespace {

std::string text_in(const json& object, const char* name) {
  auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>()
                                                                           : std::string{};
}

std::optional<delivered_trace> read_trace(const json& entry) {
  auto id = trace_id::from_hex(text_in(entry, "traceID"));
  auto bytes = decode_base64(text_in(entry, "spans"));
  if (!id || !bytes || bytes->empty() || bytes->size() % sizeof(span_id::bytes) != 0)
    return std::nullopt;
  delivered_trace out{*id, {}};
  for (std::size_t at = 0; at < bytes->size(); at += sizeof(span_id::bytes)) {
    auto& span = out.spans.emplace_back();
    std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(at), span.bytes.size(), span.bytes.begin());
  }
  return out;
}

} // namespace

json delivered_json(const std::vector<delivered_trace>& traces) {
  auto out = json::array();
  for (const auto& trace : traces) {
    std::string bytes;
    for (const auto& span : trace.spans)
      bytes.append(span.bytes.begin(), span.bytes.end());
    out.push_back({{"traceID", trace.id.to_hex()}, {"spans", encode_base64(bytes)}});
  }
  return out;
}

std::optional<delivered_spans> read_delivered(std::string_view trace_json) {
  auto object = json::parse(trace_json, nullptr, false);
  if (!object.is_object() || !object.contains("metadata") || !object.contains("status"))
    return std::nullopt;
  delivered_spans out;
  out.uid = text_in(object["metadata"], "uid");
  const auto& status = object["status"];
  if (out.uid.empty() || !status.is_object())
    return std::nullopt;
  out.until = parse_rfc3339(text_in(status, "exportedUntil")).value_or(timestamp{});
  if (auto told = status.find("deliveredSpans"); told != status.end() && told->is_array())
    for (const auto& entry : *told)
      if (auto trace = read_trace(entry))
        out.traces.push_back(std::move(*trace));
  if (out.traces.empty() && !is_known(out.until))
    return std::nullopt;
  return out;
}

} // namespace tc::runtime
