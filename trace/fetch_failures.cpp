// What sources could not fetch or package, as their conditions show it.

#include "messages/kinds.hpp"
#include "trace/facts.hpp"

#include <algorithm>
#include <array>

namespace tc::trace {

namespace {

/// Returns the condition that says what went wrong with the newest spec, nullptr when nothing did.
/// source-controller keeps it, with Ready False of the same reason, until it succeeds.
const condition* failure_in(const object_state& state) {
  const auto* ready = state.find_condition("Ready");
  if (!ready || !ready->is_false())
    return nullptr;
  // A condition may come without a generation: then that of the status counts.
  auto generation = ready->observed_generation != 0 ? ready->observed_generation : state.observed_generation;
  if (generation < state.generation)
    return nullptr;
  constexpr std::array kinds{"FetchFailed", "BuildFailed", "StorageOperationFailed"};
  bool said = std::any_of(kinds.begin(), kinds.end(), [&](const char* kind) {
    const auto* found = state.find_condition(kind);
    return found && found->is_true();
  });
  const auto* verified = state.find_condition("SourceVerified");
  said = said || (verified && verified->is_false());
  // A chart whose repository has not got its index yet waits for it.
  bool waits = ready->reason == "NoSourceArtifact" || ready->reason == "SourceUnavailable";
  return said && !waits ? ready : nullptr;
}

bool is_stalled(const object_state& state) {
  const auto* stalled = state.find_condition("Stalled");
  return stalled && stalled->is_true();
}

bool is_content(const object_state& state) {
  const auto* ready = state.find_condition("Ready");
  return state.artifact && ready && ready->is_true() &&
         (state.observed_generation == 0 || state.observed_generation >= state.generation);
}

} // namespace

fetch_history fetches_of(const object_id& object, std::span<const observation_ptr> states) {
  fetch_history result;
  if (!is_source_kind(object.kind))
    return result;
  auto& failures = result.failures;
  fetch_failure next; // what is known of it so far: who asked, since when it is tried
  bool lasts = false; // the last one
  const observation* before = nullptr;
  for (const auto& fact : states) {
    auto here = moment_of(*fact);
    auto end_last = [&] {
      if (lasts)
        failures.back().end = here;
      lasts = false;
    };
    if (fact->kind == observation_kind::deleted) {
      end_last();
      before = nullptr;
      continue;
    }
    const auto& state = *fact->state;
    bool first = failures.empty() && !before && fact->initial;
    bool made = before ? before->uid != fact->uid : !fact->initial;
    if (made || (before && before->state->generation != state.generation && !state.deleted)) {
      next.asked = true;
      next.asked_after = made ? 0 : before->resource_version;
      next.asked_by = here.version;
      next.asked_unseen = fact->relisted;
      next.asked_second = {};
      next.begin = next.tried = here;
    }
    if (first)
      next.asked_second = spec_made_at(state);
    const auto* failed = failure_in(state);
    bool same = failed && lasts && failures.back().uid == fact->uid &&
                failures.back().generation == state.generation && failures.back().reason == failed->reason &&
                failures.back().message == failed->message &&
                failures.back().second == failed->last_transition;
    if (failed && !same) {
      end_last();
      auto here_failed = next;
      here_failed.source = object;
      here_failed.uid = fact->uid;
      here_failed.generation = state.generation;
      here_failed.reason = failed->reason;
      here_failed.message = failed->message;
      here_failed.second = failed->last_transition;
      here_failed.begin = here;
      here_failed.end = {no_version, {}, false};
      failures.push_back(std::move(here_failed));
      next.tried = {}; // it may be tried again unseen
      lasts = true;
    } else if (!failed) {
      end_last();
    }
    if (const auto* ready = state.find_condition("Ready");
        next.tried.version == 0 && ready && ready->status == "Unknown")
      next.tried = here;
    if (is_content(state)) {
      for (auto& each : failures)
        if (each.fetched.version == 0 && each.uid == fact->uid && each.generation == state.generation)
          each.fetched = here;
      next = {};
      next.content_before = here.version;
    }
    before = fact.get();
  }
  bool failing = !failures.empty() && failures.back().fetched.version == 0;
  if (next.asked && before && !is_stalled(*before->state) && !before->state->suspended &&
      !before->state->deleted && (failing || !before->state->artifact)) {
    next.source = object;
    next.uid = before->uid;
    result.due = std::move(next);
  }
  return result;
}

} // namespace tc::trace
