// What messages alone tell, where an object's states are withheld (no permission to watch it, say). A message
// counts only while its revision can be believed: a post, or an Event that has occurred once. Much is missing
// then, nothing is false.

#include "messages/kinds.hpp"
#include "trace/facts.hpp"
#include "trace/revision.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace tc::trace {

namespace {

bool can_be_believed(const message_fact& message) {
  return message.count == 1 && !message.combined && !message.revision.empty();
}

bool is_finish(const message_fact& message) {
  return message.reason == "ReconciliationSucceeded" &&
         message.text.starts_with("Reconciliation finished in ");
}

std::optional<duration> duration_in(const message_fact& message) {
  constexpr std::string_view before = "Reconciliation finished in ";
  std::string_view text = message.text;
  text.remove_prefix(before.size());
  return parse_go_duration(text.substr(0, text.find(',')));
}

/// When it was written: to the nanosecond in an Event's name; a post's arrival tells as much within its
/// second.
timestamp written_at(const observation& fact) {
  const auto& message = *fact.message;
  if (message.count == 1 && is_known(message.exact_first))
    return message.exact_first;
  return std::clamp(fact.received_at, message.last, message.last + std::chrono::milliseconds{999});
}

/// Each message once, in their order: a post that is there as an Event too is left out, since it may have
/// come late.
std::vector<observation_ptr> in_order(const std::vector<observation_ptr>& messages) {
  std::map<std::pair<std::string, std::string>, std::set<timestamp>> events;
  for (const auto& fact : messages)
    if (fact->kind == observation_kind::event && can_be_believed(*fact->message))
      events[{fact->message->reason, fact->message->text}].insert(fact->message->last);
  std::vector<observation_ptr> sorted;
  for (const auto& fact : messages) {
    const auto& message = *fact->message;
    if (auto same = events.find({message.reason, message.text});
        fact->kind != observation_kind::event && same != events.end()) {
      auto near = same->second.lower_bound(message.last - std::chrono::seconds{1});
      if (near != same->second.end() && *near <= message.last + std::chrono::seconds{1})
        continue;
    }
    sorted.push_back(fact);
  }
  std::sort(sorted.begin(), sorted.end(), [](const observation_ptr& left, const observation_ptr& right) {
    auto order = [](const observation& each) {
      return std::tuple{each.message->last, written_at(each),
                        std::tie(each.message->reason, each.message->text)};
    };
    return order(*left) < order(*right);
  });
  return sorted;
}

} // namespace

std::vector<occurrence> message_contents(const object_id& object,
                                         const std::vector<observation_ptr>& messages) {
  std::vector<occurrence> result;
  if (!is_source_kind(object.kind))
    return result;
  for (const auto& fact : in_order(messages)) {
    const auto& message = *fact->message;
    auto key = change_key_of(object, message.revision, message.origin_revision);
    if (!can_be_believed(message) || key.empty() || (!result.empty() && result.back().key == key))
      continue;
    occurrence made;
    made.source = object;
    made.key = made.change = key;
    made.revision = message.revision;
    made.revisions.push_back(message.revision);
    made.origin_revision = message.origin_revision;
    made.digest = message.digest;
    made.updated = message.last;
    made.begin = {0, message.last, false};
    made.end = {no_version, {}, false};
    result.push_back(std::move(made));
  }
  return result;
}

run_history message_history(const object_id& object, const std::vector<observation_ptr>& messages) {
  run_history result;
  std::string at_revision;
  bool succeeded_at = false;
  for (const auto& fact : in_order(messages)) {
    const auto& message = *fact->message;
    bool failed = message.severity == "error";
    bool canceled = message.reason == "HealthCheckCanceled";
    if (!can_be_believed(message) || !(is_finish(message) || failed || canceled))
      continue;
    if (message.revision != at_revision) {
      at_revision = message.revision;
      succeeded_at = false;
    }
    if (succeeded_at)
      continue; // an interval
    attempt made;
    made.object = object;
    made.uid = fact->uid;
    made.action = "reconcile";
    made.result = failed ? outcome::failed : canceled ? outcome::superseded : outcome::succeeded;
    made.reason = message.reason;
    made.message = message.text;
    made.revision = message.revision;
    made.origin_revision = message.origin_revision;
    made.outcome_second = message.last;
    if (is_finish(message))
      made.reported = duration_in(message);
    succeeded_at = made.result == outcome::succeeded;
    result.attempts.push_back(std::move(made));
  }
  return result;
}

} // namespace tc::trace
