#pragma once

// From a Provider and the Secrets it names to where and how its traces are sent. Pure; the keys of the
// Secrets are those of Flux's Provider (spec.secretRef, certSecretRef, proxySecretRef). Values of Secrets
// appear in no message.

#include "export/endpoint.hpp"
#include "export/http_sink.hpp"
#include "messages/trace_spec.hpp"

#include <tl/expected.hpp>

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

/// Where and how.
struct resolved_provider {
  exporting::endpoint target;
  exporting::http_sink_options options;
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
                                                                   const provider_secrets& secrets);

} // namespace tc::runtime
