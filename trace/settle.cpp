#include "trace/settle.hpp"

#include "trace/analysis.hpp"
#include "trace/draw.hpp"
#include "trace/timing.hpp"

#include <algorithm>
#include <vector>

namespace tc::trace {

namespace {

/// The first and last thing known of a change: by arrival where it was live, else by what controllers wrote.
struct activity {
  timestamp first;
  timestamp last;
  std::vector<timestamp> all;

  void note(timestamp at) {
    if (!is_known(at))
      return;
    all.push_back(at);
    if (!is_known(first) || at < first)
      first = at;
    last = std::max(last, at);
  }
};

/// The timeout runs from where work on the change began, or began anew: an object that was suspended for
/// hours and takes the change then has its time.
timestamp busy_since(activity& of, duration timeout) {
  std::sort(of.all.begin(), of.all.end());
  auto since = of.all.empty() ? timestamp{} : of.all.back();
  for (auto each = of.all.rbegin(); each != of.all.rend() && since - *each < timeout; ++each)
    since = *each;
  return since;
}

timestamp arrival(const moment& seen, timestamp written) {
  return seen.live && seen.version != 0 ? seen.at : written;
}

activity activity_of(const analysis& all, const change_facts& change) {
  activity result;
  for (auto index : change.contents)
    result.note(arrival(all.contents[index].begin, all.contents[index].updated));
  for (auto index : change.attempts) {
    const auto& run = all.attempts[index];
    result.note(arrival(run.first, run.start));
    result.note(arrival(run.last, run.end));
    for (const auto& each : run.phases)
      if (each.end.version != 0 && each.end.live)
        result.note(each.end.at);
  }
  for (auto index : change.fetch_failures)
    result.note(arrival(all.fetch_failures[index].begin, all.fetch_failures[index].second));
  for (const auto& each : change.waits) {
    if (all.withheld) {
      result.note(each.begin_at);
      result.note(each.end_at);
    }
    if (each.begin.live)
      result.note(each.begin.at);
    if (each.end.live && each.end.version != no_version)
      result.note(each.end.at);
  }
  for (auto index : change.removals) {
    const auto& gone = all.removals[index];
    if (gone.begin.live)
      result.note(gone.begin.at);
    if (gone.end.live)
      result.note(gone.end.at);
  }
  for (auto index : change.rollouts) {
    const auto& rolled = all.rollouts[index];
    result.note(arrival(rolled.begin, rolled.begin_second));
    if (rolled.end.live)
      result.note(rolled.end.at);
  }
  return result;
}

/// Work of the change that goes on by itself: pods that roll out, objects that are being deleted.
bool under_way(const analysis& all, const change_facts& change) {
  return std::any_of(change.rollouts.begin(), change.rollouts.end(),
                     [&](std::size_t index) {
                       const auto& each = all.rollouts[index];
                       auto by = all.attempts[each.cause].result;
                       return each.result == outcome::open &&
                              (by == outcome::succeeded || by == outcome::open);
                     }) ||
         std::any_of(change.removals.begin(), change.removals.end(),
                     [&](std::size_t index) { return all.removals[index].end.version == no_version; });
}

settle_verdict judge(const analysis& all, const std::string& key, timestamp now) {
  const auto& options = all.options;
  settle_verdict result;
  auto found = all.changes.find(key);
  if (found == all.changes.end()) {
    result.settled = true;
    result.reason = settle_reason::unknown;
    result.wanted = false;
    return result;
  }
  const auto& change = found->second;
  auto active = activity_of(all, change);
  result.first_activity = active.first;
  result.last_activity = active.last;
  result.wanted = all.anything_selected(change) || options.include_unused;
  if (key.starts_with("drift:"))
    result.wanted = result.wanted && options.include_drift;
  auto deadline = busy_since(active, options.timeout) + options.timeout;
  bool open = !change.pending.empty() || under_way(all, change);
  auto quiet_at = std::max(active.last + options.settle_after, change.unsure_until);
  result.unsure = now < change.unsure_until;
  if (!open && now >= quiet_at) {
    result.settled = true;
    result.reason = change.passed_over.empty() ? settle_reason::complete : settle_reason::superseded;
  } else if (now >= deadline) {
    result.settled = true;
    result.reason = settle_reason::timeout;
  } else {
    result.ask_again = open ? deadline : std::min(quiet_at, deadline);
  }
  return result;
}

} // namespace

settle_verdict judge(const ledger& facts, const std::string& key, const assembly_options& options,
                     timestamp now) {
  return judge(analysis{facts, options, {&key}}, key, now);
}

judgement judge_and_assemble(const ledger& facts, const std::string& key, const assembly_options& options,
                             timestamp now, bool draw_open) {
  analysis all{facts, options, {&key}};
  judgement result{judge(all, key, now), {}};
  if (result.verdict.settled || draw_open)
    result.trace = draw_one(all, key);
  return result;
}

} // namespace tc::trace
