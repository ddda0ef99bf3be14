// A made-up API server with a history that is compacted, and a network that cuts, resets and refuses at
// random. Whatever happens, the sink ends with the state of the server, hears of every object's states in
// order, and of none twice.

#include "kube/reflector_state.hpp"

#include "tests/kube/objects.hpp"
#include "tests/kube/recording_sink.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

using namespace tc;
using namespace tc::kube;
using namespace tc::testing;
using namespace std::chrono_literals;

namespace {

const resource_ref kustomizations{"kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations"};

struct stored {
  std::string uid;
  int version = 0;
  auto operator<=>(const stored&) const = default;
};

struct change {
  int version = 0;
  std::string line;
};

class storm : public reflector_port {
public:
  storm(std::uint64_t seed, bool watch_list) : random_(seed), watch_list_served_(watch_list) {
    reflector_options options;
    options.seed = seed;
    options.page_size = 3;
    state_.emplace(resource_ref{kustomizations.group, {}, kustomizations.kind, {}}, options, sink, *this);
  }

  void run() {
    for (int i = 0; i < 5; ++i)
      mutate();
    state_->start(now_);
    for (int step = 0; step < 600; ++step) {
      if (chance(30))
        mutate();
      if (chance(2))
        oldest_ = version_ - static_cast<int>(random_() % 3); // compaction
      advance(true);
    }
    for (int step = 0; step < 200; ++step)
      advance(false); // the storm is over
  }

  /// What the sink believes, from what it was told. Fails the test when it was told something twice or too
  /// late.
  std::map<std::string, stored> believed() const {
    std::map<std::string, stored> result;
    std::set<std::tuple<std::string, std::string, std::string>> told;
    for (const auto& object : sink.objects) {
      auto name = field(object.json, "name");
      auto uid = field(object.json, "uid");
      auto version = field(object.json, "resourceVersion");
      EXPECT_TRUE(told.insert({object.type == "DELETED" ? "DELETED" : "state", uid,
                               object.type == "DELETED" ? "" : version})
                      .second)
          << object.type << ' ' << object.json;
      auto before = result.find(name);
      if (object.type == "DELETED") {
        EXPECT_TRUE(before != result.end() && before->second.uid == uid) << object.json;
        result.erase(name);
        continue;
      }
      EXPECT_EQ(object.type, before == result.end() ? "ADDED" : "MODIFIED") << object.json;
      if (before != result.end()) {
        EXPECT_EQ(before->second.uid, uid) << "its end was not told";
        EXPECT_LT(before->second.version, std::stoi(version));
      }
      result[name] = {uid, std::stoi(version)};
    }
    return result;
  }

  const std::map<std::string, stored>& real() const { return objects_; }
  const reflector_counts& counts() const { return state_->counts(); }

  mutable recording_sink sink;

private:
  // -- reflector_port ---
  void resolve() override { resolving_ = true; }
  void send(const reflector_request& request) override {
    ASSERT_FALSE(open_) << "two requests at a time";
    open_ = request;
    answered_ = false;
    output_.clear();
  }
  void cancel_request() override { open_.reset(); }
  void set_timer(duration delay) override { timer_ = delay; }

  // -- the server ---
  void mutate() {
    auto name = std::string(1, static_cast<char>('a' + random_() % 8));
    auto found = objects_.find(name);
    ++version_;
    if (found != objects_.end() && chance(30)) {
      record("DELETED", name, found->second.uid);
      objects_.erase(found);
    } else if (found != objects_.end()) {
      found->second.version = version_;
      record("MODIFIED", name, found->second.uid);
    } else {
      objects_[name] = {"uid-" + std::to_string(version_), version_};
      record("ADDED", name, objects_[name].uid);
    }
  }

  void record(const char* type, const std::string& name, const std::string& uid) {
    history_.push_back({version_, event(type, object(name, version_, uid))});
    if (open_ && open_->watch && answered_ && following_)
      output_ += history_.back().line;
  }

  void answer() {
    answered_ = true;
    following_ = false;
    auto query = [&](const std::string& name) {
      auto at = open_->path.find(name + '=');
      return at == std::string::npos
                 ? std::string{}
                 : open_->path.substr(at + name.size() + 1, open_->path.find('&', at) - at - name.size() - 1);
    };
    if (open_->path.find("sendInitialEvents") != std::string::npos) {
      if (!watch_list_served_) {
        refuse(422, "Invalid");
        return;
      }
      state_->on_head(200, now_);
      following_ = true;
      for (const auto& [name, kept] : objects_)
        output_ += event("ADDED", object(name, kept.version, kept.uid));
      output_ += bookmark(version_, true);
    } else if (open_->watch) {
      auto from = std::stoi(query("resourceVersion"));
      if (from < oldest_) {
        if (chance(50)) {
          refuse(410, "Expired");
        } else {
          state_->on_head(200, now_);
          output_ += event("ERROR", status(410, "Expired", "too old"));
        }
        return;
      }
      state_->on_head(200, now_);
      following_ = true;
      for (const auto& entry : history_)
        if (entry.version > from)
          output_ += entry.line;
    } else {
      answer_list(query("continue"));
    }
  }

  void answer_list(const std::string& token) {
    auto at = token.find('.'); // version.name
    auto version = token.empty() ? version_ : std::stoi(token);
    if (version < oldest_) {
      refuse(410, "Expired");
      return;
    }
    // All pages show the state at the first.
    auto& snapshot = token.empty() ? (snapshots_[version] = objects_) : snapshots_.at(version);
    auto after = token.empty() ? std::string{} : token.substr(at + 1);
    std::vector<std::string> items;
    std::string last;
    bool more = false;
    for (const auto& [name, kept] : snapshot) {
      if (name <= after)
        continue;
      if (items.size() == 3) {
        more = true;
        break;
      }
      items.push_back(object(name, kept.version, kept.uid));
      last = name;
    }
    state_->on_head(200, now_);
    output_ = list(items, version, more ? std::to_string(version) + "." + last : "");
    ends_ = true;
  }

  void refuse(int code, const std::string& reason) {
    open_.reset();
    state_->on_head(code, now_);
    state_->on_data(status(code, reason, "no"), now_);
    end(true, code);
  }

  void end(bool complete, int code) {
    open_.reset();
    reflector_reply reply;
    reply.complete = complete;
    reply.interrupted = !complete;
    reply.status = code;
    reply.failure = complete ? "" : "cut";
    state_->on_done(reply, now_);
  }

  // -- one step of the world ---
  void advance(bool stormy) {
    now_ += 200ms;
    if (resolving_) {
      resolving_ = false;
      if (stormy && chance(20))
        state_->on_resolved(tl::unexpected(std::string{"no"}), now_);
      else
        state_->on_resolved(stormy && chance(20) ? std::nullopt : std::optional{kustomizations}, now_);
      return;
    }
    if (!open_) {
      if (timer_) {
        now_ += *timer_;
        timer_.reset();
        state_->on_timer(now_);
      }
      return;
    }
    if (stormy && chance(5)) {
      end(false, answered_ ? 200 : 0);
      return;
    }
    if (!answered_) {
      ends_ = false;
      if (stormy && chance(10))
        refuse(chance(50) ? 503 : 429, "Busy");
      else
        answer();
      return;
    }
    if (!output_.empty()) {
      // Any number of bytes at a time, as the network likes.
      auto size = stormy ? 1 + random_() % std::min<std::size_t>(output_.size(), 900) : output_.size();
      auto piece = output_.substr(0, size);
      output_.erase(0, size);
      state_->on_data(piece, now_);
      return;
    }
    if (ends_ || (stormy && chance(5)))
      end(true, 200);
  }

  bool chance(unsigned percent) { return random_() % 100 < percent; }

  static std::string field(const std::string& json, const std::string& name) {
    auto at = json.find('"' + name + "\":\"") + name.size() + 4;
    return json.substr(at, json.find('"', at) - at);
  }

  std::mt19937_64 random_;
  bool watch_list_served_;
  std::optional<reflector_state> state_;
  timestamp now_{1'700'000'000s};
  std::map<std::string, stored> objects_;
  std::map<int, std::map<std::string, stored>> snapshots_;
  std::vector<change> history_;
  int version_ = 100;
  int oldest_ = 0;
  bool resolving_ = false;
  std::optional<reflector_request> open_;
  bool answered_ = false;
  bool following_ = false;
  bool ends_ = false;
  std::string output_;
  std::optional<duration> timer_;
};

} // namespace

TEST(reflector_storm, the_sink_ends_with_the_state_of_the_server_and_hears_nothing_twice) {
  reflector_counts sum;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    storm world{seed, seed % 2 == 0};
    world.run();
    auto believed = world.believed();
    ASSERT_EQ(believed, world.real());
    ASSERT_EQ(world.sink.synced, 1);
    ASSERT_TRUE(world.sink.errors.empty()) << world.sink.errors.front();
    sum.expired += world.counts().expired;
    sum.synthetic += world.counts().synthetic;
    sum.unchanged += world.counts().unchanged;
    sum.failures += world.counts().failures;
    if (::testing::Test::HasFailure())
      break;
  }
  // Else the storm was a calm day.
  EXPECT_GT(sum.expired, 200U);
  EXPECT_GT(sum.synthetic, 100U);
  EXPECT_GT(sum.unchanged, 200U);
  EXPECT_GT(sum.failures, 1000U);
}
