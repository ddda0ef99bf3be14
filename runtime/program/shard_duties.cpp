#include "runtime/program/shard_duties.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace tc::runtime {

namespace {

constexpr auto never = std::numeric_limits<duration::rep>::min();
constexpr auto always = std::numeric_limits<duration::rep>::max();

} // namespace

std::string_view to_string(shard_event event) {
  switch (event) {
  case shard_event::acquired:
    return "acquired";
  case shard_event::handed_over:
    return "handed_over";
  case shard_event::lost:
    break;
  }
  return "lost";
}

shard_duties::shard_duties(std::size_t count, duration patience, outside functions, const logger& log)
    : outside_(std::move(functions)), patience_(patience), log_(log), shards_(count), send_until_(always),
      write_until_(std::make_unique<std::atomic<duration::rep>[]>(count)) {
  for (std::size_t shard = 0; shard < count; ++shard)
    write_until_[shard] = never;
}

void shard_duties::changed(const kube::shard_election& now) {
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    auto before = std::exchange(shards_[shard].latest, now.holding(shard));
    const auto& latest = shards_[shard].latest;
    if (before.tenure == latest.tenure)
      continue;
    if (before.tenure != 0) {
      outside_.counted(before.leaving ? shard_event::handed_over : shard_event::lost);
      if (before.leaving)
        log_.info("shard handed over", {{"shard", shard}});
      else
        log_.error("shard lost; nothing is sent of it any more",
                   {{"shard", shard}, {"holder", now.holder_of(shard)}, {"error", now.problem()}});
    }
    if (latest.tenure != 0) {
      outside_.counted(shard_event::acquired);
      log_.info("shard acquired", {{"shard", shard}, {"replicas", now.replicas()}});
    }
  }
  set_fences();
  for (std::size_t shard = 0; shard < shards_.size(); ++shard)
    look_at(shard);
  outside_.shown(now.held(), now.replicas());
  log_changes(now);
}

void shard_duties::log_changes(const kube::shard_election& now) {
  if (auto before = std::exchange(problem_, now.problem()); !problem_.empty() && before != problem_)
    log_.error("the Leases of the shards cannot be had and are tried again", {{"error", problem_}});
  if (auto before = std::exchange(rival_, now.rival()); before != rival_) {
    if (rival_.empty())
      log_.info("no replica with another number of shards is left");
    else
      log_.info("standing by: replicas with another number of shards are there, and are waited for",
                {{"lease", rival_}});
  }
  if (auto before = std::exchange(warming_up_, now.is_warming_up()); before != warming_up_ && warming_up_)
    log_.info(
        "standing by: others hold all shards, and this replica has not watched for --shard-warm-up yet");
  if (auto before = std::exchange(replicas_, now.replicas()); before != replicas_)
    log_.info("replicas share the shards", {{"replicas", replicas_}, {"shards", shards_.size()}});
}

void shard_duties::look_at(std::size_t shard) {
  auto& own = shards_[shard];
  auto is_ours = own.latest.tenure != 0 && (own.state == duty::none || own.latest.tenure == own.tenure);
  switch (own.state) {
  case duty::none:
    if (!is_ours || own.tenure == own.latest.tenure)
      return; // it is given back already
    own.tenure = own.latest.tenure;
    if (own.latest.leaving)
      return outside_.give_back(shard); // nothing was begun
    own.state = duty::reading;
    return catch_up();
  case duty::reading:
    if (is_ours && !own.latest.leaving)
      return;
    own.state = duty::none;
    if (is_ours)
      return outside_.give_back(shard);
    return look_at(shard); // it may be ours once more
  case duty::following:
    if (!is_ours)
      return drop(shard, true);
    // What waits for a backend is known to nobody else: it stays here as long as this process does.
    if (!own.latest.leaving || (!own.latest.pressing && !outside_.delivers(shard)))
      return;
    own.state = duty::draining;
    log_.info("shard is handed over: what has settled is delivered first", {{"shard", shard}});
    outside_.later(patience_, [this, shard, tenure = own.tenure] {
      if (auto& late = shards_[shard]; late.state == duty::draining && late.tenure == tenure) {
        log_.error("what has settled in a shard could not be delivered in time; its next owner sends it",
                   {{"shard", shard}});
        drop(shard, true);
      }
    });
    return outside_.drain(shard);
  case duty::draining:
    if (!is_ours)
      drop(shard, true);
    return;
  case duty::dropping:
    return;
  }
}

void shard_duties::handed_over(std::size_t shard) {
  if (shards_[shard].state == duty::draining)
    drop(shard, false);
}

void shard_duties::drop(std::size_t shard, bool recall) {
  shards_[shard].state = duty::dropping;
  set_fences();
  outside_.drop(shard, recall, [this, shard] {
    auto& own = shards_[shard];
    own.state = duty::none;
    set_fences();
    if (own.latest.tenure == own.tenure)
      outside_.give_back(shard);
    else
      look_at(shard);
  });
}

/// One reading for all shards that were gained before it began.
void shard_duties::catch_up() {
  if (std::exchange(reading_, true))
    return;
  std::vector<std::pair<std::size_t, std::uint64_t>> wanted;
  for (std::size_t shard = 0; shard < shards_.size(); ++shard)
    if (shards_[shard].state == duty::reading)
      wanted.emplace_back(shard, shards_[shard].tenure);
  outside_.catch_up([this, wanted = std::move(wanted)](const std::string& error) {
    auto next = [this] {
      reading_ = false;
      for (const auto& own : shards_)
        if (own.state == duty::reading)
          return catch_up();
    };
    if (!error.empty()) {
      log_.error("what former owners delivered cannot be read; their Traces are not followed before it is",
                 {{"error", error}});
      return outside_.later(pause, next);
    }
    std::vector<std::size_t> begun;
    for (auto [shard, tenure] : wanted)
      if (auto& own = shards_[shard]; own.state == duty::reading && own.tenure == tenure) {
        own.state = duty::following;
        begun.push_back(shard);
      }
    set_fences();
    if (!begun.empty())
      outside_.begin(begun);
    next();
  });
}

void shard_duties::set_fences() {
  auto all = always;
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    const auto& own = shards_[shard];
    auto until = own.latest.tenure == own.tenure ? own.latest.acts_until.count() : never;
    if (own.state == duty::following || own.state == duty::draining || own.state == duty::dropping)
      all = std::min(all, until);
    write_until_[shard] = own.state == duty::following || own.state == duty::draining ? until : never;
  }
  send_until_ = all;
}

} // namespace tc::runtime
