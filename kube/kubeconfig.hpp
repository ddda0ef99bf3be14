#pragma once

// Reading kubeconfig files, as kubectl does: which files, how they merge, and what one context says. How to
// get credentials from that while the process runs lives in kubeconfig_access.hpp.

#include "kube/access.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tc::kube {

/// A program that prints credentials (client.authentication.k8s.io).
struct exec_plugin {
  std::string api_version; ///< "client.authentication.k8s.io/v1" or "…/v1beta1"
  std::string command;     ///< absolute, or looked up in PATH
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment; ///< beside our own
  std::string install_hint;
  bool provide_cluster_info = false;
  bool always_interactive = false;

  bool operator==(const exec_plugin&) const = default;
};

/// What a context says, with embedded data decoded and paths made absolute.
struct kubeconfig_context {
  std::string name;
  std::string file; ///< where the context stands
  std::string namespace_name;

  std::string cluster_name;
  std::string server; ///< without a slash at the end
  std::string ca_pem;
  std::string ca_file;
  std::string tls_server_name;
  std::string proxy_url;
  bool insecure = false;

  std::string user_name;
  std::string certificate_pem;
  std::string certificate_file;
  std::string key_pem;
  std::string key_file;
  std::string token;
  std::string token_file;
  std::string user; ///< of basic authentication
  std::string password;
  std::optional<exec_plugin> exec;
  std::vector<std::string> impersonation; ///< headers

  /// Returns "kubeconfig FILE, context NAME".
  std::string place() const;
};

/// Reads an environment variable; "" when it is not set.
using environment = std::function<std::string(const std::string& name)>;

/// Returns the files to read: the given path, or those that KUBECONFIG lists, or ~/.kube/config.
std::vector<std::string> kubeconfig_files(const std::string& explicit_path, const environment& env);

/// Merges the files (the first that defines a name wins; missing ones are skipped as long as one exists) and
/// returns the context of that name, or the current one when it is "".
tl::expected<kubeconfig_context, access_error> load_kubeconfig(const std::vector<std::string>& files,
                                                               const std::string& context);

} // namespace tc::kube
