#include "kube/shard_election.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

namespace tc::kube {

namespace {

constexpr std::string_view shard_word = "-shard-";
constexpr std::string_view seat_word = "-replica-";
constexpr std::string_view of_word = "-of-";
/// So many renewals of a shard may fail while lists do not, before it is given up.
constexpr unsigned most_refusals = 3;

/// Takes a number off the front of a text.
std::optional<std::size_t> take_number(std::string_view& text) {
  std::size_t out = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{})
    return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return out;
}

bool take_word(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word))
    return false;
  text.remove_prefix(word.size());
  return true;
}

} // namespace

std::vector<std::size_t> fair_shares(std::size_t count, const std::vector<std::size_t>& held) {
  std::vector<std::size_t> out(held.size());
  if (held.empty())
    return out;
  std::vector<std::size_t> order(held.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t left, std::size_t right) { return held[left] > held[right]; });
  for (std::size_t rank = 0; rank < order.size(); ++rank)
    out[order[rank]] = count / held.size() + (rank < count % held.size() ? 1 : 0);
  return out;
}

shard_election::shard_election(sharding_settings with, std::function<double()> random)
    : with_(std::move(with)), random_(std::move(random)) {
  // nop
}

// -- names ----------------------------------------------------------------------

std::optional<shard_election::lease_place> shard_election::place_of(std::string_view name) const {
  if (!take_word(name, with_.prefix))
    return std::nullopt;
  lease_place out;
  out.is_seat = take_word(name, seat_word);
  if (!out.is_seat && !take_word(name, shard_word))
    return std::nullopt;
  auto number = take_number(name);
  if (!number || !take_word(name, of_word))
    return std::nullopt;
  auto count = take_number(name);
  if (!count || name != with_.suffix)
    return std::nullopt;
  out.number = *number;
  out.count = *count;
  return out;
}

std::string shard_election::shard_name(std::size_t shard) const {
  return with_.prefix + std::string{shard_word} + std::to_string(shard) + std::string{of_word} +
         std::to_string(with_.count) + with_.suffix;
}

std::string shard_election::seat_name(std::size_t number) const {
  return with_.prefix + std::string{seat_word} + std::to_string(number) + std::string{of_word} +
         std::to_string(with_.count) + with_.suffix;
}

// -- looking at it --------------------------------------------------------------

shard_holding shard_election::holding(std::size_t shard) const {
  auto found = held_.find(shard);
  if (found == held_.end())
    return {};
  const auto& what = found->second;
  shard_holding out{what.tenure, what.leaving, retired_, {}};
  if (admitted_ && !what.dropped)
    out.acts_until = std::min(what.renewed_at, seat_renewed_at_) + with_.renew_deadline;
  return out;
}

std::string shard_election::holder_of(std::size_t shard) const {
  auto found = seen_.find(shard_name(shard));
  return found == seen_.end() ? std::string{} : found->second.lease.holder;
}

bool shard_election::is_valid(election_time now, const seen_lease& seen) const {
  return !seen.lease.holder.empty() && now.steady < seen.since + std::chrono::seconds{seen.lease.seconds};
}

bool shard_election::is_ours(const std::string& name) const {
  auto found = seen_.find(name);
  return found != seen_.end() && found->second.lease.holder == with_.identity;
}

bool shard_election::is_under_way(const std::string& name) const {
  return std::any_of(under_way_.begin(), under_way_.end(),
                     [&](const auto& each) { return each.second.name == name; });
}

bool shard_election::seat_is_fresh(election_time now) const {
  return seat_ && now.steady < seat_renewed_at_ + with_.renew_deadline;
}

void shard_election::see(election_time now, const std::string& name, const lease_record& lease) {
  auto [place, added] = seen_.try_emplace(name);
  auto& what = place->second;
  if (added || !what.lease.same_spec(lease))
    what.since = now.steady;
  what.lease = lease;
}

// -- rounds: look, then write ---------------------------------------------------

shard_step shard_election::on_timer(election_time now) {
  if (is_over())
    return {};
  // A quarter of the deadline for looking and half for writing: then there is time for another round.
  if (listing_ && now.steady >= listed_at_ + with_.renew_deadline / 4) {
    listing_.reset();
    failed_ = true;
    problem_ = "the API server did not answer in time";
    return write(now, false);
  }
  auto given_up = std::erase_if(under_way_, [&](const auto& each) {
    return now.steady >= each.second.sent_at + with_.renew_deadline / 2;
  });
  if (given_up > 0) {
    failed_ = true;
    problem_ = "the API server did not answer in time";
    if (under_way_.empty() && in_round_ && !listing_)
      return end_round(now, {});
  }
  if (listing_ || !under_way_.empty() || now.steady < next_try_)
    return after(now, {});
  return look(now);
}

shard_step shard_election::look(election_time now) {
  shard_step out;
  again_ = verify_ = failed_ = false;
  in_round_ = true;
  listing_ = next_ticket_++;
  listed_at_ = now.steady;
  out.send.push_back({*listing_, shard_verb::list, {}, {}});
  return after(now, std::move(out));
}

shard_step shard_election::on_list(election_time now, std::uint64_t ticket, const lease_list& reply) {
  if (!listing_ || *listing_ != ticket)
    return after(now, {});
  listing_.reset();
  if (!reply.leases) {
    failed_ = true;
    problem_ = reply.problem;
    return write(now, false);
  }
  // What was written meanwhile is known better by the answer to that.
  auto is_stale = [this](const std::string& name) {
    auto found = seen_.find(name);
    return is_under_way(name) || (found != seen_.end() && found->second.written >= listed_at_);
  };
  std::erase_if(
      seen_, [&](const auto& each) { return reply.leases->count(each.first) == 0 && !is_stale(each.first); });
  for (const auto& [name, lease] : *reply.leases)
    if (place_of(name) && !is_stale(name))
      see(now, name, lease);
  // While nobody could look nobody could renew either: after an outage of the API server all may go on.
  if (looked_at_ && now.steady - *looked_at_ > with_.renew_deadline / 2)
    for (auto& [name, what] : seen_)
      if (!is_ours(name))
        what.since = now.steady;
  looked_at_ = now.steady;
  return write(now, true);
}

shard_step shard_election::write(election_time now, bool looked) {
  looked_ = looked;
  shard_step out;
  if (looked)
    note_losses(now);
  if (!seat_is_fresh(now))
    admitted_ = false;
  if (looked)
    admit(now, out);
  if (seat_ && !seat_leaving_)
    hold(now, seat_name(*seat_), out);
  for (const auto& [shard, what] : held_)
    if (!what.dropped)
      hold(now, shard_name(shard), out);
  if (looked && admitted_ && !retired_)
    balance(now, out);
  seat_tried_ = false;
  for (auto& [shard, what] : held_)
    what.tried = false;
  release_what_is_over(now, out);
  if (under_way_.empty())
    return end_round(now, std::move(out));
  return after(now, std::move(out));
}

void shard_election::note_losses(election_time now) {
  for (auto next = held_.begin(); next != held_.end();) {
    auto& [shard, what] = *next;
    auto name = shard_name(shard);
    auto lost = seen_.count(name) != 0 ? !is_ours(name) : what.dropped; // one that was deleted is made again
    lost = lost || (what.refused >= most_refusals && now.steady >= what.renewed_at + with_.renew_deadline);
    next = lost ? held_.erase(next) : std::next(next);
  }
  if (seat_ && seen_.count(seat_name(*seat_)) != 0 && !is_ours(seat_name(*seat_))) {
    seat_.reset();
    seat_leaving_ = admitted_ = false;
  }
}

void shard_election::admit(election_time now, shard_step& out) {
  replicas_ = 0;
  std::string rival;
  for (const auto& [name, what] : seen_)
    if (auto place = place_of(name); place->is_seat && is_valid(now, what)) {
      if (place->count == with_.count)
        ++replicas_;
      else
        rival = name;
    }
  if (retired_)
    return;
  if (!seat_) {
    rival_ = rival;
    if (!rival.empty())
      held_.clear();
    else if (may_join(now))
      take_seat(now, out);
    return;
  }
  if (admitted_ || seat_leaving_ || !seat_is_fresh(now))
    return; // those who came later see our seat; one that was late is renewed first, and looked after then
  rival_ = rival;
  admitted_ = rival.empty();
  if (admitted_)
    return;
  held_.clear();
  seat_leaving_ = true;
}

bool shard_election::may_join(election_time now) {
  if (!warm_at_) {
    // Where something is free at the start there is nobody who knows more.
    auto is_held = [&](std::size_t shard) {
      auto found = seen_.find(shard_name(shard));
      return found != seen_.end() && is_valid(now, found->second);
    };
    auto all_held = true;
    for (std::size_t shard = 0; all_held && shard < with_.count; ++shard)
      all_held = is_held(shard);
    warm_at_ = all_held ? now.steady + with_.warm_up : now.steady;
  }
  warming_up_ = now.steady < *warm_at_ && replicas_ > 0;
  return !warming_up_;
}

void shard_election::take_seat(election_time now, shard_step& out) {
  std::size_t number = 0;
  while (true) {
    auto found = seen_.find(seat_name(number));
    if (found == seen_.end() || !is_valid(now, found->second) || is_ours(found->first))
      break;
    ++number;
  }
  hold(now, seat_name(number), out);
}

void shard_election::balance(election_time now, shard_step& out) {
  // The seats in their order, which is that of their numbers and the same for all who look.
  std::map<std::size_t, std::string> seats;
  std::map<std::string, std::size_t> shards_of;
  std::vector<std::size_t> free;
  for (const auto& [name, what] : seen_)
    if (auto place = place_of(name); place->count == with_.count && is_valid(now, what)) {
      if (place->is_seat)
        seats[place->number] = what.lease.holder;
      else
        ++shards_of[what.lease.holder];
    }
  seats[*seat_] = with_.identity;
  shards_of[with_.identity] = held_.size();
  std::vector<std::size_t> held;
  std::size_t ours = 0;
  for (const auto& [number, holder] : seats) {
    if (number == *seat_)
      ours = held.size();
    held.push_back(shards_of[holder]);
  }
  replicas_ = seats.size();
  auto share = fair_shares(with_.count, held)[ours];
  auto kept = static_cast<std::size_t>(
      std::count_if(held_.begin(), held_.end(), [](const auto& each) { return !each.second.leaving; }));
  // What was taken last has the least to hand over.
  while (kept > share) {
    held_shard* latest = nullptr;
    for (auto& [shard, what] : held_)
      if (!what.leaving && (latest == nullptr || what.tenure > latest->tenure))
        latest = &what;
    latest->leaving = true;
    --kept;
  }
  for (std::size_t shard = 0; shard < with_.count; ++shard) {
    auto name = shard_name(shard);
    auto found = seen_.find(name);
    if (held_.count(shard) == 0 && !is_under_way(name) &&
        (found == seen_.end() || !is_valid(now, found->second) || is_ours(name)))
      free.push_back(shard);
  }
  // Each begins at another place, so that not all want the same one.
  if (!free.empty())
    std::rotate(free.begin(), free.begin() + static_cast<std::ptrdiff_t>(ours % free.size()), free.end());
  for (std::size_t i = 0; i < free.size() && kept < share; ++i, ++kept)
    hold(now, shard_name(free[i]), out);
}

void shard_election::hold(election_time now, const std::string& name, shard_step& out) {
  if (is_under_way(name))
    return;
  auto ticket = next_ticket_++;
  under_way_[ticket] = {name, purpose::hold, now.steady};
  auto lease = claim(now, name);
  auto verb = lease.resource_version.empty() ? shard_verb::create : shard_verb::update;
  out.send.push_back({ticket, verb, name, std::move(lease)});
}

void shard_election::release(election_time now, const std::string& name, shard_step& out) {
  auto ticket = next_ticket_++;
  under_way_[ticket] = {name, purpose::release, now.steady};
  // As client-go writes it: of no holder, for a second, which a candidate of any version takes for free.
  auto given_back = seen_.at(name).lease;
  given_back.holder.clear();
  given_back.seconds = 1;
  given_back.acquired = now.wall;
  given_back.renewed = now.wall;
  out.send.push_back({ticket, shard_verb::update, name, std::move(given_back)});
}

void shard_election::release_what_is_over(election_time now, shard_step& out) {
  for (auto next = held_.begin(); next != held_.end();) {
    auto name = shard_name(next->first);
    auto due = next->second.dropped && !is_under_way(name);
    if (due && !is_ours(name)) {
      next = held_.erase(next);
      continue;
    }
    if (due && !std::exchange(next->second.tried, true))
      release(now, name, out);
    ++next;
  }
  if (retired_ && held_.empty())
    seat_leaving_ = true;
  if (!seat_ || !seat_leaving_ || is_under_way(seat_name(*seat_)))
    return;
  if (!is_ours(seat_name(*seat_)))
    seat_.reset();
  else if (!std::exchange(seat_tried_, true))
    release(now, seat_name(*seat_), out);
}

lease_record shard_election::claim(election_time now, const std::string& name) const {
  lease_record out;
  auto found = seen_.find(name);
  if (found != seen_.end())
    out = found->second.lease;
  auto ours = is_ours(name);
  out.holder = with_.identity;
  out.seconds =
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(with_.lease_duration).count());
  out.renewed = now.wall;
  if (!ours) {
    out.acquired = now.wall;
    out.transitions = found != seen_.end() ? out.transitions + 1 : 0;
  }
  return out;
}

shard_step shard_election::on_reply(election_time now, std::uint64_t ticket, const lease_reply& reply) {
  auto node = under_way_.extract(ticket);
  if (node.empty())
    return after(now, {});
  const auto& asked = node.mapped();
  if (reply.lease) {
    see(now, asked.name, *reply.lease);
    seen_[asked.name].written = now.steady;
  } else if (reply.not_found) {
    seen_.erase(asked.name); // it is made again
  }
  auto place = place_of(asked.name);
  auto is_held = reply.lease && reply.lease->holder == with_.identity;
  if (!reply.lease) {
    again_ = again_ || reply.conflict || reply.not_found;
    if (!reply.conflict && !reply.not_found) {
      failed_ = true;
      problem_ = reply.problem;
    }
  }
  if (asked.what == purpose::release) {
    if (reply.lease || reply.not_found) {
      if (place->is_seat) {
        seat_.reset();
        seat_leaving_ = admitted_ = false;
      } else {
        held_.erase(place->number);
      }
    } else if (retired_ && place->is_seat) {
      seat_.reset(); // it runs out
    } else if (retired_) {
      held_.erase(place->number);
    }
  } else if (place->is_seat) {
    if (is_held) {
      if (!seat_is_fresh(now))
        admitted_ = false; // too late: for others it may have run out meanwhile
      verify_ = verify_ || !admitted_;
      seat_ = place->number;
      seat_renewed_at_ = asked.sent_at;
    }
  } else if (is_held) {
    auto& what = held_[place->number];
    if (what.tenure == 0) {
      what.tenure = ++tenures_;
      what.leaving = retired_;
    }
    what.renewed_at = asked.sent_at;
    what.refused = 0;
  } else if (auto found = held_.find(place->number);
             found != held_.end() && looked_ && !reply.conflict && !reply.not_found) {
    ++found->second.refused;
  }
  shard_step out;
  if (!listing_) {
    // What became due meanwhile need not wait for the next round.
    release_what_is_over(now, out);
    if (under_way_.empty() && in_round_)
      return end_round(now, std::move(out));
  }
  return after(now, std::move(out));
}

shard_step shard_election::end_round(election_time now, shard_step out) {
  in_round_ = false;
  if (!failed_)
    problem_.clear();
  auto share = static_cast<duration::rep>(static_cast<double>(with_.retry_period.count()) * random_() / 4);
  next_try_ = now.steady + with_.retry_period - duration{share};
  if (verify_)
    next_try_ = now.steady;
  else if (again_)
    next_try_ = std::min(next_try_, now.steady + duration{share} + std::chrono::milliseconds{1});
  // Not later than another's runs out, so that taking over takes no longer than the lease.
  if (!retired_ && !failed_)
    for (const auto& [name, what] : seen_)
      if (is_valid(now, what) && what.lease.holder != with_.identity)
        next_try_ = std::min(next_try_, what.since + std::chrono::seconds{what.lease.seconds});
  return after(now, std::move(out));
}

shard_step shard_election::after(election_time now, shard_step out) {
  if (is_over())
    return out;
  auto at = listing_             ? listed_at_ + with_.renew_deadline / 4
            : under_way_.empty() ? next_try_
                                 : duration::max();
  for (const auto& [ticket, each] : under_way_)
    at = std::min(at, each.sent_at + with_.renew_deadline / 2);
  out.wait = std::max(at - now.steady, duration{0});
  return out;
}

shard_step shard_election::give_back(election_time now, std::size_t shard) {
  auto found = held_.find(shard);
  if (found == held_.end())
    return after(now, {});
  found->second.dropped = true;
  shard_step out;
  release_what_is_over(now, out);
  return after(now, std::move(out));
}

shard_step shard_election::retire(election_time now) {
  if (retired_)
    return after(now, {});
  retired_ = true;
  for (auto& [shard, what] : held_)
    what.leaving = true;
  shard_step out;
  if (!listing_ && under_way_.empty())
    release_what_is_over(now, out);
  return after(now, std::move(out));
}

} // namespace tc::kube
