#include "trace/span_messages.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

timestamp time_of_message(const observation& fact) {
  const auto& message = *fact.message;
  if (message.count == 1 && is_known(message.exact_first))
    return message.exact_first;
  if (fact.initial || !is_known(message.last))
    return is_known(message.last) ? message.last : fact.received_at;
  return std::clamp(fact.received_at, message.last, message.last + std::chrono::seconds{2});
}

span_event event_of(const observation& fact) {
  const auto& message = *fact.message;
  span_event result;
  result.at = time_of_message(fact);
  result.name = message.reason;
  result.attributes.push_back({"message", message.text});
  if (!message.severity.empty())
    result.attributes.push_back({"severity", message.severity});
  return result;
}

/// The same message from an Event and from a post is one.
void merge(std::vector<span_event>& events) {
  auto text = [](const span_event& each) { return std::get<std::string>(each.attributes.front().value); };
  std::sort(events.begin(), events.end(), [&](const span_event& left, const span_event& right) {
    return std::tuple{left.name, text(left), left.at, left.attributes.size()} <
           std::tuple{right.name, text(right), right.at, right.attributes.size()};
  });
  std::vector<span_event> kept;
  for (auto& each : events) {
    bool twin = !kept.empty() && kept.back().name == each.name && text(kept.back()) == text(each) &&
                each.at - kept.back().at <= std::chrono::seconds{1};
    if (!twin)
      kept.push_back(std::move(each));
  }
  std::stable_sort(kept.begin(), kept.end(),
                   [](const span_event& left, const span_event& right) { return left.at < right.at; });
  events = std::move(kept);
}

/// Whether what was told at that time is about that content.
bool is_of_its_time(const occurrence& content, timestamp at) {
  return std::chrono::abs(at - content.updated) <= std::chrono::seconds{2};
}

/// What tells best to which run a message belongs: for a post the Event that says the same, whose version
/// stands in the order of the object's.
class event_twins {
public:
  explicit event_twins(const std::vector<observation_ptr>& messages) {
    if (std::none_of(messages.begin(), messages.end(),
                     [](const auto& each) { return each->kind == observation_kind::post; }))
      return;
    for (const auto& each : messages)
      if (each->kind == observation_kind::event && each->message->count == 1)
        events_.try_emplace({each->message->last, each->message->text}, each.get());
  }

  const observation& of(const observation& fact) const {
    if (fact.kind != observation_kind::post)
      return fact;
    auto found = events_.find({fact.message->last, fact.message->text});
    return found == events_.end() ? fact : *found->second;
  }

private:
  std::map<std::pair<timestamp, std::string_view>, const observation*> events_;
};

bool passes(const analysis& all, const observation& fact) {
  return !all.options.message_filter || all.options.message_filter(fact.message->text);
}

} // namespace

std::map<std::size_t, std::vector<span_event>> messages_by_attempt(const analysis& all,
                                                                   const std::set<object_id>* of) {
  std::map<std::size_t, std::vector<span_event>> result;
  for (const auto& [object, list] : all.attempts_of) {
    if (of && !of->contains(object))
      continue;
    const auto& messages = all.timelines.at(object).messages;
    event_twins twins{messages};
    for (const auto& fact : messages) {
      if (!passes(all, *fact))
        continue;
      if (auto index = all.attempt_of_message(twins.of(*fact)); index != no_attempt)
        result[index].push_back(event_of(*fact));
    }
  }
  for (auto& [index, events] : result)
    merge(events);
  return result;
}

std::map<std::size_t, std::vector<observation_ptr>> notifications_by_attempt(const analysis& all,
                                                                             const std::set<object_id>* of) {
  std::map<std::size_t, std::vector<observation_ptr>> result;
  for (const auto& [object, list] : all.attempts_of) {
    if (of && !of->contains(object))
      continue;
    for (const auto& fact : all.timelines.at(object).notifications) {
      // Where the event itself belongs.
      observation event;
      event.kind = observation_kind::post;
      event.object = object;
      event.received_at = fact->notification->began;
      event.message.emplace();
      event.message->revision = fact->notification->revision;
      event.message->first = event.message->last = fact->notification->occurred;
      if (auto index = all.attempt_of_message(event); index != no_attempt)
        result[index].push_back(fact);
    }
  }
  return result;
}

std::vector<observation_ptr> notifications_of_content(const analysis& all, const occurrence& content) {
  std::vector<observation_ptr> result;
  if (const auto* line = all.find(content.source))
    for (const auto& fact : line->notifications)
      // An Alert's failure does not say the revision.
      if (is_of_its_time(content, fact->notification->occurred) &&
          (fact->notification->revision.empty() || content.has_revision(fact->notification->revision)))
        result.push_back(fact);
  return result;
}

std::vector<span_event> messages_of_content(const analysis& all, const occurrence& content) {
  std::vector<span_event> result;
  const auto* line = all.find(content.source);
  if (!line)
    return result;
  for (const auto& fact : line->messages) {
    const auto& message = *fact->message;
    if (message.count != 1 || !passes(all, *fact))
      continue;
    if (content.has_revision(message.revision) && is_of_its_time(content, message.last))
      result.push_back(event_of(*fact));
  }
  merge(result);
  return result;
}

} // namespace tc::trace
