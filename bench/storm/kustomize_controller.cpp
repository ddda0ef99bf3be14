#include "bench/storm/conditions.hpp"
#include "bench/storm/world.hpp"

#include <algorithm>

namespace tc::storm {

namespace {

const std::string manager = "kustomize-controller";
/// How often a health check looks again.
constexpr auto poll = std::chrono::seconds{5};

process reconcile(world& in, kustomization& what);

process come_again(world& in, kustomization& what, duration wait) {
  auto at = in.time.now() + wait;
  if (what.due && *what.due <= at)
    co_return; // a delaying queue keeps the earlier of two
  what.due = at;
  co_await in.time.sleep(wait);
  if (what.due != at)
    co_return;
  what.due.reset();
  enqueue(in, what);
}

std::int64_t generation_of(world& in, const object_key& key) {
  return in.objects.get(key)["metadata"]["generation"].get<std::int64_t>();
}

void patch(world& in, kustomization& what, const std::function<void(json&)>& change) {
  in.objects.patch_status(what.key, manager, change);
}

std::string phase_message(const char* phase, const std::string& revision, duration timeout) {
  return std::string{phase} + " for revision " + revision + " with a timeout of " + to_go_duration(timeout);
}

void set_progress(world& in, kustomization& what, const char* phase, const std::string& revision) {
  patch(in, what, [&](json& status) {
    auto generation = generation_of(in, what.key);
    set_condition(status, in.time.now(), generation,
                  {"Reconciling", "True", "Progressing", phase_message(phase, revision, in.with.timeout)});
    set_condition(status, in.time.now(), generation,
                  {"Ready", "Unknown", "Progressing", "Reconciliation in progress"});
  });
}

void event(world& in, kustomization& what, const std::string& type, const std::string& reason,
           std::string message, const std::string& revision, bool finished = false) {
  std::map<std::string, std::string> metadata{{std::string{kustomize_group} + "revision", revision}};
  if (finished)
    metadata[std::string{kustomize_group} + "commit_status"] = "update";
  in.kustomize_events.record(in.objects.get(what.key), type, reason, std::move(message), metadata);
}

/// "sha256:…" of what the manifests say: which versions.
std::string digest_of(const kustomization& what, const commit& at) {
  std::string text = what.key.name;
  for (const auto& item : what.items)
    text += ',' + std::to_string(at.items[item.place].version);
  return storm::digest_of(text);
}

/// What status.history has of attempts: one entry for each digest and outcome, the latest first, at most
/// five.
void write_history(world& in, json& status, const std::string& digest, const std::string& outcome,
                   duration took, const std::string& revision) {
  auto& history = status["history"];
  if (history.is_null())
    history = json::array();
  auto now = second_of(in.time.now());
  json entry = {{"digest", digest},
                {"firstReconciled", now},
                {"lastReconciledStatus", outcome},
                {"totalReconciliations", 0}};
  for (auto i = history.begin(); i != history.end(); ++i)
    if ((*i)["digest"] == digest && (*i)["lastReconciledStatus"] == outcome) {
      entry = *i;
      history.erase(i);
      break;
    }
  entry["lastReconciled"] = now;
  entry["lastReconciledDuration"] = to_go_duration(took);
  entry["totalReconciliations"] = entry["totalReconciliations"].get<int>() + 1;
  entry["metadata"] = {{"revision", revision}};
  history.insert(history.begin(), std::move(entry));
  while (history.size() > 5)
    history.erase(history.size() - 1);
}

/// Applies what differs; returns the change log.
std::string apply_items(world& in, kustomization& what, const commit& at) {
  std::string log;
  for (auto& item : what.items) {
    const auto& want = at.items[item.place];
    if (item.live == want.version)
      continue;
    item.live = want.version;
    log += (log.empty() ? "" : "\n") + item.key.kind + '/' + item.key.namespace_name + '/' + item.key.name +
           " configured";
    if (item.key.kind == "Deployment") {
      in.objects.apply(item.key, manager, [&](json& object) {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = image_of(want.version);
      });
      in.expected.rolled_out(at.change, item.key, what.key);
      roll_out(in, item.key, want.broken);
      continue;
    }
    auto version = std::to_string(want.version);
    if (item.key.kind == "HelmRelease") {
      in.objects.apply(item.key, manager,
                       [&](json& object) { object["spec"]["values"]["version"] = version; });
      for (auto& one : in.releases)
        if (one->item == &item) {
          if (!one->attempted && one->asked_by)
            in.expected.passed_over(one->asked_by->change);
          one->asked_by = &at;
          one->attempted = false;
          enqueue(in, *one);
        }
    }
  }
  return log;
}

enum class health : std::uint8_t { good, not_yet, stalled };

health health_of(world& in, const kustomization& what, std::string& culprits) {
  auto worst = health::good;
  culprits.clear();
  for (const auto& item : what.items) {
    if (item.key.kind == "Deployment") {
      if (is_available(in, item.key))
        continue;
      worst = std::max(worst, health::not_yet);
      culprits += (culprits.empty() ? "" : ", ") + item.key.kind + '/' + item.key.namespace_name + '/' +
                  item.key.name + " status: 'InProgress'";
    } else if (item.key.kind == "HelmRelease") {
      const auto& object = in.objects.get(item.key);
      const auto& status = object["status"];
      const auto* ready = find_condition(status, "Ready");
      if (find_condition(status, "Stalled")) {
        worst = health::stalled;
        culprits += (culprits.empty() ? "" : ", ") + item.key.kind + '/' + item.key.namespace_name + '/' +
                    item.key.name + " status: 'Failed'";
      } else if (!ready || (*ready)["status"] != "True" ||
                 status["observedGeneration"] != object["metadata"]["generation"]) {
        worst = std::max(worst, health::not_yet);
        culprits += (culprits.empty() ? "" : ", ") + item.key.kind + '/' + item.key.namespace_name + '/' +
                    item.key.name + " status: 'InProgress'";
      }
    }
  }
  return worst;
}

void finish(world& in, kustomization& what, duration wait) {
  what.running = false;
  come_again(in, what, wait);
  if (what.again)
    enqueue(in, what);
}

/// The event comes before the patch, and the phase it failed in stays in the Reconciling condition.
process fail(world& in, kustomization& what, const commit& at, std::string reason, std::string message,
             timestamp began, bool with_history) {
  ++what.failures;
  in.expected.attempted(at.change, what.key, what.tree->key, "Failed:" + reason, true);
  event(in, what, "Warning", reason, message, at.revision);
  co_await in.time.sleep(in.milliseconds(1, 4));
  patch(in, what, [&](json& status) {
    auto generation = generation_of(in, what.key);
    const auto* progress = find_condition(status, "Reconciling");
    std::string text = progress ? (*progress)["message"].get<std::string>() : "";
    set_condition(status, in.time.now(), generation, {"Reconciling", "True", "ProgressingWithRetry", text});
    set_condition(status, in.time.now(), generation, {"Ready", "False", reason, message});
    if (reason == "HealthCheckFailed")
      set_condition(status, in.time.now(), generation,
                    {"Healthy", "False", reason, message.substr(message.find(": ") + 2)});
  });
  if (with_history) {
    co_await in.time.sleep(in.milliseconds(1, 4));
    patch(in, what, [&](json& status) {
      write_history(in, status, digest_of(what, at), reason, in.time.now() - began, at.revision);
    });
  }
  finish(in, what, in.with.retry_interval);
}

bool dependency_is_ready(world& in, const kustomization& what) {
  const auto& object = in.objects.get(what.depends_on->key);
  const auto& status = object["status"];
  const auto* ready = find_condition(status, "Ready");
  return ready && (*ready)["status"] == "True" &&
         status["observedGeneration"] == object["metadata"]["generation"] &&
         status.value("lastAppliedRevision", "") == what.tree->current->revision;
}

process reconcile(world& in, kustomization& what) {
  what.running = true;
  what.again = false;
  what.due.reset();
  co_await in.time.sleep(in.milliseconds(1, 15));
  auto began = in.time.now();
  const auto& at = *what.tree->current;
  if (what.depends_on && !dependency_is_ready(in, what)) {
    auto text = "dependency '" + what.depends_on->key.namespace_name + '/' + what.depends_on->key.name +
                "' revision is not up to date";
    const auto* ready = find_condition(in.objects.get(what.key)["status"], "Ready");
    if (!ready || (*ready)["reason"] != "DependencyNotReady" || (*ready)["message"] != text)
      patch(in, what, [&](json& status) {
        set_condition(status, in.time.now(), generation_of(in, what.key),
                      {"Ready", "False", "DependencyNotReady", text});
      });
    event(in, what, "Normal", "DependencyNotReady",
          "Dependencies do not meet ready condition, retrying in " +
              to_go_duration(in.with.requeue_dependency),
          at.revision);
    in.expected.waited(at.change, what.key, what.tree->key);
    finish(in, what, in.with.requeue_dependency);
    co_return;
  }
  if (what.attempted != &at)
    what.failures = 0;
  set_progress(in, what, "Fetching manifests", at.revision);
  co_await in.time.sleep(in.milliseconds(6, 30));
  set_progress(in, what, "Building manifests", at.revision);
  co_await in.time.sleep(in.milliseconds(2, 6));
  if (what.attempted != &at)
    patch(in, what, [&](json& status) { status["lastAttemptedRevision"] = at.revision; });
  what.attempted = &at;
  auto wrong = at.defects[what.place];
  if (wrong == defect::does_not_build) {
    co_await in.time.sleep(in.milliseconds(3, 10));
    fail(in, what, at, "BuildFailed",
         "failed to decode Kubernetes YAML from /tmp/kustomization-" +
             std::to_string(in.random.below(4'000'000'000)) +
             "/deploy/app.yaml: MalformedYAMLError: yaml: line 4: did not find expected key",
         began, false);
    co_return;
  }
  co_await in.time.sleep(in.milliseconds(40, 120));
  set_progress(in, what, "Detecting drift", at.revision);
  co_await in.time.sleep(in.milliseconds(15, 80));
  if (wrong == defect::does_not_apply || (wrong == defect::applies_at_third && what.failures < 2)) {
    fail(in, what, at, "ReconciliationFailed",
         "ConfigMap/" + what.key.name + "-missing/web not found: namespaces \"" + what.key.name +
             "-missing\" not found\n",
         began, true);
    co_return;
  }
  auto log = apply_items(in, what, at);
  if (!log.empty())
    event(in, what, "Normal", "Progressing", log, at.revision);
  auto generation = generation_of(in, what.key);
  std::string healthy_text;
  if (what.waits) {
    co_await in.time.sleep(in.milliseconds(1, 6));
    auto text = phase_message("Running health checks", at.revision, in.with.timeout);
    auto check_began = in.time.now();
    patch(in, what, [&](json& status) {
      set_condition(status, check_began, generation, {"Reconciling", "True", "Progressing", text});
      set_condition(status, check_began, generation, {"Healthy", "Unknown", "Progressing", text});
    });
    co_await in.time.sleep(in.milliseconds(5, 20));
    std::string culprits;
    auto deadline = check_began + in.with.timeout;
    auto found = health_of(in, what, culprits);
    while (found == health::not_yet && in.time.now() < deadline) {
      co_await in.time.sleep(std::min<duration>(poll, deadline - in.time.now()));
      found = health_of(in, what, culprits);
    }
    co_await in.time.sleep(in.milliseconds(1, 4));
    auto took = to_go_duration(in.time.now() - check_began);
    if (found != health::good) {
      fail(in, what, at, "HealthCheckFailed",
           "health check failed after " + took +
               (found == health::stalled ? ": failed early due to stalled resources: ["
                                         : ": timeout waiting for: [") +
               culprits + ']',
           began, true);
      co_return;
    }
    healthy_text = "Health check passed in " + took;
    patch(in, what, [&](json& status) {
      set_condition(status, in.time.now(), generation, {"Healthy", "True", "Succeeded", healthy_text});
    });
    co_await in.time.sleep(in.milliseconds(3, 10));
  } else {
    co_await in.time.sleep(in.milliseconds(2, 8));
  }
  patch(in, what, [&](json& status) {
    drop_condition(status, "Reconciling");
    set_condition(status, in.time.now(), generation,
                  {"Ready", "True", "ReconciliationSucceeded", "Applied revision: " + at.revision});
  });
  co_await in.time.sleep(in.milliseconds(2, 6));
  patch(in, what, [&](json& status) {
    write_history(in, status, digest_of(what, at), "ReconciliationSucceeded", in.time.now() - began,
                  at.revision);
    status["lastAppliedRevision"] = at.revision;
    status["observedGeneration"] = generation;
  });
  co_await in.time.sleep(in.milliseconds(1, 4));
  if (!healthy_text.empty() && !log.empty())
    event(in, what, "Normal", "Progressing", healthy_text, at.revision);
  event(in, what, "Normal", "ReconciliationSucceeded",
        "Reconciliation finished in " + to_go_duration(in.time.now() - began) + ", next run in " +
            to_go_duration(in.with.interval),
        at.revision, true);
  in.expected.attempted(at.change, what.key, what.tree->key, "Succeeded", !log.empty());
  finish(in, what, in.random.between(in.with.interval * 95 / 100, in.with.interval * 105 / 100));
}

} // namespace

void enqueue(world& in, kustomization& what) {
  if (what.running)
    what.again = true;
  else
    reconcile(in, what);
}

} // namespace tc::storm
