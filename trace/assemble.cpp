#include "trace/assemble.hpp"

#include "trace/analysis.hpp"
#include "trace/draw.hpp"
#include "trace/span_messages.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

change_ref reference_to(const analysis& all, const std::string& key, const change_facts& change) {
  change_ref result;
  result.key = key;
  result.root = root_of(all, key, change);
  result.revision = revision_of(all, result.root, change);
  result.unused = !all.anything_selected(change);
  result.drift = key.starts_with("drift:");
  return result;
}

bool source_selected(const analysis& all, const change_facts& change) {
  return std::any_of(change.contents.begin(), change.contents.end(),
                     [&](std::size_t each) { return all.selected(all.contents[each].source); });
}

} // namespace

assembly_options assembly_options::from(const trace_resource& resource, std::string cluster) {
  assembly_options result;
  result.trace_namespace = resource.namespace_name;
  result.trace_name = resource.name;
  result.trace_uid = resource.uid;
  result.event_sources = resource.event_sources;
  result.scope = resource.scope;
  result.attributes = resource.attributes;
  result.include_drift = resource.include_drift;
  result.include_unused = resource.include_unused;
  result.settle_after = resource.settle_after;
  result.timeout = resource.timeout;
  result.cluster_name = std::move(cluster);
  return result;
}

std::vector<change_ref> changes_in(const ledger& facts, const assembly_options& options) {
  analysis all{facts, options};
  std::vector<change_ref> result;
  for (const auto& [key, change] : all.changes) {
    auto made = reference_to(all, key, change);
    if (!made.unused || source_selected(all, change))
      result.push_back(std::move(made));
  }
  return result;
}

completed_trace draw_one(const analysis& all, const std::string& key) {
  auto found = all.changes.find(key);
  if (found == all.changes.end()) {
    completed_trace none;
    none.change_key = key;
    return none;
  }
  std::set<object_id> takers;
  for (auto index : found->second.attempts)
    takers.insert(all.attempts[index].object);
  return draw({all, all.options, messages_by_attempt(all, &takers), notifications_by_attempt(all, &takers)},
              key, found->second);
}

completed_trace assemble(const ledger& facts, const std::string& key, const assembly_options& options) {
  return draw_one(analysis{facts, options, {&key}}, key);
}

std::vector<completed_trace> assemble_all(const ledger& facts, const assembly_options& options) {
  analysis all{facts, options};
  drawing_context context{all, options, messages_by_attempt(all), notifications_by_attempt(all)};
  std::vector<completed_trace> result;
  for (const auto& [key, change] : all.changes) {
    auto reference = reference_to(all, key, change);
    if (reference.unused && !(options.include_unused && source_selected(all, change)))
      continue;
    if (reference.drift && !options.include_drift)
      continue;
    result.push_back(draw(context, key, change));
  }
  return result;
}

} // namespace tc::trace
