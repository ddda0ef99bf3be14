#include "trace/tellings.hpp"

#include "messages/kinds.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace tc::trace {

namespace {

/// An Event lives for an hour after it was last written; one that is written after that is a new one, with
/// its own annotations and the old count.
constexpr duration life_of_event = std::chrono::hours{1};

void forget_metadata(message_fact& of) {
  for (auto* each : {&of.revision, &of.origin_revision, &of.digest, &of.oci_digest, &of.token})
    each->clear();
}

telling telling_of(const observation& fact, timestamp second, bool believed) {
  telling result;
  result.second = second;
  result.believed = believed;
  result.uid = fact.uid;
  result.says = *fact.message;
  if (!believed)
    forget_metadata(result.says);
  return result;
}

void read(const observation& fact, std::vector<telling>& to) {
  const auto& message = *fact.message;
  bool repeated = fact.kind == observation_kind::event && (message.count > 1 || message.combined);
  to.push_back(telling_of(fact, message.last, !repeated));
  if (!repeated && is_known(message.exact_first))
    to.back().exact = message.exact_first;
  if (!repeated || message.combined || !is_known(message.first) ||
      message.last - message.first >= life_of_event)
    return;
  to.push_back(telling_of(fact, message.first, true));
  to.back().exact = message.exact_first;
}

bool is_same(const telling& left, const telling& right) {
  if (is_known(left.exact) && is_known(right.exact) && left.exact != right.exact)
    return false;
  return left.revision() == right.revision() &&
         std::chrono::abs(left.second - right.second) <= std::chrono::seconds{1};
}

/// Of one text: the believed ones once each, the others where no believed one explains them.
void merge(std::vector<telling>& all, std::vector<telling>& to) {
  std::sort(all.begin(), all.end(), [](const telling& left, const telling& right) {
    return std::tie(right.believed, left.second, left.exact, left.says.revision) <
           std::tie(left.believed, right.second, right.exact, right.says.revision);
  });
  std::vector<telling> kept;
  for (auto& each : all) {
    telling* twin = nullptr;
    bool explained = false;
    for (auto here = kept.rbegin(); here != kept.rend(); ++here) {
      if (!twin && is_same(*here, each) && here->believed == each.believed)
        twin = &*here;
      if (here->believed && !each.believed &&
          std::chrono::abs(here->second - each.second) <= std::chrono::seconds{1})
        explained = true;
      if (each.believed && each.second - here->second > std::chrono::seconds{1})
        break; // the believed ones come first, in order
    }
    if (explained)
      continue;
    if (!twin) {
      kept.push_back(std::move(each));
      continue;
    }
    if (!is_known(twin->exact))
      twin->exact = each.exact;
    if (twin->uid.empty())
      twin->uid = each.uid;
  }
  std::move(kept.begin(), kept.end(), std::back_inserter(to));
}

/// Where in a reconciliation a message stands, for those of one second.
int place_of(const telling& of) {
  const auto& reason = of.says.reason;
  return reason == "DependencyNotReady" ? 0 : reason == "Progressing" ? 1 : 2;
}

/// Posts have whole seconds only. What is about the revision told of last comes first, then, and what is
/// about the one told of next comes last.
template <class Iterator>
void order_within_second(Iterator from, Iterator to, const std::string& current, const std::string& next) {
  if (std::all_of(from, to, [](const telling& each) { return is_known(each.exact); })) {
    std::stable_sort(from, to,
                     [](const telling& left, const telling& right) { return left.exact < right.exact; });
    return;
  }
  auto order = [&](const telling& each) {
    int when = each.revision() == current ? 0 : each.revision() == next ? 2 : 1;
    return std::pair{when, place_of(each)};
  };
  std::stable_sort(from, to,
                   [&](const telling& left, const telling& right) { return order(left) < order(right); });
}

std::string first_revision(std::vector<telling>::const_iterator from,
                           std::vector<telling>::const_iterator to) {
  auto found = std::find_if(from, to, [](const telling& each) { return !each.revision().empty(); });
  return found == to ? std::string{} : found->revision();
}

} // namespace

std::vector<telling> read_tellings(const std::vector<observation_ptr>& messages) {
  std::map<std::pair<std::string, std::string>, std::vector<telling>> by_text;
  for (const auto& fact : messages) {
    std::vector<telling> of_fact;
    read(*fact, of_fact);
    auto& list = by_text[{fact->message->reason, fact->message->text}];
    std::move(of_fact.begin(), of_fact.end(), std::back_inserter(list));
  }
  std::vector<telling> result;
  for (auto& [text, list] : by_text)
    merge(list, result);
  std::stable_sort(result.begin(), result.end(),
                   [](const telling& left, const telling& right) { return left.second < right.second; });
  std::string current;
  for (auto from = result.begin(); from != result.end();) {
    auto to =
        std::find_if(from, result.end(), [&](const telling& each) { return each.second != from->second; });
    order_within_second(from, to, current, first_revision(to, result.end()));
    for (; from != to; ++from)
      if (!from->revision().empty())
        current = from->revision();
  }
  return result;
}

std::vector<log_line> read_change_log(std::string_view text) {
  std::vector<log_line> result;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    auto verb = line.rfind(' ');
    auto kind = line.find('/');
    if (verb == std::string_view::npos || kind == std::string_view::npos || kind >= verb)
      return {};
    log_line read;
    read.verb = line.substr(verb + 1);
    if (read.verb != "created" && read.verb != "configured" && read.verb != "deleted")
      return {};
    auto path = line.substr(kind + 1, verb - kind - 1);
    auto slash = path.find('/');
    read.object.kind = line.substr(0, kind);
    read.object.group = usual_group(read.object.kind); // a log does not say it
    if (slash != std::string_view::npos)
      read.object.namespace_name = path.substr(0, slash);
    read.object.name = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
    result.push_back(std::move(read));
  }
  return result;
}

std::optional<std::string> between(std::string_view text, std::string_view before, std::string_view after) {
  auto from = text.find(before);
  if (from == std::string_view::npos)
    return {};
  from += before.size();
  auto to = text.find(after, from);
  if (to == std::string_view::npos)
    return {};
  return std::string{text.substr(from, to - from)};
}

} // namespace tc::trace
