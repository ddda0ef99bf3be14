#pragma once

// Under which name replicas find each other, and who this one is among them.

#include "runtime/options.hpp"

#include <string>

namespace tc::runtime {

/// The Lease for which replicas with these options stand. Replicas that follow other Traces have another one,
/// as Flux's controllers do it for shards.
std::string lease_name(const run_options& options);

/// The Leases of shards that replicas with these options share, as kube/shard_election.hpp names them: what
/// follows other Traces has another suffix.
struct shard_lease_names {
  std::string prefix;
  std::string suffix;
};
shard_lease_names shard_leases(const run_options& options);

/// "HOST_RANDOM", as client-go's; another one at each call.
std::string lease_identity();

} // namespace tc::runtime
