// Shards divided among replicas in virtual time: replicas with clocks of their own that come, go, crash and
// stand still, a server that delays, refuses and loses answers. Over all: never two owners of a shard, never
// two numbers of shards at the same moment; and in the end everybody has a fair share.

#include "kube/shard_election.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <set>

using namespace tc;
using namespace tc::kube;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

constexpr duration step_size = 100ms;

/// The Leases on the server, with optimistic locking as the API server has it.
struct server {
  std::map<std::string, lease_record> leases;
  int version = 0;
  std::size_t writes = 0;

  lease_list list() const { return {leases, {}}; }
  lease_reply answer(const shard_request& asked) {
    lease_reply out;
    auto found = leases.find(asked.name);
    if (asked.verb == shard_verb::create
            ? found != leases.end()
            : found != leases.end() && found->second.resource_version != asked.lease.resource_version) {
      out.conflict = true;
      out.problem = "the object has been modified";
    } else if (asked.verb == shard_verb::update && found == leases.end()) {
      out.not_found = true;
      out.problem = "not found";
    } else {
      auto& kept = leases[asked.name];
      kept = asked.lease;
      kept.resource_version = std::to_string(++version);
      ++writes;
      out.lease = kept;
    }
    return out;
  }
};

struct replica {
  replica(sharding_settings with, unsigned seed) : engine(seed) {
    election = std::make_unique<shard_election>(std::move(with), [this] {
      return std::uniform_real_distribution<double>{0, 1}(engine);
    });
  }

  std::mt19937 engine;
  std::unique_ptr<shard_election> election;
  duration clock_offset{0};       ///< of its wall clock
  duration steady_offset = 1000s; ///< of its steady clock, which begins anywhere
  double drift = 1;               ///< how fast that runs
  bool alive = true;
  bool paused = false;
  bool retiring = false;
  bool cut_off = false;     ///< its requests get no answer and are not made
  bool deaf = false;        ///< its requests are made, and the answers lost
  std::string refused;      ///< writes that name this are answered with an error
  duration latency{0};      ///< of the answers
  duration handing_over{0}; ///< how long a shard takes to be handed over
  std::optional<duration> timer = duration{0};
  std::map<std::size_t, std::pair<std::uint64_t, duration>> leaving; ///< by shard: tenure and when it is over
  struct answer {
    duration at;
    std::uint64_t ticket;
    std::optional<lease_list> list;
    lease_reply reply;
  };
  std::vector<answer> answers;
};

class world {
public:
  replica& add(std::size_t count = 4, sharding_settings with = {}) {
    with.identity = "replica-" + std::to_string(all.size());
    with.prefix = "tc";
    with.count = count;
    all.push_back(std::make_unique<replica>(with, static_cast<unsigned>(all.size() * 7919 + seed)));
    auto& out = *all.back();
    out.timer = now;
    return out;
  }

  election_time time_of(const replica& who) const {
    return {who.steady_offset +
                duration{static_cast<std::int64_t>(static_cast<double>(now.count()) * who.drift)},
            timestamp{1'700'000'000s} + now + who.clock_offset};
  }

  void take(replica& who, const shard_step& step) {
    if (step.wait)
      who.timer = now + *step.wait;
    else
      who.timer.reset();
    for (const auto& each : step.send) {
      if (who.cut_off)
        continue;
      replica::answer answer{now + who.latency, each.ticket, std::nullopt, {}};
      if (each.verb == shard_verb::list)
        answer.list = cloud.list();
      else if (!who.refused.empty() && each.name.find(who.refused) != std::string::npos)
        answer.reply.problem = "refused";
      else
        answer.reply = cloud.answer(each);
      if (!who.deaf)
        who.answers.push_back(std::move(answer));
    }
    for (std::size_t shard = 0; shard < who.election->count(); ++shard) {
      auto has = who.election->holding(shard);
      if (!has.leaving)
        who.leaving.erase(shard);
      else if (who.leaving[shard].first != has.tenure)
        who.leaving[shard] = {has.tenure, now + who.handing_over};
    }
  }

  void retire(replica& who) {
    who.retiring = true;
    take(who, who.election->retire(time_of(who)));
  }

  void step() {
    now += step_size;
    for (auto& each : all) {
      auto& who = *each;
      if (!who.alive || who.paused)
        continue;
      for (std::size_t i = 0; i < who.answers.size();)
        if (who.answers[i].at <= now) {
          auto due = who.answers[i];
          who.answers.erase(who.answers.begin() + static_cast<std::ptrdiff_t>(i));
          take(who, due.list ? who.election->on_list(time_of(who), due.ticket, *due.list)
                             : who.election->on_reply(time_of(who), due.ticket, due.reply));
        } else {
          ++i;
        }
      for (auto [shard, over] : std::map{who.leaving})
        if (over.second <= now && who.election->holding(shard).tenure == over.first) {
          who.leaving.erase(shard);
          take(who, who.election->give_back(time_of(who), shard));
        }
      if (who.timer && *who.timer <= now) {
        who.timer.reset();
        take(who, who.election->on_timer(time_of(who)));
      }
      if (who.election->is_over())
        who.alive = false;
    }
    check();
  }

  void run(duration length) {
    for (auto end = now + length; now < end;)
      step();
  }

  bool acts(const replica& who, std::size_t shard) const {
    return who.alive && !who.paused && time_of(who).steady < who.election->holding(shard).acts_until;
  }

  std::size_t acting(const replica& who) const {
    std::size_t out = 0;
    for (std::size_t shard = 0; shard < who.election->count(); ++shard)
      out += acts(who, shard) ? 1 : 0;
    return out;
  }

  /// Nobody acts for what another acts for, and all who act divide by the same number.
  void check() const {
    std::map<std::size_t, int> owners;
    std::set<std::size_t> counts;
    for (const auto& who : all)
      for (std::size_t shard = 0; shard < who->election->count(); ++shard)
        if (acts(*who, shard)) {
          counts.insert(who->election->count());
          ++owners[shard];
        }
    ASSERT_LE(counts.size(), 1u) << "two numbers of shards at " << now / 1ms;
    for (auto [shard, number] : owners)
      ASSERT_EQ(number, 1) << "shard " << shard << " has two owners at " << now / 1ms;
  }

  /// How many shards each of those has that live and are to stay, in their order.
  std::vector<std::size_t> shares() const {
    std::vector<std::size_t> out;
    for (const auto& who : all)
      if (who->alive && !who->retiring)
        out.push_back(acting(*who));
    return out;
  }

  bool is_fair(std::size_t count) const {
    auto have = shares();
    if (have.empty())
      return true;
    auto [least, most] = std::minmax_element(have.begin(), have.end());
    return std::accumulate(have.begin(), have.end(), std::size_t{0}) == count && *most - *least <= 1;
  }

  /// Returns how long it takes until the shards are divided fairly.
  duration until_fair(std::size_t count = 4, duration patience = 10min) {
    auto began = now;
    while (now < began + patience) {
      if (is_fair(count))
        return now - began;
      step();
      if (::testing::Test::HasFatalFailure())
        break;
    }
    return duration::max();
  }

  unsigned seed = 0;
  server cloud;
  duration now{0};
  std::vector<std::unique_ptr<replica>> all;
};

constexpr duration lease = 35s;

} // namespace

TEST(fair_shares, are_the_same_but_for_one_and_leave_things_where_they_are) {
  EXPECT_THAT(fair_shares(4, {}), IsEmpty());
  EXPECT_THAT(fair_shares(4, {0}), ElementsAre(4));
  EXPECT_THAT(fair_shares(4, {4, 0}), ElementsAre(2, 2));
  EXPECT_THAT(fair_shares(4, {2, 2, 0}), ElementsAre(2, 1, 1));
  EXPECT_THAT(fair_shares(4, {1, 1, 2}), ElementsAre(1, 1, 2));
  EXPECT_THAT(fair_shares(2, {0, 1, 1}), ElementsAre(0, 1, 1));
  EXPECT_THAT(fair_shares(0, {3, 1}), ElementsAre(0, 0));
}

TEST(shard_election, one_replica_takes_all_at_once) {
  world w;
  auto& one = w.add();
  w.run(1s);
  EXPECT_EQ(w.acting(one), 4u);
  EXPECT_EQ(one.election->replicas(), 1u);
  EXPECT_EQ(w.cloud.leases.size(), 5u);
  EXPECT_EQ(w.cloud.leases.count("tc-shard-3-of-4"), 1u);
  EXPECT_EQ(w.cloud.leases.at("tc-replica-0-of-4").holder, "replica-0");
}

TEST(shard_election, who_comes_gets_its_share_and_nothing_else_moves) {
  world w;
  auto& one = w.add();
  one.handing_over = 3s;
  w.run(10s);
  w.add();
  EXPECT_LT(w.until_fair(), 20s);
  EXPECT_THAT(w.shares(), ElementsAre(2, 2));
  w.add();
  EXPECT_LT(w.until_fair(), 20s);
  auto before = w.shares();
  w.run(5min);
  EXPECT_EQ(w.shares(), before);
  std::uint64_t latest = 0;
  for (std::size_t shard = 0; shard < 4; ++shard)
    latest = std::max(latest, one.election->holding(shard).tenure);
  EXPECT_LE(latest, 4u) << "the first has taken something again";
}

TEST(shard_election, who_is_asked_to_end_hands_over_without_a_wait) {
  world w;
  auto& one = w.add();
  w.add();
  w.until_fair();
  w.run(1min);
  w.retire(one);
  EXPECT_LT(w.until_fair(), 10s);
  EXPECT_FALSE(one.alive) << "it ends when all is given back";
  EXPECT_EQ(w.cloud.leases.at("tc-replica-0-of-4").holder, "");
}

TEST(shard_election, what_a_killed_one_had_is_taken_after_the_lease) {
  world w;
  auto& one = w.add();
  w.add();
  w.add();
  w.until_fair();
  w.run(1min);
  one.alive = false;
  auto took = w.until_fair();
  EXPECT_GT(took, lease - 6s);
  EXPECT_LT(took, lease + 6s);
}

TEST(shard_election, who_was_cut_off_and_is_overtaken_by_nobody_goes_on_with_what_it_has) {
  world w;
  auto& one = w.add();
  w.run(10s);
  auto tenure = one.election->holding(0).tenure;
  one.cut_off = true;
  w.run(2min);
  EXPECT_EQ(w.acting(one), 0u);
  EXPECT_THAT(one.election->problem(), HasSubstr("did not answer"));
  one.cut_off = false;
  w.run(20s);
  EXPECT_EQ(w.acting(one), 4u);
  EXPECT_EQ(one.election->holding(0).tenure, tenure) << "it was never anybody else's";
}

TEST(shard_election, who_was_cut_off_loses_what_others_have_taken) {
  world w;
  auto& one = w.add();
  w.add();
  w.until_fair();
  w.run(1min);
  one.cut_off = true;
  w.run(2min);
  EXPECT_THAT(w.shares(), ElementsAre(0, 4));
  one.cut_off = false;
  EXPECT_LT(w.until_fair(), 30s);
  for (std::size_t shard = 0; shard < 4; ++shard)
    if (auto has = one.election->holding(shard); has.tenure != 0) {
      EXPECT_GT(has.tenure, 2u) << "it is another time of holding it";
    }
}

TEST(shard_election, an_outage_of_the_api_server_moves_nothing) {
  world w;
  for (int i = 0; i < 3; ++i)
    w.add();
  w.until_fair();
  w.run(1min);
  auto tenures = [&] {
    std::vector<std::uint64_t> out;
    for (const auto& who : w.all)
      for (std::size_t shard = 0; shard < 4; ++shard)
        out.push_back(who->election->holding(shard).tenure);
    return out;
  };
  auto before = tenures();
  for (auto& who : w.all)
    who->cut_off = true;
  w.run(5min);
  EXPECT_THAT(w.shares(), ElementsAre(0, 0, 0));
  for (auto& who : w.all)
    who->cut_off = false;
  w.run(25s);
  EXPECT_TRUE(w.is_fair(4));
  EXPECT_EQ(tenures(), before);
}

TEST(shard_election, one_that_cannot_be_renewed_alone_is_given_up) {
  world w;
  auto& one = w.add();
  w.run(10s);
  one.refused = "shard-2";
  w.run(2min);
  EXPECT_EQ(one.election->holding(2).tenure, 0u);
  EXPECT_EQ(w.acting(one), 3u);
  EXPECT_EQ(one.election->problem(), "refused");
  one.refused.clear();
  w.run(1min);
  EXPECT_EQ(w.acting(one), 4u);
}

TEST(shard_election, a_lease_that_is_deleted_is_made_again) {
  world w;
  auto& one = w.add();
  w.run(10s);
  w.cloud.leases.clear();
  w.run(12s);
  EXPECT_EQ(w.acting(one), 4u);
  EXPECT_EQ(w.cloud.leases.size(), 5u);
}

TEST(shard_election, who_comes_later_looks_on_before_it_takes_anything_from_others) {
  world w;
  sharding_settings with;
  with.warm_up = 5min;
  auto& one = w.add(4, with);
  auto& two = w.add(4, with);
  EXPECT_LT(w.until_fair(), 20s) << "at the start nobody knows more than the others";
  w.run(10s);
  auto& three = w.add(4, with);
  w.run(4min);
  EXPECT_TRUE(three.election->is_warming_up());
  EXPECT_THAT(w.shares(), ElementsAre(2, 2, 0));
  one.alive = false;
  w.run(lease + 10s);
  EXPECT_EQ(w.acting(two), 4u) << "it has looked on for longer";
  EXPECT_LT(w.until_fair(), 40s);
  EXPECT_THAT(w.shares(), ElementsAre(2, 2));
  EXPECT_FALSE(three.election->is_warming_up());
}

TEST(shard_election, who_looks_on_takes_over_when_nobody_else_is_left) {
  world w;
  sharding_settings with;
  with.warm_up = 1h;
  auto& one = w.add(4, with);
  w.run(10s);
  auto& two = w.add(4, with);
  w.run(1min);
  EXPECT_EQ(w.acting(two), 0u);
  w.retire(one);
  w.run(10s);
  EXPECT_EQ(w.acting(two), 4u);
}

TEST(shard_election, more_replicas_than_shards_stand_by_and_take_over) {
  world w;
  for (int i = 0; i < 6; ++i)
    w.add(4);
  EXPECT_LT(w.until_fair(), 30s);
  EXPECT_EQ(w.all.front()->election->replicas(), 6u);
  for (int killed = 0; killed < 2; ++killed)
    for (auto& who : w.all)
      if (who->alive && w.acting(*who) > 0) {
        who->alive = false;
        break;
      }
  EXPECT_LT(w.until_fair(), lease + 12s);
  EXPECT_THAT(w.shares(), ElementsAre(1, 1, 1, 1));
}

TEST(shard_election, another_number_of_shards_waits_for_the_last_of_the_old_one) {
  world w;
  auto& one = w.add(4);
  auto& two = w.add(4);
  w.until_fair();
  auto& other = w.add(5);
  auto& another = w.add(5);
  w.run(2min);
  EXPECT_EQ(w.acting(one) + w.acting(two), 4u);
  EXPECT_EQ(w.acting(other), 0u);
  EXPECT_THAT(other.election->rival(), HasSubstr("-of-4"));
  w.retire(one);
  w.run(20s);
  EXPECT_EQ(w.acting(two), 4u);
  EXPECT_EQ(w.acting(another), 0u);
  w.retire(two);
  EXPECT_LT(w.until_fair(5), 20s);
  EXPECT_EQ(other.election->rival(), "");
}

TEST(shard_election, two_numbers_that_begin_at_once_do_not_hold_each_other_up_for_long) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    world w;
    w.seed = seed;
    w.add(4);
    w.add(5);
    w.run(40s);
    EXPECT_EQ(w.acting(*w.all[0]) + w.acting(*w.all[1]), w.acting(*w.all[0]) > 0 ? 4u : 5u) << seed;
  }
}

TEST(shard_election, leases_of_others_in_the_namespace_are_nothing_to_it) {
  world w;
  for (const auto* name : {"source-controller-leader-election", "tc-shard-x-of-4", "tc-shard-1-of-4-0a1b",
                           "tc-replica-0", "tc-replica-0-of-5-0a1b"})
    w.cloud.leases[name] = {"somebody", 3600, {}, {}, 0, "7", {}};
  auto& one = w.add();
  w.run(1s);
  EXPECT_EQ(w.acting(one), 4u);
}

/// Any sequence of joins, leaves, crashes, pauses, cuts and lost answers, with clocks that differ and drift.
TEST(shard_election, whatever_happens_there_is_one_owner_and_a_fair_division_in_the_end) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 dice(seed);
    auto draw = [&](int most) { return std::uniform_int_distribution<int>{0, most}(dice); };
    world w;
    w.seed = seed;
    auto count = static_cast<std::size_t>(1 + draw(8));
    auto join = [&](std::size_t of) {
      auto& who = w.add(of);
      who.clock_offset = std::chrono::hours{draw(48) - 24};
      who.steady_offset = std::chrono::seconds{draw(100'000)};
      who.drift = 1 + (draw(40) - 20) / 1000.0;
      who.latency = 100ms * draw(30);
      who.handing_over = 1s * draw(25);
    };
    for (int i = draw(3); i >= 0; --i)
      join(count);
    for (int event = 0; event < 30; ++event) {
      w.run(1s * draw(40));
      if (::testing::Test::HasFatalFailure())
        return;
      auto& who = *w.all[static_cast<std::size_t>(draw(static_cast<int>(w.all.size()) - 1))];
      switch (draw(9)) {
      case 0:
      case 1:
        join(draw(4) == 0 ? count + 1 : count);
        break;
      case 2:
        who.alive = false;
        break;
      case 3:
        if (who.alive)
          w.retire(who);
        break;
      case 4:
      case 5:
        who.paused = !who.paused;
        break;
      case 6:
        who.cut_off = !who.cut_off;
        break;
      case 7:
        who.deaf = !who.deaf;
        break;
      case 8:
        who.latency = 100ms * draw(100);
        break;
      default:
        if (!w.cloud.leases.empty() && draw(3) == 0) {
          // Somebody edits the metadata of one: no renewal, and no harm.
          auto one = std::next(w.cloud.leases.begin(), draw(static_cast<int>(w.cloud.leases.size()) - 1));
          one->second.resource_version = std::to_string(++w.cloud.version);
        }
      }
    }
    // The disturbances end; those of another number of shards too.
    for (auto& each : w.all) {
      each->paused = each->cut_off = each->deaf = false;
      each->latency = std::min<duration>(each->latency, 3s);
      if (each->alive && each->election->count() != count)
        each->alive = false;
    }
    join(count);
    auto took = w.until_fair(count);
    if (::testing::Test::HasFatalFailure())
      return;
    EXPECT_LT(took, 4 * lease);
    w.run(2 * lease); // seats of the dead run out
    EXPECT_TRUE(w.is_fair(count));
    auto writes = w.cloud.writes;
    auto shares = w.shares();
    w.run(3min);
    EXPECT_EQ(w.shares(), shares) << "and it stays so";
    auto living = static_cast<std::size_t>(
        std::count_if(w.all.begin(), w.all.end(), [](const auto& each) { return each->alive; }));
    EXPECT_LT(w.cloud.writes - writes, (living + count) * 60) << "a round costs one write for each Lease";
  }
}
