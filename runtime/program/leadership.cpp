#include "runtime/program/leadership.hpp"

#include <utility>

namespace tc::runtime {

using kube::election_role;

void leadership::changed(const kube::lease_election& now) {
  auto before = std::exchange(role_, now.role());
  leads_until_ =
      role_ == election_role::leader ? now.leads_until().count() : std::numeric_limits<duration::rep>::min();
  auto open = role_ == election_role::standby || role_ == election_role::leader;
  if (auto problem = std::exchange(problem_, now.problem()); open && !problem_.empty() && problem != problem_)
    log_.error("the lease cannot be had and is tried again", {{"error", problem_}});
  if (role_ == election_role::standby && now.holder() != holder_) {
    holder_ = now.holder();
    if (!holder_.empty())
      log_.info("standing by", {{"leader", holder_}});
  }
  if (role_ == before)
    return;
  outside_.shown(role_ == election_role::leader);
  switch (role_) {
  case election_role::standby:
    return;
  case election_role::leader:
    log_.info("the lease is ours", {{"transitions", now.transitions()}});
    catch_up();
    return;
  case election_role::released:
    begun_ = false;
    if (before == election_role::leader)
      log_.info("the lease is given back");
    return;
  case election_role::lost:
    break;
  }
  begun_ = false;
  lost_ = true;
  log_.error("leader election lost; nothing is sent any more and the process ends", {{"error", problem_}});
  outside_.lost();
}

void leadership::catch_up() {
  outside_.catch_up([this](const std::string& error) {
    if (role_ != election_role::leader)
      return;
    if (error.empty()) {
      begun_ = true;
      log_.info("leading: what settles is exported from now on");
      outside_.begin();
      return;
    }
    log_.error("what was delivered before cannot be read; nothing is exported before it is",
               {{"error", error}});
    outside_.later(pause, [this] {
      if (role_ == election_role::leader)
        catch_up();
    });
  });
}

} // namespace tc::runtime
