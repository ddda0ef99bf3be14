#pragma once

// Runs a credential plugin (client.authentication.k8s.io) as a child process and reads what it prints. When
// it is run, and how long its answer is kept, is decided in kubeconfig_access.hpp.

#include "kube/kubeconfig.hpp"
#include "messages/time.hpp"

#include <tl/expected.hpp>

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace tc::kube {

/// What a plugin printed.
struct exec_credential {
  std::string token;
  std::string certificate_pem;
  std::string key_pem;
  std::optional<timestamp> expires;

  bool operator==(const exec_credential&) const = default;
};

/// Reads an ExecCredential of that apiVersion. The error is the end of a sentence that begins with the
/// plugin.
tl::expected<exec_credential, std::string> parse_exec_credential(std::string_view json,
                                                                 const std::string& api_version);

/// Returns what KUBERNETES_EXEC_INFO tells the plugin.
std::string exec_info(const kubeconfig_context& context);

/// Runs the context's plugin and waits for it; blocks, so never call it on the HTTP client's thread. The
/// child and its children are killed when the time is up or a stop is requested. The error is as for
/// parse_exec_credential.
tl::expected<exec_credential, std::string> run_exec_plugin(const kubeconfig_context& context,
                                                           std::chrono::milliseconds timeout,
                                                           const std::stop_token& stop);

} // namespace tc::kube
