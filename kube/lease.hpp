#pragma once

// A Lease of coordination.k8s.io/v1: who does something that only one may do, and until when others leave it
// to them. Which of the times in it may be believed is lease_election.hpp's subject.

#include "kube/resources.hpp"
#include "messages/time.hpp"

#include <tl/expected.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace tc::kube {

/// How leases are addressed.
const resource_ref& lease_resource();

struct lease_record {
  std::string holder;           ///< "" after a release
  std::int64_t seconds = 0;     ///< leaseDurationSeconds
  timestamp acquired;           ///< by the clock of the holder
  timestamp renewed;            ///< by the clock of the holder
  std::int64_t transitions = 0; ///< how often the holder changed
  std::string resource_version; ///< "" of a Lease that is to be created
  std::string metadata;         ///< the rest of the object's metadata as JSON, so that it is kept; or ""

  /// Whether the holder says the same in both.
  bool same_spec(const lease_record& other) const {
    return holder == other.holder && seconds == other.seconds && acquired == other.acquired &&
           renewed == other.renewed && transitions == other.transitions;
  }
};

/// Reads a Lease. Members that are missing have the defaults above.
tl::expected<lease_record, std::string> parse_lease(std::string_view json);

/// Reads a list of Leases, by their names. One that cannot be read is left out.
tl::expected<std::map<std::string, lease_record>, std::string> parse_lease_list(std::string_view json);

/// Writes the Lease of that name as JSON.
std::string to_json(const lease_record& lease, std::string_view namespace_name, std::string_view name);

} // namespace tc::kube
