#pragma once

// Access to the cluster that we run in, by the pod's service account. Its token is replaced by the kubelet
// every hour or so and is read again when that happens.

#include "kube/access.hpp"
#include "kube/kubeconfig.hpp"
#include "messages/time.hpp"

#include <functional>
#include <memory>
#include <string>

namespace tc::kube {

struct in_cluster_options {
  environment env; ///< for KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT
  std::function<timestamp()> clock;
  std::string directory = "/var/run/secrets/kubernetes.io/serviceaccount";
};

/// Returns whether we seem to run in a pod with a service account.
bool is_in_cluster(const in_cluster_options& options);

/// Fails when a part is missing: the environment variables, the token or the authority's certificate.
tl::expected<std::shared_ptr<access_source>, access_error> in_cluster_access(in_cluster_options options);

/// How to find the cluster.
struct find_access_options {
  std::string kubeconfig; ///< of --kubeconfig, "" when not given
  std::string context;    ///< of --context, "" for the current one
  in_cluster_options pod; ///< its environment and clock are used for all
};

/// Takes, as controller-runtime does, the given kubeconfig, else KUBECONFIG, else the pod's service account,
/// else
/// ~/.kube/config.
tl::expected<std::shared_ptr<access_source>, access_error> find_access(find_access_options options);

} // namespace tc::kube
