#pragma once

// From a Provider and the Secrets it names to where and how its traces are sent. Pure; the keys of the
// Secrets are those of Flux's Provider (spec.secretRef, certSecretRef, proxySecretRef). Values of Secrets
// appear in no message.

#include "export/endpoint.hpp"
#include "export/environment.hpp"
#include "export/http_sink.hpp"
#include "messages/trace_spec.hpp"

#include <tl/expected.hpp>

#include <functional>
#include <map>
#include <string>

namespace tc::runtime {

/// The decoded data of a Secret.
using secret_data = std::map<std::string, std::string>;

/// The Secrets that a Provider names; empty where it names none.
struct provider_secrets {
  secret_data auth;  ///< spec.secretRef
  secret_data cert;  ///< spec.certSecretRef
  secret_data proxy; ///< spec.proxySecretRef
};

/// What the environment sets where a Provider says nothing: OTEL_EXPORTER_OTLP_* and its like.
struct provider_defaults {
  exporting::export_environment environment;
  /// Its headers and its client certificate go only where its endpoint is: with tenants, a Provider's address
  /// is nobody that the controller's credentials are meant for.
  bool only_to_its_endpoint = false;
};

/// Where and how.
struct resolved_provider {
  exporting::endpoint target;
  exporting::http_sink_options options;
  /// PEM files whose content options.tls lacks; "" for none.
  std::string ca_file = {}, certificate_file = {}, key_file = {};
};

/// Why a Provider cannot be used, for the Ready condition of the Traces that name it.
struct provider_problem {
  std::string reason; ///< CamelCase
  std::string message;
};

/// Returns whether this program exports to Providers of that type; others belong to notification-controller.
bool is_tracing_type(const std::string& type);

/// Applies the rules of docs/exporting.md.
tl::expected<resolved_provider, provider_problem> resolve_provider(const provider_resource& provider,
                                                                   const provider_secrets& secrets,
                                                                   const provider_defaults& defaults = {});

/// Puts the content of the files into the TLS options. The error names the variable and the file.
tl::expected<void, std::string> read_default_files(
    resolved_provider& into,
    const std::function<tl::expected<std::string, std::string>(const std::string& path)>& read);

} // namespace tc::runtime
