#include "export/otlp_json_reader.hpp"

#include <nlohmann/json.hpp>

#include <charconv>
#include <limits>
#include <stdexcept>

namespace tc::exporting {

namespace {

using nlohmann::json;

/// Thrown inside this file only; becomes the error value.
[[noreturn]] void fail(const std::string& field, const std::string& why) {
  throw std::invalid_argument(field + ": " + why);
}

const json& member(const json& object, const char* key) {
  static const json none;
  if (!object.is_object())
    return none;
  auto found = object.find(key);
  return found == object.end() ? none : *found;
}

const json& list(const json& object, const char* key) {
  static const json empty = json::array();
  const auto& found = member(object, key);
  if (found.is_null())
    return empty;
  if (!found.is_array())
    fail(key, "expected an array");
  return found;
}

std::string text(const json& object, const char* key) {
  const auto& found = member(object, key);
  if (found.is_null())
    return {};
  if (!found.is_string())
    fail(key, "expected a string");
  return found.get<std::string>();
}

/// 64-bit integers come as strings, but readers must take numbers too.
std::int64_t integer(const json& object, const char* key) {
  const auto& found = member(object, key);
  if (found.is_null())
    return 0;
  if (found.is_number_integer())
    return found.get<std::int64_t>();
  if (found.is_string()) {
    const auto& digits = found.get_ref<const std::string&>();
    std::int64_t out = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    if (error == std::errc{} && end == digits.data() + digits.size())
      return out;
  }
  fail(key, "expected an integer");
}

template <class Id>
Id id(const json& object, const char* key, bool required) {
  auto hex = text(object, key);
  if (hex.empty() && !required)
    return {};
  auto out = Id::from_hex(hex);
  if (!out)
    fail(key, "expected " + std::to_string(Id{}.bytes.size() * 2) + " hexadecimal digits");
  return *out;
}

timestamp time(const json& object, const char* key) {
  return timestamp{std::chrono::nanoseconds{integer(object, key)}};
}

double floating(const json& value) {
  if (value.is_number())
    return value.get<double>();
  if (value == "NaN")
    return std::numeric_limits<double>::quiet_NaN();
  if (value == "Infinity")
    return std::numeric_limits<double>::infinity();
  if (value == "-Infinity")
    return -std::numeric_limits<double>::infinity();
  fail("doubleValue", "expected a number");
}

std::vector<attribute> attributes(const json& object) {
  std::vector<attribute> out;
  for (const auto& entry : list(object, "attributes")) {
    auto key = text(entry, "key");
    const auto& value = member(entry, "value");
    if (!member(value, "stringValue").is_null())
      out.push_back({key, text(value, "stringValue")});
    else if (const auto& flag = member(value, "boolValue"); flag.is_boolean())
      out.push_back({key, flag.get<bool>()});
    else if (!member(value, "intValue").is_null())
      out.push_back({key, integer(value, "intValue")});
    else if (const auto& number = member(value, "doubleValue"); !number.is_null())
      out.push_back({key, floating(number)});
    else if (const auto& array = member(value, "arrayValue"); !array.is_null()) {
      std::vector<std::string> entries;
      for (const auto& element : list(array, "values"))
        entries.push_back(text(element, "stringValue"));
      out.push_back({key, std::move(entries)});
    }
  }
  return out;
}

tc::span read_span(const json& source) {
  tc::span out;
  out.id = id<span_id>(source, "spanId", true);
  out.parent = id<span_id>(source, "parentSpanId", false);
  out.name = text(source, "name");
  out.kind = static_cast<span_kind>(integer(source, "kind"));
  out.start = time(source, "startTimeUnixNano");
  out.end = time(source, "endTimeUnixNano");
  out.attributes = attributes(source);
  for (const auto& event : list(source, "events"))
    out.events.push_back({time(event, "timeUnixNano"), text(event, "name"), attributes(event)});
  for (const auto& link : list(source, "links"))
    out.links.push_back(
        {id<trace_id>(link, "traceId", true), id<span_id>(link, "spanId", true), attributes(link)});
  const auto& status = member(source, "status");
  out.status = static_cast<span_status>(integer(status, "code"));
  out.status_message = text(status, "message");
  return out;
}

} // namespace

tl::expected<std::vector<decoded_span>, std::string> read_otlp_json(std::string_view input) {
  try {
    auto request = json::parse(input);
    if (!request.is_object())
      fail("request", "expected an object");
    std::vector<decoded_span> out;
    for (const auto& resource_spans : list(request, "resourceSpans")) {
      auto resource = attributes(member(resource_spans, "resource"));
      std::string service;
      for (const auto& entry : resource)
        if (entry.key == "service.name")
          if (auto* name = std::get_if<std::string>(&entry.value))
            service = *name;
      for (const auto& scope_spans : list(resource_spans, "scopeSpans"))
        for (const auto& source : list(scope_spans, "spans")) {
          decoded_span decoded{id<trace_id>(source, "traceId", true), text(source, "traceState"),
                               read_span(source), resource};
          decoded.content.service = service;
          out.push_back(std::move(decoded));
        }
    }
    return out;
  } catch (const std::exception& problem) {
    return tl::unexpected{std::string{"not an OTLP/JSON trace request: "} + problem.what()};
  }
}

tl::expected<std::vector<decoded_span>, std::string> read_otlp_json_lines(std::string_view input) {
  std::vector<decoded_span> out;
  for (std::size_t number = 1; !input.empty(); ++number) {
    auto end = input.find('\n');
    auto line = input.substr(0, end);
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    auto spans = read_otlp_json(line);
    if (!spans)
      return tl::unexpected{"line " + std::to_string(number) + ": " + spans.error()};
    out.insert(out.end(), std::make_move_iterator(spans->begin()), std::make_move_iterator(spans->end()));
  }
  return out;
}

} // namespace tc::exporting
