#include "trace/explain.hpp"

#include "trace/analysis.hpp"
#include "trace/span_ids.hpp"

namespace tc::trace {

namespace {

std::string versions_of(const moment& first, const moment& last) {
  if (first.version == last.version)
    return "resource version " + std::to_string(first.version);
  return "resource versions " + std::to_string(first.version) + " to " + std::to_string(last.version);
}

std::string name_of(const attempt& run) {
  return run.object.to_string() + " at " + run.revision + " (" + versions_of(run.first, run.last) + ")";
}

std::string evidence_of(const attempt& run) {
  std::string result = "  seen: " + versions_of(run.first, run.last);
  if (run.historic)
    result += ", over before anything was seen live";
  else if (!run.start_seen)
    result += ", its start was not seen";
  result += run.decided.version != 0 ? "; outcome at " + std::to_string(run.decided.version) : "; no outcome";
  if (is_known(run.outcome_second))
    result += ", second " + to_rfc3339(run.outcome_second);
  if (run.reported)
    result += "; its controller measured " + to_go_duration(*run.reported);
  if (run.recorded_total > 0)
    result +=
        "; history counts " + std::to_string(run.recorded_total) + " since " + to_rfc3339(run.first_recorded);
  return result + '\n';
}

trace_id trace_of(const std::string& key, const assembly_options& options) {
  return derive_trace_id(key, options.scope == trace_scope::trace ? options.trace_uid + ':' : std::string{});
}

/// "sha1:... (trace 4bf9...)"
std::string name_of(const std::string& key, const assembly_options& options) {
  return key + " (trace " + trace_of(key, options).to_hex() + ')';
}

std::string decision_of(const analysis& all, const attempt& run) {
  if (run.key.empty()) {
    if (!run.moved && run.object.kind != "HelmRelease")
      return "  in no trace: it was at this revision already, and no apply had changed its spec\n";
    if (run.object.kind == "HelmRelease")
      return "  in no trace: neither an apply that is known, nor its values, nor a new chart explains it\n";
    return run.source ? "  in no trace: the object was made after the change had settled\n"
                      : "  in no trace: what it applies is not known\n";
  }
  auto span = derive_span_id(trace_of(run.key, all.options), run.object, run.discriminator);
  std::string result = "  in change " + name_of(run.key, all.options) + " as span " + span.to_hex() + ", by ";
  if (run.attribution == "source-revision")
    result +=
        "the revision of its source " + (run.source ? run.source->to_string() : std::string{"(unknown)"});
  else if (run.attribution == "change-log")
    result +=
        run.cause ? "the change log of the apply that touched it" : "the change log of what it put right";
  else if (run.attribution == "owner-attempt")
    result += "its spec or values, changed while its owner was applying";
  else if (run.attribution == "time")
    result += "the revision and time that messages say, without a state of the object";
  else
    result += "its chart " + (run.source ? run.source->to_string() : std::string{"(unknown)"});
  result += " [" + run.attribution + "]\n";
  if (run.cause)
    result += "  applied by " + name_of(all.attempts[*run.cause]) + '\n';
  return result;
}

} // namespace

std::string explain(const ledger& facts, const object_id& object, const assembly_options& options) {
  analysis all{facts, options};
  std::string result;
  if (auto found = all.attempts_of.find(object); found != all.attempts_of.end())
    for (auto index : found->second) {
      const auto& run = all.attempts[index];
      result += run.action + ' ' + run.revision + ": " + std::string{to_string(run.result)};
      if (!run.reason.empty())
        result += " (" + run.reason + ')';
      result += '\n' + evidence_of(run) + decision_of(all, run);
    }
  for (const auto& [key, change] : all.changes) {
    for (const auto& each : change.waits)
      if (each.object == object)
        result += "waited for change " + name_of(key, options) + ": " + each.reason + ", " +
                  versions_of(each.begin, each.begin) +
                  (each.over ? ", went on without it\n" : ", waits still\n");
    for (auto index : change.removals)
      if (all.removals[index].object == object)
        result += "pruned in change " + name_of(key, options) + " by " +
                  name_of(all.attempts[all.removals[index].cause]) + '\n';
    if (change.passed_over.contains(object))
      result +=
          "passed over change " + key + ": it took a later one without finishing or starting this one\n";
    if (change.pending.contains(object))
      result += "expected still for change " + key + '\n';
  }
  if (result.empty())
    return "nothing is known of any attempt of " + object.to_string() + '\n';
  return result;
}

} // namespace tc::trace
