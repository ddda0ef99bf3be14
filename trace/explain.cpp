#include "trace/explain.hpp"

#include "trace/analysis.hpp"
#include "trace/revision.hpp"
#include "trace/span_ids.hpp"
#include "trace/span_words.hpp"

#include <set>

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

std::string applied_by(const analysis& all, std::size_t attempt) {
  return "applied by " + name_of(all.attempts[attempt]);
}

/// "  in change sha1:... (trace 4bf9...) as span 00f0..., "
std::string place_of(const analysis& all, const std::string& key, const object_id& object,
                     std::string_view discriminator) {
  auto span = derive_span_id(trace_of(key, all.options), object, discriminator);
  return "  in change " + name_of(key, all.options) + " as span " + span.to_hex() + ", ";
}

/// Of a source: in the change whose apply `cause` asked for it, else for the reason that is named.
std::string place_of(const analysis& all, const std::string& key, const object_id& source,
                     std::optional<std::size_t> cause, const char* otherwise) {
  auto place = place_of(all, key, source, "source");
  if (cause)
    return place + "because an apply asked for it [owner-attempt]\n  " + applied_by(all, *cause) + '\n';
  return place + otherwise + " [source-revision]\n";
}

/// The line of the apply's change log that names the object, with who says so; "" for none.
std::string log_line(const analysis& all, std::size_t apply, const object_id& object) {
  auto name = object.kind + '/' + (object.namespace_name.empty() ? "" : object.namespace_name + '/') +
              object.name + ' ';
  const auto& by = all.attempts[apply];
  for (const auto& fact : all.find(by.object)->messages) {
    const auto& text = fact->message->text;
    auto at = text.starts_with(name) ? 0 : text.find('\n' + name);
    if (at == std::string::npos || all.attempt_of_message(*fact) != apply)
      continue;
    at += text[at] == '\n';
    return "  said by " +
           std::string{fact->kind == observation_kind::post ? "an HTTP event"
                                                            : "Event " + fact->message->name} +
           " of " + to_rfc3339(fact->message->last) + ": " + text.substr(at, text.find('\n', at) - at) + '\n';
  }
  return {};
}

/// What the apply that caused the run changed: the object's spec, or what the object reads.
std::string what_touched(const analysis& all, const attempt& run) {
  const spec_change* changed = nullptr;
  if (auto found = all.spec_changes_of.find(run.object); found != all.spec_changes_of.end())
    for (const auto& each : found->second)
      if (each.cause == run.cause && each.uid == run.uid && each.generation <= run.generation)
        changed = &each;
  if (changed) {
    auto result = "  spec: generation " + std::to_string(changed->generation);
    result +=
        changed->version != 0 ? " since resource version " + std::to_string(changed->version) : ", as listed";
    if (is_known(changed->applied_at))
      result += ", applied " + to_rfc3339(changed->applied_at);
    return result + '\n' + log_line(all, *run.cause, run.object);
  }
  std::string result;
  if (const auto* line = all.find(run.object); line && !line->states.empty() && !run.config_digest.empty())
    for (const auto& values : line->at(run.last.version)->state->values_from) {
      result += "  reads " + values.to_string() + '\n' + log_line(all, *run.cause, values);
    }
  return result.empty() ? result : "  values: digest " + std::string{run.config_digest} + '\n' + result;
}

std::string decision_of(const analysis& all, const attempt& run) {
  if (run.key.empty()) {
    const char* why = run.unplaced
                          ? run.unplaced
                          : "neither an apply that is known, nor its values, nor a new chart explains it";
    return std::string{"  in no trace: "} + why + '\n';
  }
  auto result = place_of(all, run.key, run.object, run.discriminator) + "by ";
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
    result += "  " + applied_by(all, *run.cause) + '\n' + what_touched(all, run);
  return result;
}

std::string evidence_of(const occurrence& held) {
  std::string result = "  seen: ";
  if (held.recalled)
    result += "only in the history of who applied it";
  else if (held.begin.version == 0)
    result += "there before anything was seen";
  else
    result += "since resource version " + std::to_string(held.begin.version);
  if (held.end.version != no_version)
    result += ", until " + std::to_string(held.end.version);
  if (is_known(held.updated))
    result += "; stored " + to_rfc3339(held.updated);
  if (!held.digest.empty())
    result += "; digest " + held.digest;
  return result + '\n';
}

std::string decision_of(const analysis& all, const occurrence& held) {
  if (held.change.empty())
    return "  in no change: what it was made of is not known\n";
  const char* why = "from which it was made";
  if (held.change == held.key)
    why = "which is named by its content";
  else if (base_key(held.change) == held.key)
    why = "another incarnation of its content: it had been left and came back";
  return place_of(all, held.change, held.source, held.cause, why);
}

std::string decision_of(const analysis& all, const fetch_failure& failed) {
  if (failed.change.empty())
    return "  in no trace: no apply that is known asked for it, and what it would have been is not known\n";
  return place_of(all, failed.change, failed.source, failed.cause, "from which it was to be made");
}

std::string told_of_source(const analysis& all, const object_id& source) {
  std::string result;
  if (auto found = all.contents_of.find(source); found != all.contents_of.end())
    for (auto index : found->second) {
      const auto& held = all.contents[index];
      result += "had " + held.revision + '\n' + evidence_of(held) + decision_of(all, held);
    }
  for (const auto& failed : all.fetch_failures)
    if (failed.source == source)
      result += "could not fetch: " + failed.reason + ": " + failed.message + "\n  seen: generation " +
                std::to_string(failed.generation) + ", " + versions_of(failed.begin, failed.begin) +
                (failed.fetched.version != 0 ? ", fetched later\n" : ", not fetched since\n") +
                decision_of(all, failed);
  for (const auto& due : all.fetches_due)
    if (due.source == source)
      result += "asked for other content at " + versions_of(due.begin, due.begin) + ", not fetched yet" +
                (due.change.empty() ? "" : ": change " + name_of(due.change, all.options) + " waits") + '\n';
  return result;
}

std::string told_of_workload(const analysis& all, const object_id& workload) {
  std::string result;
  for (const auto& rolled : all.rollouts)
    if (rolled.object == workload) {
      const auto& by = all.attempts[rolled.cause];
      result +=
          "rolled out generation " + std::to_string(rolled.generation) + ": " +
          std::string{to_string(rolled.result)} + "\n  seen: since " +
          versions_of(rolled.begin, rolled.begin) + '\n' +
          (by.key.empty() ? std::string{"  in no trace"} : "  in change " + name_of(by.key, all.options)) +
          ", " + applied_by(all, rolled.cause) + '\n';
    }
  return result;
}

std::string told_of_pushes(const analysis& all, const object_id& automation) {
  std::string result;
  const auto* line = all.find(automation);
  std::set<std::string> told;
  for (const auto& fact : line ? line->states : std::span<const observation_ptr>{})
    if (const auto& commit = fact->state->last_push_commit; !commit.empty() && told.insert(commit).second) {
      result += "pushed " + commit + "\n  seen: since resource version " +
                std::to_string(fact->resource_version) + '\n';
      bool fetched = false;
      for (const auto& [key, change] : all.changes)
        if (parse_revision(base_key(key)).hex == commit) {
          fetched = true;
          result += place_of(all, key, automation, "commit") + "which is named by the commit\n";
        }
      if (!fetched)
        result += "  in no trace: no source is known to have fetched it\n";
    }
  return result;
}

} // namespace

std::string explain(const ledger& facts, const object_id& object, const assembly_options& options) {
  analysis all{facts, options};
  std::string result;
  if (auto found = all.attempts_of.find(object); found != all.attempts_of.end())
    for (auto index : found->second) {
      const auto& run = all.attempts[index];
      result += std::string{run.action} + ' ' + run.revision + ": " + std::string{to_string(run.result)};
      if (!run.reason.empty())
        result += " (" + std::string{run.reason} + ')';
      result += '\n' + evidence_of(run) + decision_of(all, run);
    }
  result += told_of_source(all, object) + told_of_workload(all, object) + told_of_pushes(all, object);
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
    return "nothing is known of anything that took a change at " + object.to_string() + '\n';
  return without_credentials(std::move(result)); // a controller may repeat an address in what it says
}

} // namespace tc::trace
