// What a change is as a whole: its root, its revision, and how it ended.

#include "trace/draw.hpp"
#include "trace/revision.hpp"

#include <map>
#include <tuple>

namespace tc::trace {

object_id root_of(const analysis& all, const std::string& key, const change_facts& change) {
  const occurrence* best = nullptr;
  auto before = [&](const occurrence& left, const occurrence& right) {
    auto order = [&](const occurrence& each) {
      // A chart packaged from a repository, and what an apply of the change asked for, are never the root.
      bool derived = each.cause.has_value() || each.key != base_key(key);
      bool generated = each.source.kind == "ExternalArtifact"; // what it is made of comes before it
      return std::make_tuple(derived, generated, each.updated, each.source.namespace_name, each.source.name,
                             each.source.kind);
    };
    return order(left) < order(right);
  };
  for (auto index : change.contents)
    if (!best || before(all.contents[index], *best))
      best = &all.contents[index];
  if (best && !best->cause && best->key == base_key(key))
    return best->source;
  // Nobody has observed the source: whoever took the change names it.
  for (auto index : change.attempts)
    if (const auto& run = all.attempts[index];
        run.source && (run.attribution == "source-revision" || !run.drifted_from.empty()))
      return *run.source;
  for (auto index : change.attempts)
    if (const auto& run = all.attempts[index]; run.source && run.attribution == "chart")
      return *run.source;
  return best ? best->source : object_id{};
}

std::string revision_of(const analysis& all, const object_id& root, const change_facts& change) {
  for (auto index : change.contents)
    if (all.contents[index].source == root)
      return all.contents[index].revisions.front();
  for (auto index : change.attempts)
    if (all.attempts[index].source == root)
      return all.attempts[index].revision;
  return {};
}

std::vector<const fetch_failure*> unfetched(const analysis& all, const change_facts& change) {
  std::map<object_id, const fetch_failure*> last;
  for (auto index : change.fetch_failures)
    last[all.fetch_failures[index].source] = &all.fetch_failures[index];
  std::vector<const fetch_failure*> result;
  for (const auto& [source, failure] : last)
    if (failure->fetched.version == 0)
      result.push_back(failure);
  return result;
}

std::string outcome_of(const analysis& all, const change_facts& change) {
  if (!unfetched(all, change).empty())
    return "failed";
  std::map<object_id, outcome> last;
  for (auto index : change.attempts)
    last[all.attempts[index].object] = all.attempts[index].result;
  bool incomplete = false;
  bool superseded = false;
  for (const auto& [object, result] : last) {
    if (result == outcome::failed)
      return "failed";
    bool went_on = change.passed_over.contains(object);
    superseded = superseded || went_on || result == outcome::superseded;
    incomplete = incomplete || ((result == outcome::open || result == outcome::incomplete) && !went_on);
  }
  for (const auto& each : change.waits)
    (each.over ? superseded : incomplete) = true;
  superseded = superseded || !change.passed_over.empty();
  for (const auto& each : change.pending)
    incomplete = incomplete || !last.contains(each);
  return incomplete ? "incomplete" : superseded ? "superseded" : "succeeded";
}

} // namespace tc::trace
