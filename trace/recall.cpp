// After a restart of ours: what is left of a success that was over before anything was seen. Is it the
// reconciliation that took the object to its revision, or one of the intervals after it? Its history tells,
// with the time since which the source has had the content. In doubt it is no run: nothing is invented.

#include "trace/analysis.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

const occurrence* content_of(const analysis& all, const object_id& source, const attempt& run) {
  auto found = all.contents_of.find(source);
  if (found == all.contents_of.end())
    return nullptr;
  for (auto here = found->second.rbegin(); here != found->second.rend(); ++here) {
    const auto& each = all.contents[*here];
    if (each.begin.version <= run.last.version &&
        std::find(each.revisions.begin(), each.revisions.end(), run.revision) != each.revisions.end())
      return &each;
  }
  return nullptr;
}

bool recall(const analysis& all, attempt& run) {
  const auto* state = all.find(run.object)->at(run.last.version);
  if (run.recorded_total == 0 || !state || !state->state->source_ref)
    return false;
  const auto* content = content_of(all, *state->state->source_ref, run);
  if (!content)
    return false;
  auto since = content->updated;
  if (run.first_recorded >= since) {
    for (const auto& other : state->state->applies)
      if (other.revision == run.revision && other.first_reconciled < run.first_recorded &&
          other.first_reconciled >= since && other.last_status == run.reason)
        return false; // other manifests at the same revision came later
    run.changed = true;
    if (run.recorded_total > 1) { // the first of them was it
      run.outcome_second = run.recorded_second = run.first_recorded;
      run.reported.reset();
      run.last.live = run.decided.live = false;
    }
    return true;
  }
  // Manifests it had applied before: its last reconciliation was the first at this revision unless an
  // interval has passed since the source got the content.
  auto interval = state->state->interval.value_or(duration{});
  return run.recorded_second < since + interval * 9 / 10;
}

} // namespace

void recall_histories(analysis& all) {
  for (auto& each : all.attempts)
    if (each.historic && each.result == outcome::succeeded && each.object.kind != "HelmRelease")
      each.moved = recall(all, each);
}

} // namespace tc::trace
