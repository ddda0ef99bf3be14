#pragma once

// Shards divided among replicas by Leases, as a pure state machine: time and answers go in, what to send and
// how long to wait comes out. No sockets, no threads, no clock; the driver is kube/shard_elector.hpp.
//
// Each shard has a Lease, and each replica takes one more, its seat, by which the others count it. All look
// at all of them once in a retry period, reckon the same shares from the same view, take what is free below
// their own share and give up what is above it. What holds a Lease is what holds it in lease_election.hpp:
// clocks of other machines are never compared with ours, a lease of another runs out when we have not seen it
// renewed for as long as it says, and our own is counted from before the request that renewed it was sent.
//
// Replicas that divide by another number of shards must not act at the same time, or a Trace would have two
// owners. So nobody acts before it has a seat, has then looked, and has seen no valid seat of another number:
// of two that come at once, at least one sees the other, gives up its seat and waits. Who could not renew its
// seat in time has to be admitted anew.

#include "kube/lease.hpp"
#include "kube/lease_election.hpp"
#include "messages/time.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tc::kube {

/// How many of `count` shards each member should have, given how many it has: all the same but for one, and
/// the one more is for those who have most already; the first of equals. `held` is in the order of the seats.
std::vector<std::size_t> fair_shares(std::size_t count, const std::vector<std::size_t>& held);

struct sharding_settings {
  std::string identity; ///< unique among the replicas
  /// The Leases are "PREFIX-shard-INDEX-of-COUNT" and "PREFIX-replica-NUMBER-of-COUNT", with the suffix.
  std::string prefix;
  std::string suffix;
  std::size_t count = 1;
  duration lease_duration = std::chrono::seconds{35};
  duration renew_deadline = std::chrono::seconds{30}; ///< shorter than lease_duration
  duration retry_period = std::chrono::seconds{5};    ///< shorter than renew_deadline
  /// Shards that others hold are not asked for before it has looked on for so long: who has seen nothing yet
  /// would know less of what is open.
  duration warm_up{0};
};

enum class shard_verb : std::uint8_t { list, create, update };

struct shard_request {
  std::uint64_t ticket = 0; ///< comes back with the answer
  shard_verb verb = shard_verb::list;
  std::string name;   ///< of the Lease; "" to list
  lease_record lease; ///< to create, or to put in place of the one of its resourceVersion
};

/// What a list came to.
struct lease_list {
  std::optional<std::map<std::string, lease_record>> leases; ///< by name; nothing when it failed
  std::string problem;                                       ///< for people
};

/// What is to be done next.
struct shard_step {
  std::vector<shard_request> send;
  /// Call on_timer() after that; it replaces an earlier wait. Nothing: not at all.
  std::optional<duration> wait;
};

/// One shard as this replica has it.
struct shard_holding {
  std::uint64_t tenure = 0; ///< which time of holding it; 0 when it is not held
  bool leaving = false;     ///< to be handed over: give_back() when nothing is done for it any more
  bool pressing = false;    ///< it is leaving because this replica retires
  duration acts_until{0};   ///< by the steady clock, if nothing renews the lease; in the past: not now
};

class shard_election {
public:
  /// `random` is uniform in [0, 1): replicas that start together do not ask together.
  shard_election(sharding_settings with, std::function<double()> random);

  shard_step on_timer(election_time now);
  /// Answers to requests that were given up are ignored.
  shard_step on_list(election_time now, std::uint64_t ticket, const lease_list& reply);
  shard_step on_reply(election_time now, std::uint64_t ticket, const lease_reply& reply);
  /// Nothing is done for that shard any more: the next one may have it.
  shard_step give_back(election_time now, std::size_t shard);
  /// Nothing is taken from now on, and all that is held is leaving. With the last of it the seat is given
  /// back; then is_over().
  shard_step retire(election_time now);

  std::size_t count() const { return with_.count; }
  shard_holding holding(std::size_t shard) const;
  std::size_t held() const { return held_.size(); }
  /// How many replicas share the shards, as last seen.
  std::size_t replicas() const { return replicas_; }
  /// Another number of shards is in force, and this replica waits: its name of a seat; "" for none.
  const std::string& rival() const { return rival_; }
  /// It looks on for now, since others hold everything and it has only begun.
  bool is_warming_up() const { return warming_up_; }
  /// The holder of a shard's Lease as last seen, "" for none.
  std::string holder_of(std::size_t shard) const;
  bool is_over() const { return retired_ && !seat_ && held_.empty() && under_way_.empty() && !listing_; }
  /// Why the latest round failed; "" after one that did not.
  const std::string& problem() const { return problem_; }

private:
  struct seen_lease {
    lease_record lease;
    duration since{0};   ///< its spec was first seen as it is, by the steady clock
    duration written{0}; ///< an answer to a write of ours last told of it
  };
  struct held_shard {
    std::uint64_t tenure = 0;
    duration renewed_at{0}; ///< when the request was sent that last made or kept it ours
    bool leaving = false;
    bool dropped = false; ///< nothing is done for it any more
    bool tried = false;   ///< to give it back, in this round
    unsigned refused = 0; ///< renewals in a row that failed while the list did not
  };
  enum class purpose : std::uint8_t { hold, release };
  struct request_under_way {
    std::string name;
    purpose what = purpose::hold;
    duration sent_at{0};
  };
  /// What a Lease of ours is for, by its name.
  struct lease_place {
    bool is_seat = false;
    std::size_t number = 0;
    std::size_t count = 0;
  };

  std::optional<lease_place> place_of(std::string_view name) const;
  std::string shard_name(std::size_t shard) const;
  std::string seat_name(std::size_t number) const;

  shard_step look(election_time now);
  shard_step write(election_time now, bool looked);
  void note_losses(election_time now);
  void admit(election_time now, shard_step& out);
  bool may_join(election_time now);
  void take_seat(election_time now, shard_step& out);
  void balance(election_time now, shard_step& out);
  void hold(election_time now, const std::string& name, shard_step& out);
  void release(election_time now, const std::string& name, shard_step& out);
  void release_what_is_over(election_time now, shard_step& out);
  bool is_under_way(const std::string& name) const;
  shard_step after(election_time now, shard_step out);
  shard_step end_round(election_time now, shard_step out);
  void see(election_time now, const std::string& name, const lease_record& lease);
  bool is_valid(election_time now, const seen_lease& seen) const;
  bool is_ours(const std::string& name) const;
  bool seat_is_fresh(election_time now) const;
  lease_record claim(election_time now, const std::string& name) const;

  sharding_settings with_;
  std::function<double()> random_;
  std::map<std::string, seen_lease> seen_; ///< by name; those of our prefix and suffix
  std::map<std::size_t, held_shard> held_; ///< by shard
  std::optional<std::size_t> seat_;        ///< the number of our seat
  duration seat_renewed_at_{0};
  bool admitted_ = false; ///< nobody of another number acts; while the seat is renewed in time
  bool seat_leaving_ = false;
  bool seat_tried_ = false; ///< to give it back, in this round
  bool retired_ = false;
  std::optional<duration> warm_at_; ///< when it has looked on for long enough; set by the first look
  bool warming_up_ = false;
  std::string rival_;
  std::size_t replicas_ = 0;
  std::string problem_;
  std::uint64_t tenures_ = 0;

  std::uint64_t next_ticket_ = 1;
  std::optional<std::uint64_t> listing_;
  duration listed_at_{0};             ///< when the list was asked for
  std::optional<duration> looked_at_; ///< when the last one came
  std::map<std::uint64_t, request_under_way> under_way_;
  bool in_round_ = false;
  bool looked_ = false; ///< in this round
  bool again_ = false;  ///< somebody was faster: look again soon
  bool verify_ = false; ///< a seat was taken: look at once
  bool failed_ = false; ///< a request of this round did
  duration next_try_{0};
};

} // namespace tc::kube
