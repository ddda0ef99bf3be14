// What messages alone tell, where an object's states are withheld (no permission to watch it, say). A message
// counts only while its revision can be believed: a post, or an Event that has occurred once. Much is missing
// then, nothing is false.

#include "messages/kinds.hpp"
#include "trace/facts.hpp"
#include "trace/revision.hpp"

#include <algorithm>

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

std::vector<observation_ptr> in_order(const std::vector<observation_ptr>& messages) {
  auto sorted = messages;
  std::sort(sorted.begin(), sorted.end(), [](const observation_ptr& left, const observation_ptr& right) {
    auto order = [](const observation& each) {
      return std::tie(each.message->last, each.message->exact_first, each.message->reason,
                      each.message->text);
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
    // The same message as Event and as post.
    if (!result.attempts.empty() && result.attempts.back().outcome_second == message.last &&
        result.attempts.back().reason == message.reason)
      continue;
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
