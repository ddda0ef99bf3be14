#include "export/environment.hpp"

#include "export/text.hpp"

#include <charconv>
#include <limits>

namespace tc::exporting {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// A header name as RFC 9110 has it: a token.
bool is_token(std::string_view name) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  for (char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
          marks.find(c) != std::string_view::npos))
      return false;
  return !name.empty();
}

class environment_parser {
public:
  explicit environment_parser(const environment_reader& read) : read_(read) {
    // nop
  }

  export_environment parse() {
    read_endpoint();
    read_protocol();
    for (auto& [key, value] : pairs(signal_name("HEADERS"))) {
      if (is_token(key) && value.find_first_of(std::string_view{"\r\n\0", 3}) == std::string::npos)
        out_.headers.emplace_back(std::move(key), std::move(value));
      else
        warn(signal_name("HEADERS"), "an entry is no valid HTTP header");
    }
    read_compression();
    read_timeout();
    out_.certificate_file = text(signal_name("CERTIFICATE"));
    out_.client_key_file = text(signal_name("CLIENT_KEY"));
    out_.client_certificate_file = text(signal_name("CLIENT_CERTIFICATE"));
    out_.insecure = ascii_lower(text(signal_name("INSECURE"))) == "true";
    read_batching();
    read_resource();
    return std::move(out_);
  }

private:
  /// Empty is as good as unset.
  std::string text(const std::string& name) const {
    auto value = read_(name.c_str());
    return value ? std::string{trimmed(*value)} : std::string{};
  }

  /// Returns the variable of that setting to use: the one for traces when it is set.
  std::string signal_name(const char* setting) const {
    auto specific = std::string{"OTEL_EXPORTER_OTLP_TRACES_"} + setting;
    return text(specific).empty() ? std::string{"OTEL_EXPORTER_OTLP_"} + setting : specific;
  }

  void warn(const std::string& name, const std::string& why) {
    out_.warnings.push_back(name + " is ignored: " + why);
  }

  void read_endpoint() {
    auto specific = text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    if (!specific.empty()) {
      // Taken as it is; without a path it means the root.
      auto start = specific.find("://");
      if (start != std::string::npos && specific.find_first_of("/?", start + 3) == std::string::npos)
        specific += '/';
      out_.endpoint = specific;
      return;
    }
    auto base = text("OTEL_EXPORTER_OTLP_ENDPOINT");
    if (base.empty())
      return;
    // The path of the signal goes to the end of the base's path, before a query.
    auto query = base.find('?');
    auto rest = query == std::string::npos ? std::string{} : base.substr(query);
    base.resize(std::min(query, base.size()));
    while (base.ends_with('/'))
      base.pop_back();
    out_.endpoint = base + "/v1/traces" + rest;
  }

  void read_protocol() {
    auto name = signal_name("PROTOCOL");
    auto value = text(name);
    if (value == "grpc")
      out_.transport = protocol::otlp_grpc;
    else if (value == "http/protobuf")
      out_.transport = protocol::otlp_http_protobuf;
    else if (value == "http/json")
      out_.transport = protocol::otlp_http_json;
    else if (!value.empty())
      warn(name, "\"" + printable_excerpt(value, 40) + "\" is none of grpc, http/protobuf, http/json");
    if (out_.transport == protocol::otlp_grpc && text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").empty())
      out_.endpoint = text("OTEL_EXPORTER_OTLP_ENDPOINT"); // gRPC has no path
  }

  void read_compression() {
    auto name = signal_name("COMPRESSION");
    auto value = text(name);
    if (value == "gzip" || value == "none")
      out_.gzip = value == "gzip";
    else if (!value.empty())
      warn(name, "\"" + printable_excerpt(value, 40) + "\" is neither gzip nor none");
  }

  void read_timeout() { out_.timeout = milliseconds(signal_name("TIMEOUT")); }

  void read_batching() {
    out_.queue_spans = count("OTEL_BSP_MAX_QUEUE_SIZE");
    out_.batch_spans = count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
    out_.schedule_delay = milliseconds("OTEL_BSP_SCHEDULE_DELAY");
    out_.export_timeout = milliseconds("OTEL_BSP_EXPORT_TIMEOUT");
  }

  /// Returns a whole number between the two, nothing when there is none; a wrong one is warned about.
  std::optional<std::int64_t> number(const std::string& name, std::int64_t least, std::int64_t most,
                                     const char* wanted) {
    auto value = text(name);
    if (value.empty())
      return std::nullopt;
    std::int64_t out = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
    if (error == std::errc{} && end == value.data() + value.size() && out >= least && out <= most)
      return out;
    warn(name, "\"" + printable_excerpt(value, 40) + "\" is no " + wanted);
    return std::nullopt;
  }

  std::optional<duration> milliseconds(const std::string& name) {
    auto found = number(name, 0, 86'400'000, "number of milliseconds up to a day");
    return found ? std::optional<duration>{std::chrono::milliseconds{*found}} : std::nullopt;
  }

  std::optional<std::size_t> count(const std::string& name) {
    auto found = number(name, 1, std::numeric_limits<std::uint32_t>::max(), "number of spans from 1");
    return found ? std::optional<std::size_t>{*found} : std::nullopt;
  }

  /// Reads `key=value,key=value` with %XX escapes; entries that are not of that form are warned about.
  std::vector<std::pair<std::string, std::string>> pairs(const std::string& name) {
    std::vector<std::pair<std::string, std::string>> out;
    auto value = text(name);
    std::string_view rest = value;
    while (!rest.empty()) {
      auto comma = std::min(rest.find(','), rest.size());
      auto entry = trimmed(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      if (entry.empty())
        continue;
      auto equals = entry.find('=');
      auto key = percent_decoded(trimmed(entry.substr(0, equals)));
      auto content = equals == std::string_view::npos ? std::nullopt
                                                      : percent_decoded(trimmed(entry.substr(equals + 1)));
      if (!key || key->empty() || !content)
        warn(name, "an entry is not of the form key=value"); // which one is not said: it may be a secret
      else
        out.emplace_back(std::move(*key), std::move(*content));
    }
    return out;
  }

  void read_resource() {
    for (auto& [key, value] : pairs("OTEL_RESOURCE_ATTRIBUTES")) {
      if (key == "service.name")
        out_.service_name = value;
      else
        out_.resource_attributes.push_back({std::move(key), std::move(value)});
    }
    if (auto name = text("OTEL_SERVICE_NAME"); !name.empty())
      out_.service_name = name;
  }

  const environment_reader& read_;
  export_environment out_;
};

} // namespace

export_environment read_export_environment(const environment_reader& read) {
  return environment_parser{read}.parse();
}

std::string address_of(const export_environment& from) {
  if (from.endpoint.empty() || !from.transport)
    return from.endpoint;
  auto mark = from.endpoint.find("://");
  auto scheme = mark == std::string::npos ? std::string{} : ascii_lower(from.endpoint.substr(0, mark));
  auto rest = mark == std::string::npos ? from.endpoint : from.endpoint.substr(mark + 3);
  if (*from.transport == protocol::otlp_grpc && (scheme.empty() || scheme == "http" || scheme == "https")) {
    bool is_plain = scheme.empty() ? from.insecure : scheme == "http";
    return (is_plain ? "grpc://" : "grpcs://") + rest;
  }
  if (*from.transport == protocol::otlp_http_json && (scheme == "http" || scheme == "https"))
    return scheme + "+json://" + rest;
  return from.endpoint;
}

} // namespace tc::exporting
