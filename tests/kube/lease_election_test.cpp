// Leader election in virtual time: candidates with clocks of their own, a server that forgets, delays and
// refuses, and one invariant over all: never two leaders at the same moment.

#include "kube/lease_election.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

using namespace tc;
using namespace tc::kube;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

namespace {

constexpr duration step_size = 100ms;

/// The Lease on the server, with optimistic locking as the API server has it.
struct server {
  std::optional<lease_record> lease;
  int version = 0;
  std::vector<lease_record> written;

  lease_reply answer(const lease_request& asked) {
    lease_reply out;
    if (asked.verb == lease_verb::get) {
      out.lease = lease;
      out.not_found = !lease;
    } else if (asked.verb == lease_verb::create
                   ? lease.has_value()
                   : !lease || lease->resource_version != asked.lease.resource_version) {
      out.conflict = true;
      out.problem = "the object has been modified";
    } else {
      lease = asked.lease;
      lease->resource_version = std::to_string(++version);
      written.push_back(*lease);
      out.lease = lease;
    }
    return out;
  }
};

struct candidate {
  explicit candidate(std::string name, election_settings with = {})
      : engine(name.size() * 7919 + name.back()) {
    with.identity = std::move(name);
    election = std::make_unique<lease_election>(with, [this] {
      return std::uniform_real_distribution<double>{0, 1}(engine);
    });
  }

  std::mt19937 engine;
  std::unique_ptr<lease_election> election;
  duration clock_offset{0};       ///< of its wall clock
  duration steady_offset = 1000s; ///< of its steady clock, which begins anywhere
  bool alive = true;
  bool paused = false;
  bool cut_off = false; ///< its requests get no answer
  duration latency{0};  ///< of the answers
  std::optional<duration> timer = duration{0};
  struct answer {
    duration at;
    std::uint64_t ticket;
    lease_reply reply;
  };
  std::vector<answer> answers;
};

class world {
public:
  candidate& add(std::string name, election_settings with = {}) {
    all.push_back(std::make_unique<candidate>(std::move(name), with));
    return *all.back();
  }

  election_time time_of(const candidate& who) const {
    return {now + who.steady_offset, timestamp{1'700'000'000s} + now + who.clock_offset};
  }

  void take(candidate& who, const election_step& step) {
    if (step.wait)
      who.timer = now + *step.wait;
    else if (!step.send)
      who.timer.reset();
    if (!step.send || who.cut_off)
      return;
    who.answers.push_back({now + who.latency, step.send->ticket, cloud.answer(*step.send)});
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
          take(who, who.election->on_reply(time_of(who), due.ticket, due.reply));
        } else {
          ++i;
        }
      if (who.timer && *who.timer <= now) {
        who.timer.reset();
        take(who, who.election->on_timer(time_of(who)));
      }
    }
    EXPECT_LE(acting().size(), 1u) << "two leaders at " << now / 1s;
  }

  void run(duration length) {
    for (auto end = now + length; now < end;)
      step();
  }

  /// Who may act: leads by its own belief, and has not run past its deadline, which whoever acts must ask.
  std::vector<candidate*> acting() {
    std::vector<candidate*> out;
    for (auto& who : all)
      if (who->alive && !who->paused && who->election->role() == election_role::leader &&
          time_of(*who).steady < who->election->leads_until())
        out.push_back(who.get());
    return out;
  }

  candidate* leader() {
    auto found = acting();
    return found.empty() ? nullptr : found.front();
  }

  /// Returns how long it takes until another than `before` leads.
  duration until_another(const candidate* before, duration patience = 10min) {
    auto began = now;
    while (now < began + patience) {
      step();
      if (auto* who = leader(); who != nullptr && who != before)
        return now - began;
    }
    return duration::max();
  }

  server cloud;
  duration now{0};
  std::vector<std::unique_ptr<candidate>> all;
};

} // namespace

TEST(lease_election, the_first_candidate_creates_the_lease_and_renews_it) {
  world w;
  auto& one = w.add("one");
  w.run(1s);
  EXPECT_EQ(one.election->role(), election_role::leader);
  ASSERT_TRUE(w.cloud.lease);
  EXPECT_EQ(w.cloud.lease->holder, "one");
  EXPECT_EQ(w.cloud.lease->seconds, 35);
  EXPECT_EQ(w.cloud.lease->transitions, 0);
  auto acquired = w.cloud.lease->acquired;
  w.run(1min);
  EXPECT_EQ(w.cloud.lease->acquired, acquired);
  EXPECT_GT(w.cloud.lease->renewed, acquired + 50s);
  EXPECT_NEAR(static_cast<double>(w.cloud.written.size()), 13, 1) << "once in a retry period";
}

TEST(lease_election, of_several_one_leads_and_the_others_wait) {
  world w;
  for (const auto* name : {"one", "two", "three"})
    w.add(name);
  w.run(10min);
  ASSERT_NE(w.leader(), nullptr);
  EXPECT_EQ(w.cloud.lease->transitions, 0);
  for (auto& who : w.all)
    EXPECT_EQ(who->election->holder(), w.cloud.lease->holder);
}

TEST(lease_election, a_leader_that_dies_is_replaced_within_the_lease_and_a_retry) {
  world w;
  w.add("one");
  w.add("two");
  w.run(2min);
  auto* dead = w.leader();
  dead->alive = false;
  EXPECT_LE(w.until_another(dead), 40s + step_size);
  EXPECT_EQ(w.cloud.lease->transitions, 1);
  EXPECT_GT(w.cloud.lease->acquired, timestamp{1'700'000'000s} + 2min);
}

TEST(lease_election, a_lease_that_was_given_back_is_taken_at_the_next_look) {
  world w;
  w.add("one");
  w.add("two");
  w.run(2min);
  auto* going = w.leader();
  auto step = going->election->release(w.time_of(*going));
  EXPECT_EQ(going->election->role(), election_role::released) << "before it is written";
  w.take(*going, step);
  EXPECT_EQ(w.cloud.lease->holder, "");
  EXPECT_EQ(w.cloud.lease->seconds, 1);
  EXPECT_LE(w.until_another(going), 5s + step_size);
  EXPECT_EQ(w.cloud.lease->transitions, 1);
}

TEST(lease_election, a_lease_is_given_back_in_the_version_that_a_renewal_under_way_makes) {
  world w;
  auto& one = w.add("one");
  one.latency = 1s;
  w.run(1min);
  for (auto writes = w.cloud.written.size(); w.cloud.written.size() == writes;)
    w.step();
  ASSERT_FALSE(one.answers.empty()) << "the renewal is made and not answered";
  auto step = one.election->release(w.time_of(one));
  EXPECT_EQ(one.election->role(), election_role::released) << "it acts no more";
  EXPECT_FALSE(step.send) << "it would be overtaken";
  EXPECT_FALSE(one.election->is_over());
  w.take(one, step);
  w.run(3s);
  EXPECT_EQ(w.cloud.lease->holder, "");
  EXPECT_TRUE(one.election->is_over());
}

TEST(lease_election, a_lease_that_was_edited_meanwhile_is_given_back_all_the_same) {
  world w;
  auto& one = w.add("one");
  w.run(1min);
  w.cloud.lease->resource_version = std::to_string(++w.cloud.version);
  w.take(one, one.election->release(w.time_of(one)));
  w.run(1s);
  EXPECT_EQ(w.cloud.lease->holder, "");
  EXPECT_TRUE(one.election->is_over());
}

TEST(lease_election, what_another_took_meanwhile_is_not_given_back) {
  world w;
  auto& one = w.add("one");
  w.run(1min);
  w.cloud.lease->holder = "thief";
  w.cloud.lease->resource_version = std::to_string(++w.cloud.version);
  w.take(one, one.election->release(w.time_of(one)));
  w.run(1s);
  EXPECT_EQ(w.cloud.lease->holder, "thief");
  EXPECT_TRUE(one.election->is_over());
}

TEST(lease_election, a_lease_that_comes_to_a_candidate_that_ends_is_given_back) {
  world w;
  auto& one = w.add("one");
  one.latency = 1s;
  while (!w.cloud.lease)
    w.step();
  ASSERT_EQ(one.election->role(), election_role::standby) << "it does not know yet";
  w.take(one, one.election->release(w.time_of(one)));
  w.run(3s);
  EXPECT_EQ(w.cloud.lease->holder, "");
  EXPECT_TRUE(one.election->is_over());
}

TEST(lease_election, giving_back_ends_without_an_answer_too) {
  world w;
  auto& one = w.add("one");
  w.run(1min);
  one.cut_off = true;
  w.take(one, one.election->release(w.time_of(one)));
  w.run(16s);
  EXPECT_TRUE(one.election->is_over());
  EXPECT_THAT(one.election->problem(), HasSubstr("did not answer"));
}

TEST(lease_election, who_stands_by_gives_nothing_back) {
  world w;
  w.add("one");
  w.run(1s);
  auto& two = w.add("two");
  w.run(20s);
  EXPECT_FALSE(two.election->release(w.time_of(two)).send);
  EXPECT_EQ(w.cloud.lease->holder, "one");
}

TEST(lease_election, a_leader_that_is_cut_off_stops_before_another_begins) {
  world w;
  w.add("one");
  w.add("two");
  w.run(2min);
  auto* cut = w.leader();
  cut->cut_off = true;
  auto began = w.now;
  while (cut->election->role() == election_role::leader)
    w.step();
  EXPECT_LE(w.now - began, 30s + step_size);
  EXPECT_GE(w.now - began, 24s) << "and not at the first request that fails";
  EXPECT_EQ(w.leader(), nullptr) << "the lease has not run out yet";
  EXPECT_EQ(cut->election->role(), election_role::lost);
  EXPECT_THAT(cut->election->problem(), HasSubstr("not renewed in time"));
  EXPECT_LE(w.until_another(cut), 16s);
}

TEST(lease_election, a_leader_outlives_some_lost_renewals) {
  world w;
  auto& one = w.add("one");
  w.run(1min);
  one.cut_off = true;
  w.run(20s);
  one.cut_off = false;
  w.run(2min);
  EXPECT_EQ(one.election->role(), election_role::leader);
  EXPECT_EQ(w.cloud.lease->transitions, 0);
}

TEST(lease_election, wall_clocks_that_differ_or_step_matter_to_nobody) {
  world w;
  auto& one = w.add("one");
  w.run(1s);
  auto& two = w.add("two");
  two.clock_offset = -24h;
  one.clock_offset = 24h;
  w.run(5min);
  EXPECT_EQ(w.leader(), &one);
  one.clock_offset = -48h; // a step into the past
  two.clock_offset = 48h;
  w.run(5min);
  EXPECT_EQ(w.leader(), &one);
  EXPECT_EQ(w.cloud.lease->transitions, 0);
  one.alive = false;
  EXPECT_LE(w.until_another(&one), 40s + step_size);
}

TEST(lease_election, who_was_paused_does_not_act_on_what_it_was) {
  world w;
  w.add("one");
  w.add("two");
  w.run(2min);
  auto* paused = w.leader();
  paused->paused = true; // SIGSTOP
  EXPECT_LE(w.until_another(paused), 40s + step_size);
  paused->paused = false;
  EXPECT_GE(w.time_of(*paused).steady, paused->election->leads_until()) << "a fence knows, before any timer";
  w.step();
  EXPECT_EQ(paused->election->role(), election_role::lost);
}

TEST(lease_election, a_late_answer_makes_nobody_leader_again) {
  world w;
  auto& one = w.add("one");
  w.run(1min);
  one.latency = 40s; // written, but we hear of it too late
  w.run(2min);
  EXPECT_EQ(one.election->role(), election_role::lost);
}

TEST(lease_election, slow_answers_are_waited_for) {
  world w;
  auto& one = w.add("one");
  one.latency = 6s;
  w.run(5min);
  EXPECT_EQ(one.election->role(), election_role::leader);
}

TEST(lease_election, a_leader_whose_lease_another_took_stops_at_once) {
  world w;
  auto& one = w.add("one");
  w.run(1min);
  auto stolen = *w.cloud.lease;
  stolen.holder = "thief";
  stolen.resource_version = std::to_string(++w.cloud.version);
  w.cloud.lease = stolen;
  w.run(6s);
  EXPECT_EQ(one.election->role(), election_role::lost);
  EXPECT_THAT(one.election->problem(), HasSubstr("thief has the lease"));
}

TEST(lease_election, a_leader_whose_lease_was_edited_or_deleted_goes_on) {
  world w;
  auto& one = w.add("one");
  w.run(1min);
  w.cloud.lease->resource_version = std::to_string(++w.cloud.version); // a label, say
  w.cloud.lease->metadata = R"({"labels":{"a":"b"}})";
  w.run(10s);
  EXPECT_EQ(one.election->role(), election_role::leader);
  EXPECT_EQ(w.cloud.lease->metadata, R"({"labels":{"a":"b"}})") << "and keeps it";
  w.cloud.lease.reset();
  w.run(10s);
  EXPECT_EQ(one.election->role(), election_role::leader);
  EXPECT_EQ(w.cloud.lease->holder, "one");
}

TEST(lease_election, an_edit_of_the_metadata_is_no_renewal) {
  world w;
  auto& one = w.add("one");
  w.run(1min);
  auto& two = w.add("two");
  w.run(20s);
  one.alive = false;
  auto began = w.now;
  while (w.leader() != &two && w.now < began + 10min) {
    w.cloud.lease->resource_version = std::to_string(++w.cloud.version);
    w.step();
    if ((w.now - began) / step_size % 4 != 0) // else it would never win the race
      continue;
    w.run(500ms);
  }
  EXPECT_LE(w.now - began, 2min);
}

TEST(lease_election, a_refusal_is_told_and_tried_again) {
  lease_election election({"one", 35s, 30s, 5s}, [] { return 0.5; });
  auto step = election.on_timer({1s, {}});
  ASSERT_TRUE(step.send);
  step = election.on_reply({1s, {}}, step.send->ticket, {std::nullopt, false, false, "leases is forbidden"});
  EXPECT_EQ(election.problem(), "leases is forbidden");
  EXPECT_FALSE(step.send);
  ASSERT_TRUE(step.wait);
  EXPECT_LE(*step.wait, 5s);
  EXPECT_EQ(election.role(), election_role::standby);
}

/// Whatever happens, there is never more than one (step() looks), and in the end there is one again.
TEST(lease_election, chance_never_makes_two_leaders) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    world w;
    std::mt19937 dice{seed};
    auto chance = [&](double of) { return std::uniform_real_distribution<double>{0, 1}(dice) < of; };
    unsigned born = 0;
    auto next_name = [&] { return std::to_string(++born); };
    for (int i = 0; i < 3; ++i)
      w.add(next_name());
    for (int round = 0; round < 300; ++round) {
      w.run(2s);
      for (auto& each : w.all) {
        auto& who = *each;
        who.cut_off = chance(who.cut_off ? 0.8 : 0.05);
        who.paused = chance(who.paused ? 0.8 : 0.05);
        who.latency = chance(0.2) ? duration{std::uniform_int_distribution<int>{0, 20}(dice)*1s} : 0s;
        if (chance(0.01))
          who.clock_offset = duration{std::uniform_int_distribution<int>{-1000, 1000}(dice)*1s};
        if (who.alive && chance(0.02))
          who.alive = false;
      }
      std::erase_if(
          w.all, [](const auto& who) { return !who->alive || who->election->role() == election_role::lost; });
      while (w.all.size() < 3)
        w.add(next_name());
    }
    for (auto& who : w.all) {
      who->cut_off = who->paused = false;
      who->latency = 0s;
    }
    w.run(1min);
    EXPECT_NE(w.leader(), nullptr) << "seed " << seed;
  }
}

TEST(lease, is_written_as_the_api_server_wants_it_and_keeps_what_it_does_not_know) {
  auto read = parse_lease(
      R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l","namespace":"flux-system",)"
      R"("resourceVersion":"7","uid":"u","annotations":{"a":"b"},"managedFields":[{"manager":"x"}]},)"
      R"("spec":{"holderIdentity":"pod_1","leaseDurationSeconds":35,"acquireTime":"2026-11-26T19:00:00.000001Z",)"
      R"("renewTime":"2026-11-26T19:00:05.100000Z","leaseTransitions":3}})");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->holder, "pod_1");
  EXPECT_EQ(read->seconds, 35);
  EXPECT_EQ(read->transitions, 3);
  EXPECT_EQ(read->resource_version, "7");
  EXPECT_EQ(read->renewed - read->acquired, 5s + 99'999us);
  auto text = to_json(*read, "flux-system", "l");
  for (const auto* part :
       {R"("acquireTime":"2026-11-26T19:00:00.000001Z")", R"("renewTime":"2026-11-26T19:00:05.100000Z")",
        R"("annotations":{"a":"b"})", R"("resourceVersion":"7")", R"("uid":"u")"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("managedFields")));
  EXPECT_FALSE(parse_lease("[]"));
  EXPECT_FALSE(parse_lease(R"({"metadata":{}})"));
  EXPECT_FALSE(parse_lease(R"({"metadata":{"resourceVersion":"1"},"spec":[]})"));
}
