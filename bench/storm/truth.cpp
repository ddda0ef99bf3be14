#include "bench/storm/truth.hpp"

#include <algorithm>

namespace tc::storm {

namespace {

bool is_failure(const std::string& outcome) {
  return outcome.starts_with("Failed:");
}

} // namespace

truth::change_id truth::change(const object_key& source, const std::string& revision, const std::string& key,
                               timestamp artifact_at) {
  one_change out;
  out.root = source;
  out.revision = revision;
  out.key = key;
  out.artifact_at = artifact_at;
  out.expected = takers_[source];
  changes_.push_back(std::move(out));
  return changes_.size() - 1;
}

void truth::expect(const object_key& object, const object_key& source) {
  takers_[source].insert(object);
}

void truth::waited(change_id change, const object_key& object, const object_key& source) {
  if (change == history)
    return;
  auto& run = changes_[change].runs[object];
  run.source = source;
  ++run.waits;
}

void truth::attempted(change_id change, const object_key& object, const object_key& source,
                      const std::string& outcome, bool changed) {
  if (change == history)
    return;
  auto& run = changes_[change].runs[object];
  run.source = source;
  if (!run.outcomes.empty() && run.outcomes.back() == "Succeeded" && outcome == "Succeeded")
    return; // an interval's reconciliation, no run
  run.changed |= changed;
  if (run.outcomes.empty() || run.outcomes.back() != outcome) {
    run.outcomes.push_back(outcome);
    run.attempts.push_back(0);
  }
  ++run.attempts.back();
}

void truth::passed_over(change_id change) {
  if (change != history)
    changes_[change].superseded = true;
}

void truth::rolled_out(change_id change, const object_key& workload, const object_key& parent) {
  if (change == history)
    return;
  changes_[change].workloads.emplace_back(workload, parent);
}

std::string truth::status_of(const one_change& change) const {
  auto superseded = change.superseded;
  for (const auto& [object, run] : change.runs) {
    auto last = std::find_if(run.outcomes.rbegin(), run.outcomes.rend(),
                             [](const std::string& one) { return !one.starts_with("Remediated:"); });
    if (last == run.outcomes.rend())
      superseded = true; // it only waited
    else if (is_failure(*last))
      return "failed";
  }
  for (const auto& object : change.expected)
    superseded |= change.runs.count(object) == 0;
  return superseded ? "superseded" : "succeeded";
}

json truth::to_json() const {
  json changes = json::array();
  for (const auto& change : changes_) {
    json runs = json::array();
    for (const auto& [object, run] : change.runs) {
      auto by = appliers_.find(object);
      auto applied = by != appliers_.end() && change.runs.count(by->second) != 0;
      auto out = object.to_json();
      out["parent"] = (applied ? by->second : run.source).to_json();
      out["cause"] = applied ? "applied-by" : "sourceRef";
      out["outcomes"] = run.outcomes;
      if (run.outcomes.empty())
        out["outcomes"].push_back("DependencyNotReady");
      if (object.kind == "Kustomization" &&
          std::any_of(run.outcomes.begin(), run.outcomes.end(), is_failure)) {
        out["attempts"] = json::array();
        for (std::size_t i = 0; i < run.outcomes.size(); ++i)
          out["attempts"].push_back(is_failure(run.outcomes[i]) ? run.attempts[i] : 0);
      }
      out["noop"] = !run.changed;
      if (run.waits > 0)
        out["dependencyWaits"] = run.waits;
      runs.push_back(std::move(out));
    }
    json workloads = json::array();
    for (const auto& [workload, parent] : change.workloads) {
      auto out = workload.to_json();
      out["parent"] = parent.to_json();
      workloads.push_back(std::move(out));
    }
    changes.push_back({{"key", change.key},
                       {"revision", change.revision},
                       {"root", change.root.to_json()},
                       {"artifactAt", to_rfc3339(change.artifact_at)},
                       {"runs", std::move(runs)},
                       {"workloads", std::move(workloads)},
                       {"status", status_of(change)}});
  }
  return {{"changes", std::move(changes)}, {"notInAnyChange", json::array()}};
}

std::size_t truth::runs() const {
  std::size_t out = 0;
  for (const auto& change : changes_)
    out += change.runs.size();
  return out;
}

} // namespace tc::storm
