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

/// Most that kustomize-controller spends, after what its history counts, on patches and events.
constexpr auto patches_after_outcome = std::chrono::milliseconds{100};

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
  if (reported) {
    of.start = decided - *reported;
    // A history does not count the patches after the outcome, a finish would: the first patch shows how much.
    if (!finish && !helm && of.start_seen && of.first.live)
      of.start = std::max(std::min(of.start, of.first.at), of.start - patches_after_outcome);
  } else if (tested && of.reported && !of.phases.empty() && of.phases.front().end.live &&
             of.phases.front().name != "helm test") // the action before it was over when it was listed
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

/// The version of a finish's Event, also for the post that says the same; 0 where there is none.
std::uint64_t version_of(const observation& finish, const std::vector<const observation*>& all) {
  if (finish.resource_version != 0)
    return finish.resource_version;
  for (const auto* each : all)
    if (each->resource_version != 0 && each->message->text == finish.message->text)
      return each->resource_version;
  return 0;
}

/// An Event that was there before the attempt began is of one before it, though nothing else may show that
/// any more.
bool was_there_before(const observation& finish, const attempt& of,
                      const std::vector<const observation*>& all) {
  auto version = version_of(finish, all);
  return of.decided.version > of.first.version && version != 0 && version < of.first.version;
}

/// Of several finishes around one second (a finalizer's, say) the attempt's own agrees with its history, else
/// with the seconds of its conditions, and is none that another attempt has: an object may come back to a
/// revision within that second. `next` is the attempt after it, or null; `all` are the finishes of that
/// second.
bool closer(const observation& candidate, const observation& best, const attempt& of, const attempt* next,
            const std::vector<const observation*>& all, const std::set<std::string>& taken) {
  // One that was written when the next had its outcome is of that.
  auto of_another = [&](const observation& each) {
    bool later = next && next->decided.version != 0 && version_of(each, all) > next->decided.version;
    return was_there_before(each, of, all) || later || taken.contains(each.message->text);
  };
  auto miss = [&](const message_fact& each) {
    auto lasted = finish_duration(each.text).value_or(duration{});
    if (of.reported)
      return std::chrono::abs(lasted - *of.reported);
    return is_known(of.start_second) ? std::chrono::abs(lasted - (of.outcome_second - of.start_second))
                                     : each.last - of.outcome_second;
  };
  return std::tuple{of_another(candidate), miss(*candidate.message), candidate.message->text} <
         std::tuple{of_another(best), miss(*best.message), best.message->text};
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

namespace {

/// When health checks passed, by what was said of them. Their patch may come much later, from a busy
/// controller.
std::map<std::string_view, timestamp> told_checks(const timeline& line) {
  std::map<std::string_view, timestamp> result;
  for (const auto& fact : line.messages)
    if (const auto& says = *fact->message;
        says.text.starts_with("Health check passed in ") && says.count == 1 && is_known(says.exact_first))
      result.try_emplace(says.text, says.exact_first);
  return result;
}

void time_checks(const std::map<std::string_view, timestamp>& told, attempt& of) {
  for (auto& each : of.phases)
    if (each.name == "health check" && each.end.live)
      if (auto found = told.find(each.message);
          found != told.end() && found->second < each.end.at && found->second > each.begin.at)
        each.end.at = found->second;
}

} // namespace

void time_attempts(analysis& all) {
  for (const auto& entry : all.attempts_of) {
    const auto& object = entry.first; // not bindings: a lambda captures them
    const auto& list = entry.second;
    // Which messages are taken is decided over all attempts of an object.
    if (all.scope.change && std::none_of(list.begin(), list.end(), [&all](std::size_t each) {
          return all.attempts[each].key == *all.scope.change;
        }))
      continue;
    const auto& line = all.timelines.at(object);
    // Finish messages by second, so that each attempt finds its own without going through all.
    std::map<timestamp, std::vector<const observation*>> finishes;
    for (const auto& fact : line.messages)
      if (fact->message->reason == "ReconciliationSucceeded" && finish_duration(fact->message->text))
        finishes[fact->message->last].push_back(fact.get());
    auto checks = told_checks(line);
    std::set<std::string> taken; // by what it measured, which an Event and a post have in common
    for (auto place = list.begin(); place != list.end(); ++place) {
      auto& of = all.attempts[*place];
      const auto* next = std::next(place) == list.end() ? nullptr : &all.attempts[*std::next(place)];
      const observation* finish = nullptr;
      if (of.result == outcome::succeeded && is_known(of.outcome_second))
        for (auto second : {of.outcome_second, of.outcome_second + std::chrono::seconds{1}}) {
          auto found = finishes.find(second);
          if (found == finishes.end())
            continue;
          for (const auto* each : found->second) {
            // Its own may never have come: API servers and clients limit how many are written.
            bool spent = taken.contains(each->message->text) && was_there_before(*each, of, found->second);
            if (!spent && may_finish(*each->message, of) &&
                (!finish || closer(*each, *finish, of, next, found->second, taken)))
              finish = each;
          }
        }
      if (finish)
        taken.insert(finish->message->text);
      time_attempt(finish ? finish->message.operator->() : nullptr, noted_time(line, of), of);
      if (!checks.empty())
        time_checks(checks, of);
    }
  }
}

} // namespace tc::trace
