#include "trace/message_estate.hpp"

#include "trace/analysis.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

/// What the analysis knows of a change, each piece as a line: what is new in it opens the change again.
std::set<std::string> told_of(const analysis& all, const change_facts& change) {
  std::set<std::string> result;
  auto tell = [&](const object_id& object, const std::string& what) {
    result.insert(object.kind + '/' + object.namespace_name + '/' + object.name + ' ' + what);
  };
  for (auto index : change.contents)
    tell(all.contents[index].source, "has it");
  for (auto index : change.attempts) {
    const auto& run = all.attempts[index];
    tell(run.object, run.discriminator + ' ' + std::string{to_string(run.result)});
  }
  for (auto index : change.removals) {
    const auto& each = all.removals[index];
    tell(each.object, each.end.version == no_version ? "goes" : "gone");
  }
  for (const auto& each : change.waits)
    tell(each.object, each.over ? "went on" : "waits");
  return result;
}

} // namespace

std::vector<std::string> message_estate::observe(const observation_ptr& fact) {
  if (!remember(fact))
    return {};
  note_changes();
  return {open_.begin(), open_.end()};
}

bool message_estate::remember(const observation_ptr& fact) {
  if (!known_.insert(fact->identity()).second)
    return false;
  facts_.push_back(fact);
  bytes_ += fact->byte_size();
  while (facts_.size() > max_facts_ || (bytes_ > max_bytes_ && facts_.size() > 1)) {
    bytes_ -= std::min(bytes_, facts_.front()->byte_size());
    known_.erase(facts_.front()->identity());
    facts_.pop_front();
  }
  return true;
}

void message_estate::note_changes() {
  ledger all_facts;
  for (const auto& fact : facts_)
    all_facts.add(fact);
  analysis all{all_facts, options_};
  std::erase_if(told_, [&](const auto& each) { return !all.changes.contains(each.first); });
  for (const auto& [key, change] : all.changes) {
    auto now = told_of(all, change);
    auto& before = told_[key];
    // What was forgotten meanwhile is no news.
    if (!std::includes(before.begin(), before.end(), now.begin(), now.end()))
      open_.insert(key);
    before.merge(now);
  }
}

} // namespace tc::trace
