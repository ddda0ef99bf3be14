#pragma once

// Leader election on one Lease as a pure state machine, with the semantics of client-go's leaderelection:
// time and answers go in, what to send and how long to wait comes out. No sockets, no threads, no clock; the
// driver is kube/lease_elector.hpp.
//
// Clocks of other machines are never compared with ours: a lease that another holds runs out when we have not
// seen it renewed for as long as it says, by our own steady clock. Our own is counted from before the request
// that renewed it was sent, so that we stop before anybody else can take it.

#include "kube/lease.hpp"
#include "messages/time.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tc::kube {

struct election_settings {
  std::string identity; ///< unique among the candidates
  duration lease_duration = std::chrono::seconds{35};
  duration renew_deadline = std::chrono::seconds{30}; ///< shorter than lease_duration
  duration retry_period = std::chrono::seconds{5};    ///< shorter than renew_deadline
};

/// The present, by both clocks.
struct election_time {
  duration steady{0}; ///< never steps
  timestamp wall;     ///< only written, never compared
};

enum class election_role : std::uint8_t {
  standby,
  leader,
  lost,     ///< it was leader and could not renew, or another has the lease; final
  released, ///< it has given the lease back; final
};

std::string_view to_string(election_role role);

enum class lease_verb : std::uint8_t { get, create, update };

struct lease_request {
  std::uint64_t ticket = 0; ///< comes back with the answer
  lease_verb verb = lease_verb::get;
  lease_record lease; ///< to create, or to put in place of the one of its resourceVersion
};

/// What a request came to.
struct lease_reply {
  std::optional<lease_record> lease; ///< as the server has it now; nothing when it failed
  bool not_found = false;
  bool conflict = false; ///< somebody else was faster
  std::string problem;   ///< for people
};

/// What is to be done next.
struct election_step {
  std::optional<lease_request> send;
  /// Call on_timer() after that; it replaces an earlier wait. Nothing: not at all.
  std::optional<duration> wait;
};

class lease_election {
public:
  /// `random` is uniform in [0, 1): candidates that start together do not ask together.
  lease_election(election_settings with, std::function<double()> random);

  election_step on_timer(election_time now);
  /// Answers to requests that were given up are ignored.
  election_step on_reply(election_time now, std::uint64_t ticket, const lease_reply& reply);
  /// Gives the lease back: from now on it is no leader, and the next candidate need not wait. Where a write
  /// is under way its answer is waited for first. Over when is_over() says so.
  election_step release(election_time now);

  election_role role() const { return role_; }
  /// The role is final and nothing is under way any more.
  bool is_over() const {
    return (role_ == election_role::lost || role_ == election_role::released) && !under_way_;
  }
  /// While it is leader: until when, by the steady clock, if nothing renews the lease.
  duration leads_until() const { return renewed_at_ + with_.renew_deadline; }
  /// The holder as last seen, "" for none.
  const std::string& holder() const { return seen_.holder; }
  std::int64_t transitions() const { return seen_.transitions; }
  /// Why the latest attempt failed, or the leadership was lost; "" after a success.
  const std::string& problem() const { return problem_; }

private:
  election_step begin(election_time now);
  election_step ask(election_time now, lease_verb verb, lease_record lease = {});
  election_step decide(election_time now);
  election_step give_back(election_time now);
  election_step after_release(election_time now, const lease_request& asked, const lease_reply& reply);
  election_step failed(election_time now, const std::string& why);
  election_step wait_for_next(election_time now);
  void see(election_time now, const lease_record& lease);
  bool held_by_another(election_time now) const;
  lease_record claim(election_time now) const;
  void lose(std::string why);

  election_settings with_;
  std::function<double()> random_;
  election_role role_ = election_role::standby;
  std::string problem_;

  lease_record seen_; ///< the lease as the server last showed it
  bool known_ = false;
  duration seen_at_{0};    ///< when its spec was first seen as it is, by the steady clock
  duration renewed_at_{0}; ///< when the request was sent that last made or kept us leader

  std::uint64_t next_ticket_ = 1;
  std::optional<lease_request> under_way_;
  duration sent_at_{0};
  duration next_try_{0};
  int looks_left_ = 3; ///< while giving back
};

} // namespace tc::kube
