#pragma once

// Leader election on the HTTP client: drives lease_election.hpp with the API server's answers, the loop's
// timers and the two clocks.

#include "kube/api_client.hpp"
#include "kube/lease_election.hpp"
#include "runtime/http_client/http_loop.hpp"

#include <functional>
#include <memory>
#include <string>

namespace tc::kube {

struct elector_context {
  runtime::http_loop& loop;
  cluster& target;
  std::function<election_time()> clock;
  std::function<double()> random; ///< uniform in [0, 1)
};

/// What a request about a Lease came to.
lease_reply to_lease_reply(const api_result& result);

/// Everything happens on the loop's thread, which must outlive it. Destroyed on another one, and not before
/// what it is telling has returned; afterwards nothing is told.
class lease_elector {
public:
  /// `changed` is told after each step, also of those that changed nothing.
  lease_elector(elector_context context, std::string namespace_name, std::string lease_name,
                election_settings with, std::function<void(const lease_election&)> changed);
  ~lease_elector();
  lease_elector(const lease_elector&) = delete;
  lease_elector& operator=(const lease_elector&) = delete;

  void start();
  /// Gives the lease back and calls `done` once the server has it, or could not be told. From its step on,
  /// which `changed` is told of, it is no leader.
  void release(std::function<void()> done);

private:
  struct impl;
  std::shared_ptr<impl> impl_;
};

} // namespace tc::kube
