#include "export/endpoint.hpp"

#include "export/text.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace tc::exporting {

namespace {

constexpr std::string_view otlp_path = "/v1/traces";
constexpr std::string_view zipkin_path = "/api/v2/spans";

/// An address taken apart. `host` keeps the brackets of an IPv6 address.
struct address_parts {
  std::string scheme; ///< in lower case, "" when the address has none
  std::string user_and_password;
  std::string host;
  int port = 0; ///< 0 when the address has none
  std::string path;
  std::string query; ///< with its "?"
};

tl::unexpected<endpoint_error> wrong(std::string message) {
  return tl::unexpected{endpoint_error{std::move(message)}};
}

/// Whether a path is one of a protocol's own; any other may hold a key.
bool may_be_shown(std::string_view path) {
  return path.empty() || path == "/" || path == otlp_path || path == zipkin_path || path == "/api/traces";
}

/// Returns the address as far as an error message may show it.
std::string quoted(const address_parts& parts) {
  std::string out = "address \"";
  if (!parts.scheme.empty())
    out += parts.scheme + "://";
  out += parts.host;
  if (parts.port != 0)
    out += ":" + std::to_string(parts.port);
  return out + (may_be_shown(parts.path) ? parts.path : "/…") + "\"";
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_';
}

bool is_host(std::string_view host) {
  if (host.starts_with('[')) {
    auto inner = host.substr(1, host.size() - 2);
    return host.ends_with(']') && !inner.empty() &&
           inner.find_first_not_of("0123456789abcdefABCDEF:.%") == inner.npos;
  }
  return !host.empty() && std::all_of(host.begin(), host.end(), is_host_character);
}

tl::expected<address_parts, endpoint_error> take_apart(std::string_view address) {
  address_parts out;
  for (char c : address)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F)
      return wrong("the address contains a space or a control character");
  if (auto mark = address.find("://"); mark != std::string_view::npos) {
    out.scheme = ascii_lower(address.substr(0, mark));
    address.remove_prefix(mark + 3);
  }
  address = address.substr(0, address.find('#'));
  auto authority_end = std::min(address.find_first_of("/?"), address.size());
  auto authority = address.substr(0, authority_end);
  auto rest = address.substr(authority_end);
  auto query = std::min(rest.find('?'), rest.size());
  out.path = rest.substr(0, query);
  out.query = rest.substr(query);
  if (auto at = authority.rfind('@'); at != std::string_view::npos) {
    auto user = authority.substr(0, at);
    out.user_and_password = percent_decoded(user).value_or(std::string{user});
    authority.remove_prefix(at + 1);
  }
  auto colon = authority.rfind(':');
  auto bracket = authority.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    auto digits = authority.substr(colon + 1);
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (error != std::errc{} || end != digits.data() + digits.size() || out.port < 1 || out.port > 65535)
      return wrong("the address has a port that is no number from 1 to 65535");
    authority = authority.substr(0, colon);
  }
  out.host = authority;
  if (!is_host(out.host))
    return wrong("the address has no valid host; write http://HOST:PORT or HOST:PORT");
  return out;
}

bool has_path(const address_parts& parts) {
  return !parts.path.empty() && parts.path != "/";
}

/// The protocol that type, scheme, port and path mean; an error for those that Jaeger once spoke.
tl::expected<protocol, endpoint_error> choose_protocol(std::string_view type, const address_parts& parts,
                                                       std::optional<protocol> preferred) {
  bool is_grpc = parts.scheme == "grpc" || parts.scheme == "grpcs";
  bool is_json = parts.scheme == "http+json" || parts.scheme == "https+json";
  if (type == "zipkin") {
    if (is_grpc || is_json)
      return wrong(quoted(parts) + ": Zipkin is spoken over http:// or https:// only");
    return protocol::zipkin_json;
  }
  if (is_grpc)
    return protocol::otlp_grpc;
  if (is_json)
    return protocol::otlp_http_json;
  if (type == "jaeger") {
    if (parts.port == 14268 || parts.path.starts_with("/api/traces"))
      return wrong(quoted(parts) + " is Jaeger's Thrift endpoint, which is not supported; use port 4318");
    if (parts.port == 14250 || parts.port == 6831 || parts.port == 6832)
      return wrong(quoted(parts) +
                   " is a port of Jaeger's own protocol, which is not supported; use port 4318");
    if (parts.path == zipkin_path || (parts.port == 9411 && parts.path != otlp_path))
      return protocol::zipkin_json;
  }
  if (parts.port == 4317 && !has_path(parts))
    return protocol::otlp_grpc;
  // From here on it is a convention that decides, so a preference may. gRPC has no path, and 4318 is not its
  // port.
  if (preferred == protocol::otlp_http_json ||
      (preferred == protocol::otlp_grpc && !has_path(parts) && parts.port != 4318))
    return *preferred;
  return protocol::otlp_http_protobuf;
}

/// The port of an address without scheme and port: there is no default of a scheme to go by.
int usual_port(protocol transport) {
  switch (transport) {
  case protocol::otlp_http_protobuf:
  case protocol::otlp_http_json:
    return 4318;
  case protocol::otlp_grpc:
    return 4317;
  case protocol::zipkin_json:
    return 9411;
  }
  return 0;
}

} // namespace

std::string_view to_string(protocol value) {
  switch (value) {
  case protocol::otlp_http_protobuf:
    return "http/protobuf";
  case protocol::otlp_http_json:
    return "http/json";
  case protocol::otlp_grpc:
    return "grpc";
  case protocol::zipkin_json:
    return "zipkin";
  }
  return "unknown";
}

std::string_view hidden_path(std::string_view url) {
  url = url.substr(0, url.find('?'));
  auto path = url.find('/', url.find("://") + 3);
  if (path == std::string_view::npos)
    return {};
  auto given = url.substr(path);
  return may_be_shown(given) ? std::string_view{} : given;
}

std::string url_for_display(std::string_view url) {
  auto shown = url.substr(0, url.find('?'));
  auto hidden = hidden_path(url);
  std::string out{shown.substr(0, shown.size() - hidden.size())};
  return hidden.empty() ? out : out + "/…";
}

std::string endpoint::for_display() const {
  return url_for_display(url);
}

tl::expected<endpoint, endpoint_error> resolve_endpoint(std::string_view type, std::string_view address,
                                                        std::optional<protocol> preferred) {
  if (type != "otel" && type != "otlp" && type != "jaeger" && type != "zipkin")
    return wrong("Provider type \"" + printable_excerpt(type, 40) +
                 "\" takes no traces; use otel, otlp, jaeger or zipkin");
  if (address.empty())
    return wrong("the Provider has no address; set spec.address, for example http://collector:4318");
  auto parts = take_apart(address);
  if (!parts)
    return tl::unexpected{parts.error()};
  for (auto known : {"", "http", "https", "http+json", "https+json", "grpc", "grpcs"})
    if (parts->scheme == known) {
      auto transport = choose_protocol(type, *parts, preferred);
      if (!transport)
        return tl::unexpected{transport.error()};
      if (parts->scheme.empty() && parts->port == 0)
        parts->port = usual_port(*transport);
      bool secure = parts->scheme.starts_with("https") || parts->scheme == "grpcs";
      endpoint out;
      out.transport = *transport;
      out.user_and_password = parts->user_and_password;
      out.url = (secure ? "https://" : "http://") + parts->host;
      if (parts->port != 0)
        out.url += ":" + std::to_string(parts->port);
      if (*transport != protocol::otlp_grpc) {
        // A path is taken as it is; a host alone is a base to which the signal's path is appended.
        out.url += has_path(*parts)                      ? parts->path
                   : *transport == protocol::zipkin_json ? std::string{zipkin_path}
                                                         : std::string{otlp_path};
        out.url += parts->query;
      }
      return out;
    }
  return wrong(quoted(*parts) + " has the scheme \"" + printable_excerpt(parts->scheme, 20) +
               "\"; use http://, https://, http+json://, https+json://, grpc:// or grpcs://");
}

} // namespace tc::exporting
