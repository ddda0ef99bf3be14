// Each kind has a watch of its own, and one may be behind the others: after an outage, or under load. Within
// a kind states come in the order of their versions, so a later state of any object of the kind shows that
// nothing older is missing. Until then, or for two minutes, a change waits where another kind tells that
// something must have happened.

#include "trace/analysis.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

constexpr duration patience = std::chrono::minutes{2};

void wait_from(change_facts& change, const moment& since) {
  if (since.live)
    change.unsure_until = std::max(change.unsure_until, since.at + patience);
}

/// Whether an object of that kind and namespace has been seen: it is watched, then.
bool is_watched(const analysis& all, const object_id& object) {
  auto near = all.timelines.lower_bound({object.group, object.kind, object.namespace_name, {}});
  for (; near != all.timelines.end() && near->first.group == object.group &&
         near->first.kind == object.kind && near->first.namespace_name == object.namespace_name;
       ++near)
    if (!near->second.states.empty())
      return true;
  return false;
}

/// An object that seems to have waited until the next content came may have taken the one before.
void doubt_waits(const analysis& all, change_facts& change) {
  for (const auto& each : change.waits)
    if (each.over && each.end.version != no_version && !all.has_seen(each.object.kind, each.end.version))
      wait_from(change, each.end);
}

/// What was attempted must have been fetched before.
void expect_contents(const analysis& all, change_facts& change) {
  for (auto index : change.attempts) {
    const auto& run = all.attempts[index];
    if (run.attribution != "source-revision" || !run.source ||
        all.has_seen(run.source->kind, run.first.version))
      continue;
    const auto* source = all.find(*run.source);
    bool fetched = std::any_of(change.contents.begin(), change.contents.end(),
                               [&](std::size_t each) { return all.contents[each].source == *run.source; });
    if (source && source->latest() && !fetched)
      wait_from(change, run.first);
  }
}

/// What an apply says it has touched has changed.
void expect_touched(const analysis& all, change_facts& change) {
  for (auto index : change.attempts) {
    auto log = all.change_logs.find(index);
    if (log == all.change_logs.end())
      continue;
    const auto& run = all.attempts[index];
    for (const auto& object : log->second) {
      if (all.has_seen(object.kind, run.last.version))
        continue;
      const auto* line = all.find(object);
      const auto* latest = line ? line->latest() : nullptr;
      if (latest ? latest->resource_version < run.first.version : is_watched(all, object))
        wait_from(change, run.last);
    }
  }
}

/// A release that has succeeded is noted in history by the next patch, which gives the run its ID.
void expect_records(const analysis& all, change_facts& change) {
  for (auto index : change.attempts) {
    const auto& run = all.attempts[index];
    if (run.object.kind == "HelmRelease" && run.result == outcome::succeeded && run.release_version == 0)
      wait_from(change, run.decided);
  }
}

} // namespace

void doubt_what_lags(analysis& all) {
  for (auto& [key, change] : all.changes) {
    doubt_waits(all, change);
    expect_contents(all, change);
    expect_touched(all, change);
    expect_records(all, change);
  }
}

} // namespace tc::trace
