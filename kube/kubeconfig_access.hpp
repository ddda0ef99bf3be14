#pragma once

// Access to a cluster by a kubeconfig context while the process runs: files are read again when they change,
// a credential plugin is run when its last answer expires, and a client certificate that has expired is said
// instead of sent.

#include "kube/access.hpp"
#include "kube/kubeconfig.hpp"
#include "messages/time.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tc::kube {

struct kubeconfig_access_options {
  std::vector<std::string> files; ///< as kubeconfig_files returns them
  std::string context;            ///< "" for the current one
  std::function<timestamp()> clock;
  std::chrono::milliseconds plugin_timeout{60'000};
};

/// Reads the kubeconfig. Fails when it says nothing usable; files and plugins that it names are tried at each
/// get().
tl::expected<std::shared_ptr<access_source>, access_error>
kubeconfig_access(kubeconfig_access_options options);

} // namespace tc::kube
