#include "runtime/program/provider_resolution.hpp"

#include "export/text.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <tuple>

namespace tc::runtime {

namespace {

std::string value_of(const secret_data& data, std::initializer_list<const char*> keys) {
  for (const auto* key : keys)
    if (auto found = data.find(key); found != data.end() && !found->second.empty())
      return found->second;
  return {};
}

/// Without the white space at its ends, which editors and shells like to leave.
std::string trimmed(const std::string& text) {
  constexpr const char* blank = " \t\r\n";
  auto from = text.find_first_not_of(blank);
  return from == std::string::npos ? std::string{}
                                   : text.substr(from, text.find_last_not_of(blank) - from + 1);
}

bool is_header_text(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

/// A token of RFC 9110, section 5.6.2.
bool is_header_name(const std::string& text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           marks.find(c) != marks.npos;
  });
}

std::string name_of(const provider_resource& provider, const std::string& secret) {
  return "Secret '" + provider.namespace_name + '/' + secret + "' of Provider '" + provider.namespace_name +
         '/' + provider.name + "'";
}

tl::unexpected<provider_problem> invalid(std::string message) {
  return tl::unexpected(provider_problem{"ProviderInvalid", std::move(message)});
}

bool has_header(const exporting::http_sink_options& options, const std::string& name) {
  return std::any_of(options.headers.begin(), options.headers.end(), [&](const auto& own) {
    return exporting::ascii_lower(own.first) == exporting::ascii_lower(name);
  });
}

/// "scheme://host:port" of a URL.
std::string origin_of(const std::string& url) {
  return url.substr(0, url.find_first_of("/?", url.find("://") + 3));
}

/// Whether the controller's own credentials may go there.
bool are_credentials_meant_for(const exporting::endpoint& target, const provider_defaults& defaults) {
  if (!defaults.only_to_its_endpoint)
    return true;
  auto own = exporting::resolve_endpoint("otlp", exporting::address_of(defaults.environment));
  return own && origin_of(own->url) == origin_of(target.url);
}

/// Fills what neither the Provider nor its Secrets say. The variables are those of OTLP exporters.
void apply_defaults(resolved_provider& to, const provider_resource& provider,
                    const provider_defaults& defaults) {
  if (to.target.transport == exporting::protocol::zipkin_json)
    return;
  const auto& from = defaults.environment;
  if (from.gzip)
    to.options.gzip = *from.gzip;
  if (!provider.timeout && (from.timeout || from.export_timeout))
    to.options.timeout = from.timeout ? *from.timeout : *from.export_timeout;
  if (!to.options.tls || (to.options.tls->ca_pem.empty()))
    to.ca_file = from.certificate_file;
  if (!are_credentials_meant_for(to.target, defaults))
    return;
  bool has_own = !to.options.user_and_password.empty();
  for (const auto& header : from.headers)
    if (!has_header(to.options, header.first) &&
        !(has_own && exporting::ascii_lower(header.first) == "authorization"))
      to.options.headers.push_back(header);
  if (!to.options.tls || to.options.tls->certificate_pem.empty()) {
    to.certificate_file = from.client_certificate_file;
    to.key_file = from.client_key_file;
  }
}

} // namespace

bool is_tracing_type(const std::string& type) {
  return type == "otel" || type == "otlp" || type == "jaeger" || type == "zipkin";
}

tl::expected<resolved_provider, provider_problem> resolve_provider(const provider_resource& provider,
                                                                   const provider_secrets& secrets,
                                                                   const provider_defaults& defaults) {
  if (!is_tracing_type(provider.type))
    return tl::unexpected(provider_problem{"ProviderTypeUnsupported",
                                           "Provider '" + provider.namespace_name + '/' + provider.name +
                                               "' has type '" + provider.type +
                                               "'; traces go to types otel, otlp, jaeger and zipkin"});
  auto address = trimmed(value_of(secrets.auth, {"address"}));
  if (address.empty())
    address = provider.address;
  if (address.empty() && provider.type != "zipkin")
    address = exporting::address_of(defaults.environment);
  if (address.empty())
    return invalid("Provider '" + provider.namespace_name + '/' + provider.name +
                   "' has no address: set spec.address, or the key 'address' of its Secret");
  auto target = exporting::resolve_endpoint(provider.type, address, defaults.environment.transport);
  if (!target)
    return invalid(target.error().message);
  resolved_provider out;
  out.target = std::move(*target);
  if (provider.timeout)
    out.options.timeout = *provider.timeout;
  out.options.user_and_password = out.target.user_and_password;
  auto username = value_of(secrets.auth, {"username"});
  auto password = value_of(secrets.auth, {"password"});
  if (!username.empty() || !password.empty())
    out.options.user_and_password = username + ':' + password;
  auto token = value_of(secrets.auth, {"token", "bearerToken"});
  if (token = trimmed(token); !token.empty()) {
    if (!is_header_text(token))
      return invalid(name_of(provider, provider.secret_name) + ": key 'token' holds control characters");
    out.options.headers.emplace_back("Authorization", "Bearer " + token);
  }
  if (auto text = value_of(secrets.auth, {"headers"}); !text.empty()) {
    try {
      auto headers = YAML::Load(text);
      if (!headers.IsMap())
        return invalid(name_of(provider, provider.secret_name) +
                       ": key 'headers' is not a YAML map of names to values");
      for (const auto& entry : headers) {
        auto key = entry.first.as<std::string>();
        auto value = entry.second.IsNull() ? std::string{} : entry.second.as<std::string>();
        if (!is_header_name(key) || !is_header_text(value))
          return invalid(name_of(provider, provider.secret_name) +
                         ": key 'headers' has an entry that is no HTTP header");
        // A header that is given wins over what token or username stand for.
        std::erase_if(out.options.headers, [&](const auto& known) {
          return exporting::ascii_lower(known.first) == exporting::ascii_lower(key);
        });
        out.options.headers.emplace_back(std::move(key), std::move(value));
      }
    } catch (const YAML::Exception&) {
      // The exception's text may quote the value.
      return invalid(name_of(provider, provider.secret_name) + ": key 'headers' is not valid YAML");
    }
  }
  auto tls = std::make_shared<tls_options>();
  tls->ca_pem = value_of(secrets.cert, {"ca.crt", "caFile"});
  if (tls->ca_pem.empty())
    tls->ca_pem = value_of(secrets.auth, {"ca.crt"});
  tls->certificate_pem = value_of(secrets.cert, {"tls.crt", "certFile"});
  tls->key_pem = value_of(secrets.cert, {"tls.key", "keyFile"});
  if (tls->certificate_pem.empty() != tls->key_pem.empty())
    return invalid(name_of(provider, provider.cert_secret_name) +
                   ": keys 'tls.crt' and 'tls.key' belong together; one of them is missing");
  if (*tls != tls_options{})
    out.options.tls = std::move(tls);
  if (!provider.proxy_secret_name.empty()) {
    auto proxy = trimmed(value_of(secrets.proxy, {"address"}));
    if (proxy.empty())
      return invalid(name_of(provider, provider.proxy_secret_name) + ": key 'address' is missing");
    out.options.proxy = std::move(proxy);
    auto proxy_user = value_of(secrets.proxy, {"username"});
    auto proxy_password = value_of(secrets.proxy, {"password"});
    if (!proxy_user.empty() || !proxy_password.empty())
      out.options.proxy_user_and_password = proxy_user + ':' + proxy_password;
  }
  apply_defaults(out, provider, defaults);
  return out;
}

tl::expected<void, std::string> read_default_files(
    resolved_provider& into,
    const std::function<tl::expected<std::string, std::string>(const std::string& path)>& read) {
  if (into.ca_file.empty() && into.certificate_file.empty() && into.key_file.empty())
    return {};
  if (into.certificate_file.empty() != into.key_file.empty())
    return tl::unexpected(
        std::string{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY "
                    "belong together; one of them is missing"});
  auto tls =
      into.options.tls ? std::make_shared<tls_options>(*into.options.tls) : std::make_shared<tls_options>();
  for (const auto& [variable, path, text] :
       {std::tuple{"CERTIFICATE", &into.ca_file, &tls->ca_pem},
        std::tuple{"CLIENT_CERTIFICATE", &into.certificate_file, &tls->certificate_pem},
        std::tuple{"CLIENT_KEY", &into.key_file, &tls->key_pem}}) {
    if (path->empty())
      continue;
    auto content = read(*path);
    if (!content)
      return tl::unexpected(std::string{"OTEL_EXPORTER_OTLP_"} + variable + ": " + *path +
                            " cannot be read: " + content.error() + "; mount it, or unset the variable");
    *text = std::move(*content);
  }
  into.options.tls = std::move(tls);
  return {};
}

} // namespace tc::runtime
