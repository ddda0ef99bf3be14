#pragma once

// A cluster in miniature: it makes the observations that real controllers' patches give, in their order and
// shapes (as the recordings show them), so that a test can tell a story in a few lines. One resource version
// and one clock for all.

#include "messages/kinds.hpp"
#include "messages/observation.hpp"
#include "trace/assemble.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tc::test {

inline object_id object(std::string kind, std::string name, std::string space = "flux-system") {
  auto group = std::string{usual_group(kind)};
  return {std::move(group), std::move(kind), std::move(space), std::move(name)};
}

inline std::string sha(char digit) {
  return "sha1:" + std::string(40, digit);
}

class cluster {
public:
  std::vector<observation_ptr> facts;
  timestamp now = *parse_rfc3339("2026-11-21T08:00:00Z");
  duration measured = std::chrono::milliseconds{90}; ///< what a history says that a reconciliation took

  void wait(duration time) { now += time; }

  object_state& state(const object_id& of) { return states_[of]; }

  /// Changes an object and emits the state.
  void patch(const object_id& of, const std::function<void(object_state&)>& how = {}) {
    auto& state = states_[of];
    if (!uids_.contains(of)) {
      if (state.generation == 0)
        state.generation = 1;
      if (!is_known(state.created))
        state.created = second();
      uids_[of] = of.name + "-uid-" + std::to_string(++version_);
    }
    if (how)
      how(state);
    emit(of, observation_kind::state);
  }

  void remove(const object_id& of) {
    emit(of, observation_kind::deleted);
    states_.erase(of);
    uids_.erase(of);
  }

  /// Another spec, by an apply of its owner or by hand.
  void change_spec(const object_id& of, bool applied = true) {
    patch(of, [&](object_state& state) {
      ++state.generation;
      if (applied)
        state.applied_at = second();
    });
  }

  void own(const object_id& of, const object_id& owner) {
    states_[of].labels[owner.group + "/name"] = owner.name;
    states_[of].labels[owner.group + "/namespace"] = owner.namespace_name;
    states_[of].applied_at = second();
  }

  /// A source gets new content.
  void fetch(const object_id& source, const std::string& revision, const std::string& origin = {}) {
    patch(source, [&](object_state& state) {
      set(state, "Reconciling", "True", "Progressing",
          "building artifact: new upstream revision '" + revision + "'");
      set(state, "Ready", "Unknown", "Progressing", "building artifact");
    });
    wait(std::chrono::milliseconds{20});
    patch(source, [&](object_state& state) {
      for (const auto* over : {"Reconciling", "Stalled", "FetchFailed", "BuildFailed"})
        drop(state, over);
      set(state, "Ready", "True", "Succeeded", "stored artifact for revision '" + revision + "'");
      state.observed_generation = state.generation;
      state.artifact = artifact{revision, "sha256:" + std::to_string(version_), second(), origin, {}, {}};
    });
  }

  /// A source cannot fetch what it should: it begins, and says why not.
  void fail_fetch(const object_id& source, const std::string& reason, bool stalled = false,
                  const std::string& kind = "FetchFailed", const std::string& why = "it failed") {
    patch(source, [&](object_state& state) {
      set(state, "Reconciling", "True", "Progressing", "reconciliation in progress");
      set(state, "Ready", "Unknown", "Progressing", "reconciliation in progress");
    });
    wait(std::chrono::milliseconds{200});
    patch(source, [&](object_state& state) {
      if (stalled)
        drop(state, "Reconciling");
      else
        set(state, "Reconciling", "True", "ProgressingWithRetry", why);
      if (stalled)
        set(state, "Stalled", "True", reason, why);
      set(state, kind, "True", reason, why);
      set(state, "Ready", "False", reason, why);
      state.observed_generation = state.generation;
    });
  }

  void wait_for_source(const object_id& of) {
    patch(of, [&](object_state& state) {
      set(state, "Reconciling", "True", "Progressing", "Fulfilling prerequisites");
      set(state, "Ready", "False", "SourceNotReady", "HelmChart is not ready");
    });
  }

  void follow(const object_id& kustomization, const object_id& source) {
    states_[kustomization].source_ref = source;
    states_[kustomization].interval = std::chrono::minutes{10};
  }

  /// A Kustomization begins; `apply` says what happens while it applies.
  void begin(const object_id& of, const std::string& revision) {
    step(of, "Fetching manifests", revision);
    step(of, "Building manifests", revision);
    patch(of, [&](object_state& state) { state.last_attempted_revision = revision; });
    step(of, "Detecting drift", revision);
  }

  void check_health(const object_id& of, const std::string& revision) {
    step(of, "Running health checks", revision);
  }

  void succeed(const object_id& of, const std::string& revision, const std::string& manifests = {}) {
    wait(std::chrono::milliseconds{50});
    patch(of, [&](object_state& state) {
      drop(state, "Reconciling");
      set(state, "Ready", "True", "ReconciliationSucceeded", "Applied revision: " + revision);
    });
    patch(of, [&](object_state& state) {
      state.last_applied_revision = revision;
      state.observed_generation = state.generation;
      record(state, manifests.empty() ? revision : manifests, "ReconciliationSucceeded", revision);
    });
  }

  void fail(const object_id& of, const std::string& revision, const std::string& reason) {
    wait(std::chrono::milliseconds{50});
    patch(of, [&](object_state& state) {
      set(state, "Reconciling", "True", "ProgressingWithRetry",
          "Building manifests for revision " + revision + " with a timeout of 30s");
      set(state, "Ready", "False", reason, "it failed");
    });
  }

  /// A whole successful reconciliation.
  void run(const object_id& of, const std::string& revision, const std::function<void()>& apply = {},
           const std::string& manifests = {}) {
    begin(of, revision);
    if (apply)
      apply();
    succeed(of, revision, manifests);
  }

  void wait_for_dependency(const object_id& of) {
    patch(of, [&](object_state& state) {
      drop(state, "Reconciling");
      set(state, "Ready", "False", "DependencyNotReady", "dependency 'flux-system/base' is not ready");
    });
  }

  /// A HelmRelease begins to install or upgrade.
  void begin_release(const object_id& of, const std::string& action, const std::string& chart,
                     const std::string& values, const std::string& digest = {}) {
    wait(std::chrono::milliseconds{300});
    patch(of, [&](object_state& state) {
      set(state, "Reconciling", "True", "Progressing", "Running '" + action + "' action with timeout of 30s");
      set(state, "Ready", "Unknown", "Progressing", "Running '" + action + "' action with timeout of 30s");
    });
    patch(of, [&](object_state& state) {
      state.last_attempted_revision = chart;
      state.last_attempted_revision_digest = digest;
      state.last_attempted_config_digest = values;
      state.last_attempted_generation = state.generation;
    });
  }

  void end_release(const object_id& of, const std::string& reason, std::int64_t version, bool retry = false) {
    auto deployed = second();
    wait(std::chrono::milliseconds{1200});
    bool good = reason.ends_with("Succeeded");
    patch(of, [&](object_state& state) {
      drop(state, "Remediated");
      set(state, "Ready", good ? "True" : "False", reason, reason + " v" + std::to_string(version));
      set(state, "Released", good ? "True" : "False", reason, reason + " v" + std::to_string(version));
    });
    patch(of, [&](object_state& state) {
      if (version != 0) {
        release_record made;
        made.chart_version = state.last_attempted_revision;
        made.config_digest = state.last_attempted_config_digest;
        made.oci_digest = state.last_attempted_revision_digest;
        made.status = good ? "deployed" : "failed";
        made.action = "upgrade";
        made.version = version;
        made.first_deployed = made.last_deployed = deployed;
        for (auto& each : state.releases)
          if (each.status == "deployed")
            each.status = "superseded";
        state.releases.insert(state.releases.begin(), made);
      }
      state.last_action_duration = std::chrono::milliseconds{1200};
      if (good || !retry)
        drop(state, "Reconciling");
      if (good)
        state.observed_generation = state.generation;
    });
  }

  void remediate(const object_id& of, const std::string& action, const std::string& reason) {
    patch(of, [&](object_state& state) {
      set(state, "Reconciling", "True", "Progressing", "Running '" + action + "' action with timeout of 30s");
    });
    wait(std::chrono::milliseconds{200});
    patch(of, [&](object_state& state) {
      // After a rollback Ready says so; after an uninstall it keeps the failure, and only Remediated tells.
      if (action == "rollback")
        set(state, "Ready", "False", reason, reason);
      set(state, "Remediated", reason.ends_with("Succeeded") ? "True" : "False", reason, reason);
      set(state, "Reconciling", "True", "ProgressingWithRetry", reason);
      if (action == "uninstall" && !state.releases.empty())
        state.releases.front().status = "uninstalled";
    });
  }

  /// An Event of a Kustomization: its change log, say.
  void event(const object_id& about, const std::string& reason, const std::string& text,
             const std::string& revision, std::int64_t count = 1, bool named_by_time = false) {
    auto made = std::make_shared<observation>();
    made->kind = observation_kind::event;
    made->received_at = now;
    made->object = about;
    made->resource_version = ++version_;
    message_fact said;
    said.name = about.name + '.' + std::to_string(version_);
    said.reason = reason;
    said.text = text;
    said.severity = "info";
    said.first = said.last = second();
    said.count = count;
    if (named_by_time)
      said.exact_first = now;
    said.revision = revision;
    made->message = said;
    facts.push_back(std::move(made));
  }

  std::vector<completed_trace> traces(const trace::assembly_options& options = {}) const {
    trace::ledger all;
    for (const auto& fact : facts)
      all.add(fact);
    return trace::assemble_all(all, options);
  }

  trace::ledger ledger() const {
    trace::ledger all;
    for (const auto& fact : facts)
      all.add(fact);
    return all;
  }

  timestamp second() const { return std::chrono::floor<std::chrono::seconds>(now); }

  static void set_condition(object_state& state, const std::string& type, const std::string& status,
                            const std::string& reason, const std::string& message, timestamp at) {
    for (auto& each : state.conditions)
      if (each.type == type) {
        // As Flux's runtime does: the time moves only with the rest.
        if (each.status != status || each.reason != reason || each.message != message)
          each = {type, status, reason, message, at, state.generation};
        return;
      }
    state.conditions.push_back({type, status, reason, message, at, state.generation});
  }

private:
  void set(object_state& state, const std::string& type, const std::string& status, const std::string& reason,
           const std::string& message) {
    set_condition(state, type, status, reason, message, second());
  }

  static void drop(object_state& state, const std::string& type) {
    std::erase_if(state.conditions, [&](const condition& each) { return each.type == type; });
  }

  void step(const object_id& of, const std::string& what, const std::string& revision) {
    wait(std::chrono::milliseconds{10});
    patch(of, [&](object_state& state) {
      set(state, "Reconciling", "True", "Progressing",
          what + " for revision " + revision + " with a timeout of 30s");
      set(state, "Ready", "Unknown", "Progressing", "Reconciliation in progress");
    });
  }

  void record(object_state& state, const std::string& manifests, const std::string& status,
              const std::string& revision) {
    apply_record made;
    for (auto each = state.applies.begin(); each != state.applies.end(); ++each)
      if (each->digest == manifests && each->last_status == status) {
        made = *each;
        state.applies.erase(each);
        break;
      }
    made.digest = manifests;
    made.last_status = status;
    made.revision = revision;
    made.last_reconciled = second();
    if (made.total == 0)
      made.first_reconciled = second();
    ++made.total;
    made.last_duration = measured;
    state.applies.insert(state.applies.begin(), made);
  }

  void emit(const object_id& of, observation_kind kind) {
    auto made = std::make_shared<observation>();
    made->kind = kind;
    made->received_at = now;
    made->object = of;
    made->uid = uids_[of];
    made->resource_version = ++version_;
    made->state = states_[of];
    facts.push_back(std::move(made));
    now += std::chrono::milliseconds{2};
  }

  std::uint64_t version_ = 100;
  std::map<object_id, object_state> states_;
  std::map<object_id, std::string> uids_;
};

/// Looks into traces.
struct reading_traces {
  const std::vector<completed_trace>& traces;

  const completed_trace* trace(const std::string& key) const {
    for (const auto& each : traces)
      if (each.change_key == key)
        return &each;
    return nullptr;
  }

  /// "outcome reason" of each run of the object in that change, in order; "outcome" alone for a success.
  std::vector<std::string> runs(const std::string& key, const object_id& of) const {
    std::vector<const span*> found;
    if (const auto* in = trace(key))
      for (const auto& each : in->spans)
        if (each.text("flux.span.kind") == "run" && each.text("k8s.resource.kind") == of.kind &&
            each.text("k8s.resource.name") == of.name)
          found.push_back(&each);
    std::stable_sort(found.begin(), found.end(),
                     [](const span* left, const span* right) { return left->start < right->start; });
    std::vector<std::string> result;
    for (const auto* each : found) {
      std::string how{each->text("flux.outcome")};
      result.push_back(how == "succeeded" ? how : how + ' ' + std::string{each->text("flux.reason")});
    }
    return result;
  }

  /// Name of the parent of the object's (first) span in that change.
  std::string parent(const std::string& key, const object_id& of) const {
    const auto* in = trace(key);
    if (!in)
      return "no trace";
    for (const auto& each : in->spans)
      if (each.text("k8s.resource.kind") == of.kind && each.text("k8s.resource.name") == of.name) {
        for (const auto& above : in->spans)
          if (above.id == each.parent)
            return std::string{above.text("k8s.resource.kind")} + '/' +
                   std::string{above.text("k8s.resource.name")};
        return "root";
      }
    return "no span";
  }

  std::string outcome(const std::string& key) const {
    const auto* in = trace(key);
    return in ? in->outcome : "no trace";
  }

  int spans_named(const std::string& key, const std::string& name) const {
    int result = 0;
    if (const auto* in = trace(key))
      for (const auto& each : in->spans)
        result += each.name == name;
    return result;
  }
};

} // namespace tc::test
