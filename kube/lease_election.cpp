#include "kube/lease_election.hpp"

#include <algorithm>
#include <utility>

namespace tc::kube {

std::string_view to_string(election_role role) {
  switch (role) {
  case election_role::standby:
    return "standby";
  case election_role::leader:
    return "leader";
  case election_role::lost:
    return "lost";
  case election_role::released:
    break;
  }
  return "released";
}

lease_election::lease_election(election_settings with, std::function<double()> random)
    : with_(std::move(with)), random_(std::move(random)) {
  // nop
}

election_step lease_election::on_timer(election_time now) {
  if (role_ == election_role::lost)
    return {};
  if (role_ == election_role::released) {
    if (under_way_ && now.steady < sent_at_ + with_.renew_deadline / 2)
      return wait_for_next(now);
    if (under_way_)
      problem_ = "the API server did not answer in time";
    under_way_.reset();
    return {};
  }
  if (role_ == election_role::leader && now.steady >= leads_until()) {
    lose(problem_.empty() ? "the lease was not renewed in time"
                          : "the lease was not renewed in time: " + problem_);
    return {};
  }
  if (under_way_) {
    // As client-go does it, half the deadline is what one request may take: then there is time for another.
    if (now.steady >= sent_at_ + with_.renew_deadline / 2)
      return failed(now, "the API server did not answer in time");
    return wait_for_next(now);
  }
  if (now.steady < next_try_)
    return wait_for_next(now);
  return begin(now);
}

election_step lease_election::begin(election_time now) {
  // What is ours is renewed without looking first; if somebody has written it, the server says so.
  if (role_ == election_role::leader && known_)
    return ask(now, lease_verb::update, claim(now));
  return ask(now, lease_verb::get);
}

election_step lease_election::ask(election_time now, lease_verb verb, lease_record lease) {
  under_way_ = lease_request{next_ticket_++, verb, std::move(lease)};
  sent_at_ = now.steady;
  auto out = wait_for_next(now);
  out.send = under_way_;
  return out;
}

election_step lease_election::on_reply(election_time now, std::uint64_t ticket, const lease_reply& reply) {
  if (!under_way_ || under_way_->ticket != ticket)
    return {};
  auto asked = *std::exchange(under_way_, std::nullopt);
  if (role_ == election_role::lost)
    return {};
  if (role_ == election_role::released)
    return after_release(now, asked, reply);
  if (role_ == election_role::leader && now.steady >= leads_until())
    return on_timer(now); // too late: another may have it already
  if (asked.verb == lease_verb::get) {
    if (reply.lease) {
      see(now, *reply.lease);
      return decide(now);
    }
    if (!reply.not_found)
      return failed(now, reply.problem);
    known_ = false;
    auto claimed = claim(now);
    claimed.resource_version.clear();
    claimed.metadata.clear();
    return ask(now, lease_verb::create, std::move(claimed));
  }
  if (reply.lease) {
    see(now, *reply.lease);
    if (seen_.holder != with_.identity)
      return decide(now);
    role_ = election_role::leader;
    renewed_at_ = sent_at_;
    problem_.clear();
    next_try_ = now.steady + with_.retry_period;
    return wait_for_next(now);
  }
  // Who is leader and was overtaken looks at once: it may be no leader any more.
  if (role_ == election_role::leader && (reply.conflict || reply.not_found))
    return ask(now, lease_verb::get);
  return failed(now, reply.problem);
}

election_step lease_election::decide(election_time now) {
  if (role_ == election_role::leader && seen_.holder != with_.identity) {
    lose(seen_.holder.empty() ? "the lease was released by somebody else" : seen_.holder + " has the lease");
    return {};
  }
  if (!held_by_another(now))
    return ask(now, lease_verb::update, claim(now));
  problem_.clear();
  // Not later than it runs out, so that a takeover takes no longer than the lease.
  auto retry =
      with_.retry_period -
      duration{static_cast<std::int64_t>(static_cast<double>(with_.retry_period.count()) * random_() / 4)};
  auto runs_out = seen_at_ + std::chrono::seconds{seen_.seconds};
  next_try_ = std::min(now.steady + retry, runs_out);
  return wait_for_next(now);
}

election_step lease_election::failed(election_time now, const std::string& why) {
  under_way_.reset();
  problem_ = why;
  next_try_ = now.steady + with_.retry_period;
  if (role_ != election_role::leader)
    next_try_ -=
        duration{static_cast<std::int64_t>(static_cast<double>(with_.retry_period.count()) * random_() / 4)};
  return wait_for_next(now);
}

election_step lease_election::wait_for_next(election_time now) {
  auto at = under_way_ ? sent_at_ + with_.renew_deadline / 2 : next_try_;
  if (role_ == election_role::leader)
    at = std::min(at, leads_until());
  return {std::nullopt, std::max(at - now.steady, duration{0})};
}

election_step lease_election::release(election_time now) {
  if (role_ == election_role::lost || role_ == election_role::released)
    return {};
  auto may_hold = role_ == election_role::leader || (under_way_ && under_way_->verb != lease_verb::get);
  role_ = election_role::released;
  if (!may_hold) {
    under_way_.reset();
    return {};
  }
  // What is under way may change the lease, and what is given back must name the version after it.
  if (under_way_)
    return wait_for_next(now);
  return give_back(now);
}

election_step lease_election::give_back(election_time now) {
  if (!known_ || seen_.holder != with_.identity)
    return {};
  // As client-go writes it: of no holder, for a second, which a candidate of any version takes for free.
  auto given_back = seen_;
  given_back.holder.clear();
  given_back.seconds = 1;
  given_back.acquired = now.wall;
  given_back.renewed = now.wall;
  return ask(now, lease_verb::update, std::move(given_back));
}

election_step lease_election::after_release(election_time now, const lease_request& asked,
                                            const lease_reply& reply) {
  auto gave_back = asked.verb == lease_verb::update && asked.lease.holder.empty();
  if (reply.lease) {
    see(now, *reply.lease);
    problem_.clear();
    return gave_back ? election_step{} : give_back(now);
  }
  problem_ = reply.problem;
  // A write that failed may have been made all the same, and what is overtaken may still be ours: look, but
  // not for ever.
  if (asked.verb == lease_verb::get || (gave_back && !reply.conflict) || looks_left_ == 0)
    return {};
  --looks_left_;
  return ask(now, lease_verb::get);
}

void lease_election::see(election_time now, const lease_record& lease) {
  if (!known_ || !seen_.same_spec(lease))
    seen_at_ = now.steady;
  known_ = true;
  seen_ = lease;
}

bool lease_election::held_by_another(election_time now) const {
  return !seen_.holder.empty() && seen_.holder != with_.identity &&
         now.steady < seen_at_ + std::chrono::seconds{seen_.seconds};
}

lease_record lease_election::claim(election_time now) const {
  lease_record out;
  if (known_)
    out = seen_;
  auto ours = known_ && seen_.holder == with_.identity;
  out.holder = with_.identity;
  out.seconds =
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(with_.lease_duration).count());
  out.renewed = now.wall;
  if (!ours) {
    out.acquired = now.wall;
    out.transitions = known_ ? seen_.transitions + 1 : 0;
  }
  return out;
}

void lease_election::lose(std::string why) {
  role_ = election_role::lost;
  problem_ = std::move(why);
  under_way_.reset();
}

} // namespace tc::kube
