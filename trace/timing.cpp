#include "trace/timing.hpp"

#include <algorithm>
#include <set>

namespace tc::trace {

namespace {

/// "Reconciliation finished in 1.211438s, next run in 10m0s"
std::optional<duration> finish_duration(std::string_view text) {
  constexpr std::string_view before = "Reconciliation finished in ";
  if (!text.starts_with(before))
    return {};
  text.remove_prefix(before.size());
  return parse_go_duration(text.substr(0, text.find(',')));
}

/// Whether the arrival says when it was written: live, and not late, as after an outage, when a list brings
/// the present state.
bool arrived_in_time(const moment& seen, timestamp written) {
  return seen.live && (!is_known(written) || seen.at <= written + std::chrono::seconds{2});
}

/// `finish` is the message of its finish, which measures the whole reconciliation, and whose Event's name has
/// the nanosecond of its making.
void time_attempt(const message_fact* finish, timestamp noted, attempt& of) {
  bool helm = of.object.kind == "HelmRelease";
  // What helm-controller measured is the action alone, and its tests come after it.
  bool tested = helm && of.reason.starts_with("Test");
  std::optional<duration> reported;
  if (!tested)
    reported = of.reported;
  if (finish)
    reported = finish_duration(finish->text);
  auto decided = of.decided.version != 0       ? time_of(helm ? of.decided : of.last, of.outcome_second)
                 : is_known(of.outcome_second) ? of.outcome_second
                 : of.last.live                ? of.last.at
                                               : of.start_second;
  // The finish is noted when the reconciliation is over, thus after the last patch has arrived.
  if (finish && finish->count == 1 && is_known(finish->exact_first))
    noted = finish->exact_first;
  bool end_seen = is_known(noted) || arrived_in_time(helm ? of.decided : of.last, of.outcome_second);
  of.timed_by_seconds = !end_seen || (!reported && !of.first.live);
  if (is_known(noted))
    decided = noted;
  else if (!arrived_in_time(helm ? of.decided : of.last, of.outcome_second) && reported && of.first.live &&
           of.first.version < of.last.version)
    decided = time_of(of.first, of.start_second) + *reported;
  of.end = decided;
  if (reported)
    of.start = decided - *reported;
  else if (tested && of.reported && !of.phases.empty() && of.phases.front().end.live)
    of.start = of.phases.front().end.at - *of.reported;
  else if (of.first.live && of.first.version < of.last.version)
    of.start = time_of(of.first, of.start_second);
  else if (tested && is_known(of.deployed_second))
    of.start = std::min(of.deployed_second, decided);
  else
    of.start = is_known(of.start_second) ? std::min(of.start_second, decided) : decided;
  // A remediation or test comes after the action that was measured.
  if (helm)
    for (const auto& each : of.phases)
      if (each.end.version > of.decided.version && each.end.live)
        of.end = std::max(of.end, each.end.at);
  of.start = std::min(of.start, of.end);
}

/// The nanosecond at which an Event of the attempt's outcome was made, when its name tells. Only asked for
/// attempts whose end was not seen live, which are at most one for each object and list.
timestamp noted_time(const timeline& line, const attempt& of) {
  timestamp best;
  bool seen = arrived_in_time(of.object.kind == "HelmRelease" ? of.decided : of.last, of.outcome_second);
  if (seen || !is_known(of.outcome_second))
    return best;
  for (const auto& fact : line.messages) {
    const auto& message = *fact->message;
    if (message.reason != of.reason || !is_known(message.exact_first))
      continue;
    auto late = message.exact_first - of.outcome_second;
    if (late < duration::zero() || late > std::chrono::milliseconds{1500})
      continue;
    if (!is_known(best) || message.exact_first < best)
      best = message.exact_first;
  }
  return best;
}

/// Whether a finish may be that of the attempt. One that counts up has lost its revision (flux.md, 1.5), but
/// measures from the same start as the history and to a later end.
bool may_finish(const message_fact& candidate, const attempt& of) {
  if (candidate.count == 1 && !candidate.revision.empty() && candidate.revision != of.revision)
    return false;
  return !of.reported || finish_duration(candidate.text).value_or(duration{}) >= *of.reported;
}

/// Of several finishes around one second (a finalizer's, say) the attempt's own agrees with its history, else
/// with the seconds of its conditions, and is none that an earlier attempt has: an object may come back to a
/// revision within that second.
bool closer(const message_fact& candidate, const message_fact& best, const attempt& of,
            const std::set<std::string>& taken) {
  auto miss = [&](const message_fact& each) {
    auto lasted = finish_duration(each.text).value_or(duration{});
    if (of.reported)
      return std::chrono::abs(lasted - *of.reported);
    return is_known(of.start_second) ? std::chrono::abs(lasted - (of.outcome_second - of.start_second))
                                     : each.last - of.outcome_second;
  };
  return std::tuple{taken.contains(candidate.text), miss(candidate), candidate.text} <
         std::tuple{taken.contains(best.text), miss(best), best.text};
}

} // namespace

timestamp time_of(const moment& seen, timestamp written) {
  if (!seen.live || seen.version == 0)
    return is_known(written) ? written : seen.at;
  if (!is_known(written))
    return seen.at;
  // The second is truncated, and a patch takes a moment to arrive. What arrives much later came with a list
  // after an outage.
  return seen.at > written + std::chrono::seconds{2} ? written : std::max(seen.at, written);
}

void time_attempts(analysis& all) {
  for (const auto& [object, list] : all.attempts_of) {
    const auto& line = all.timelines.at(object);
    // Finish messages by second, so that each attempt finds its own without going through all.
    std::map<timestamp, std::vector<const message_fact*>> finishes;
    for (const auto& fact : line.messages)
      if (fact->message->reason == "ReconciliationSucceeded" && finish_duration(fact->message->text))
        finishes[fact->message->last].push_back(fact->message.operator->());
    std::set<std::string> taken; // by what it measured, which an Event and a post have in common
    for (auto index : list) {
      auto& of = all.attempts[index];
      const message_fact* finish = nullptr;
      if (of.result == outcome::succeeded && is_known(of.outcome_second))
        for (auto second : {of.outcome_second, of.outcome_second + std::chrono::seconds{1}}) {
          auto found = finishes.find(second);
          if (found == finishes.end())
            continue;
          for (const auto* each : found->second)
            if (may_finish(*each, of) && (!finish || closer(*each, *finish, of, taken)))
              finish = each;
        }
      if (finish)
        taken.insert(finish->text);
      time_attempt(finish, noted_time(line, of), of);
    }
  }
}

} // namespace tc::trace
