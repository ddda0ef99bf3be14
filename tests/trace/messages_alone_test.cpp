// What messages alone tell, where every object is withheld: the rules one by one on messages as real
// controllers write them, and on every recording, of which random parts are lost.

#include "tests/trace/recorded.hpp"
#include "trace/revision.hpp"

#include <filesystem>
#include <random>
#include <set>

namespace tc::trace {
namespace {

using test::at_end;
using test::live;
using test::name_of;

#ifdef TC_SANITIZED
constexpr std::uint64_t seeds = 5;
#else
constexpr std::uint64_t seeds = 50;
#endif

/// The bundled recordings, those of hard cases too.
std::vector<std::string> all_recordings() {
  std::vector<std::string> result(test::recordings.begin(), test::recordings.end());
  for (const auto& each :
       std::filesystem::directory_iterator{std::string{TC_SOURCE_DIR} + "/tests/recordings/hard"})
    result.push_back("hard/" + each.path().filename().string());
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<observation_ptr> messages_of(const std::vector<observation_ptr>& facts) {
  auto result = facts;
  std::erase_if(result, [](const observation_ptr& each) { return !each->message; });
  return result;
}

/// Where each object has runs, as all of the evidence tells: by content, its incarnations in order.
class whole_truth {
public:
  explicit whole_truth(const std::vector<completed_trace>& traces) {
    for (const auto& trace : traces) {
      std::string base{base_key(trace.change_key)};
      auto& known = runs_[base][since(trace.change_key)];
      for (const auto& each : trace.spans)
        if (each.text("flux.span.kind") == "run")
          ++known[name_of(each)];
    }
  }

  /// Returns what is false about the trace's runs, "" for nothing.
  std::string falsehood_of(const completed_trace& trace) const {
    std::map<std::string, int> drawn;
    for (const auto& each : trace.spans) {
      if (each.text("flux.span.kind") != "run")
        continue;
      if (auto wrong = falsehood_of(trace, each); !wrong.empty())
        return name_of(each) + ": " + wrong;
      ++drawn[name_of(each)];
    }
    const auto& known = runs_of(trace)->second;
    for (const auto& [object, count] : drawn)
      if (count > known.at(object))
        return object + ": " + std::to_string(count) + " runs";
    return {};
  }

private:
  using runs = std::map<std::string, int>; ///< by object

  std::map<timestamp, runs>::const_iterator runs_of(const completed_trace& trace) const {
    const auto& incarnations = runs_.at(std::string{base_key(trace.change_key)});
    return std::prev(incarnations.upper_bound(since(trace.change_key) + std::chrono::seconds{1}));
  }

  std::string falsehood_of(const completed_trace& trace, const span& run) const {
    auto found = runs_.find(std::string{base_key(trace.change_key)});
    if (found == runs_.end())
      return "no such change";
    const auto& incarnations = found->second;
    auto after = incarnations.upper_bound(since(trace.change_key) + std::chrono::seconds{1});
    if (after == incarnations.begin())
      return "no such incarnation";
    if (after != incarnations.end() && run.start > after->first + std::chrono::seconds{2})
      return "of a later incarnation";
    return std::prev(after)->second.contains(name_of(run)) ? "" : "no run of it there";
  }

  static timestamp since(const std::string& key) {
    auto base = base_key(key);
    return base.size() == key.size() ? timestamp{} : *parse_rfc3339(key.substr(base.size() + 1));
  }

  std::map<std::string, std::map<timestamp, runs>> runs_; ///< by content
};

class messages_alone : public testing::TestWithParam<std::string> {
protected:
  messages_alone()
      : facts_(test::stream_of(GetParam())), truth_(at_end(facts_)), events_(messages_of(facts_)),
        posts_(test::load_posts(test::folder_of(GetParam()) + "/posts.jsonl.gz")) {}

  void expect_nothing_false(const std::vector<observation_ptr>& facts) const {
    for (const auto& trace : at_end(facts))
      EXPECT_EQ(truth_.falsehood_of(trace), "") << "in " << trace.change_key;
  }

  std::vector<observation_ptr> with_posts() const {
    auto result = events_;
    result.insert(result.end(), posts_.begin(), posts_.end());
    return result;
  }

  std::vector<observation_ptr> facts_;
  whole_truth truth_;
  std::vector<observation_ptr> events_;
  std::vector<observation_ptr> posts_;
};

/// Losses as they happen: all of a time, all that is told of some objects in one way, or both.
enum class gap { of_a_time, of_objects, of_both };

std::vector<observation_ptr> with_gaps(std::vector<observation_ptr> facts, gap how, std::mt19937_64& random) {
  auto [first, last] =
      std::minmax_element(facts.begin(), facts.end(), [](const auto& left, const auto& right) {
        return left->received_at < right->received_at;
      });
  std::uniform_real_distribution<double> part{0, 1};
  auto length = (*last)->received_at - (*first)->received_at;
  auto from = (*first)->received_at +
              duration{static_cast<std::int64_t>(static_cast<double>(length.count()) * part(random))};
  auto to = from + length / 4;
  std::map<std::pair<observation_kind, object_id>, bool> silent;
  for (const auto& each : facts)
    silent.try_emplace({each->kind, each->object}, false);
  for (auto& [object, is] : silent)
    is = part(random) < 0.3;
  std::erase_if(facts, [&](const observation_ptr& each) {
    bool in_time = each->received_at >= from && each->received_at < to;
    return (how != gap::of_objects && in_time) ||
           (how != gap::of_a_time && silent.at({each->kind, each->object}));
  });
  return facts;
}

/// Runs and roots: their IDs, what they are of and how they ended.
std::set<std::string> ends_in(const std::vector<completed_trace>& traces) {
  std::set<std::string> result;
  for (const auto& [key, each] : test::spans_of(traces))
    if (each.text("flux.span.kind") == "run" || each.parent.is_zero())
      result.insert(key.first.to_hex() + ' ' + key.second.to_hex() + " of " + name_of(each) + ' ' +
                    std::string{each.text("flux.outcome")} + std::string{each.text("flux.change.outcome")});
  return result;
}

TEST_P(messages_alone, with_gaps_put_no_run_into_a_wrong_trace) {
  for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed)
    for (auto how : {gap::of_a_time, gap::of_objects, gap::of_both})
      for (bool posts : {false, true}) {
        SCOPED_TRACE("seed " + std::to_string(seed) + (posts ? ", with posts" : ", Events only") + ", gap " +
                     std::to_string(static_cast<int>(how)));
        std::mt19937_64 random{seed};
        expect_nothing_false(with_gaps(posts ? with_posts() : events_, how, random));
      }
}

TEST_P(messages_alone, of_which_any_part_is_lost_put_no_run_into_a_wrong_trace) {
  for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed)
    for (bool posts : {false, true}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + (posts ? ", with posts" : ", Events only"));
      std::mt19937_64 random{seed};
      std::bernoulli_distribution lost{0.1 + 0.1 * static_cast<double>(seed % 5)};
      auto kept = posts ? with_posts() : events_;
      std::erase_if(kept, [&](const observation_ptr&) { return lost(random); });
      expect_nothing_false(kept);
    }
}

TEST_P(messages_alone, in_any_order_twice_and_with_jitter_give_the_same_runs) {
  auto facts = with_posts();
  auto lines = [](const std::vector<completed_trace>& traces) {
    std::set<std::string> result;
    for (const auto& [key, each] : test::spans_of(traces))
      result.insert(key.first.to_hex() + ' ' + key.second.to_hex() + " under " + each.parent.to_hex() + ' ' +
                    each.name + ' ' + std::string{each.text("flux.outcome")});
    return result;
  };
  auto whole = lines(at_end(facts));
  for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random{seed};
    std::uniform_int_distribution<std::int64_t> jitter{-200'000'000, 200'000'000};
    std::vector<observation_ptr> moved;
    for (int delivery = 0; delivery < 2; ++delivery)
      for (const auto& each : facts) {
        auto copy = std::make_shared<observation>(*each);
        copy->received_at += duration{jitter(random)};
        moved.push_back(std::move(copy));
      }
    std::shuffle(moved.begin(), moved.end(), random);
    EXPECT_EQ(lines(at_end(moved)), whole);
  }
}

TEST_P(messages_alone, give_the_same_runs_live_as_at_the_end) {
  assembly_options options;
  options.messages_only = true;
  for (bool posts : {false, true}) {
    SCOPED_TRACE(posts ? "Events and posts" : "Events only");
    auto facts = posts ? with_posts() : events_;
    auto runs = ends_in(live(facts, options));
    EXPECT_FALSE(runs.empty());
    EXPECT_EQ(runs, ends_in(at_end(facts)));
  }
}

TEST_P(messages_alone, of_which_parts_are_lost_live_put_no_run_into_a_wrong_trace) {
  assembly_options options;
  options.messages_only = true;
  for (std::uint64_t seed = 1; seed <= std::max<std::uint64_t>(1, seeds / 5) && !HasFailure(); ++seed)
    for (bool posts : {false, true}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + (posts ? ", with posts" : ", Events only"));
      std::mt19937_64 random{seed};
      for (const auto& trace : live(with_gaps(posts ? with_posts() : events_, gap::of_both, random), options))
        EXPECT_EQ(truth_.falsehood_of(trace), "") << "in " << trace.change_key;
    }
}

std::string test_name(const testing::TestParamInfo<std::string>& parameter) {
  auto name = parameter.param;
  std::replace_if(
      name.begin(), name.end(), [](char each) { return each == '-' || each == '/'; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(recordings, messages_alone, testing::ValuesIn(all_recordings()), test_name);

} // namespace
} // namespace tc::trace
