#pragma once

// The cluster that the options mean, and a first look at whether its credentials can be used at all. Whether
// the API server accepts them is found out by the first requests.

#include "kube/access.hpp"
#include "runtime/options.hpp"

#include <memory>
#include <string>

namespace tc::runtime {

/// Credentials that cannot be read or are over are an error here, at the start; later they are renewed and
/// tried again. The error names the file, the place and the remedy.
tl::expected<std::shared_ptr<kube::access_source>, std::string> find_cluster(const cluster_options& options);

} // namespace tc::runtime
