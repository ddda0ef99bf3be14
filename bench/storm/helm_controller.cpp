#include "bench/storm/conditions.hpp"
#include "bench/storm/world.hpp"

namespace tc::storm {

namespace {

const std::string manager = "helm-controller";
constexpr auto poll = std::chrono::seconds{5};
constexpr const char* chart_text = "shop-app@0.1.0";

process reconcile(world& in, release& what);

void patch(world& in, release& what, const std::function<void(json&, std::int64_t generation)>& change) {
  auto generation = in.objects.get(what.key)["metadata"]["generation"].get<std::int64_t>();
  in.objects.patch_status(what.key, manager, [&](json& status) { change(status, generation); });
}

std::string name_of(const release& what) {
  return what.item->workload.namespace_name + '/' + what.key.name;
}

/// "sha256:…" of the values of a version.
std::string values_digest(unsigned version) {
  return digest_of("version: " + std::to_string(version));
}

void event(world& in, release& what, const char* type, const std::string& reason, const std::string& message,
           const std::string& values) {
  in.helm_events.record(in.objects.get(what.key), type, reason, message,
                        {{std::string{helm_group} + "revision", "0.1.0"},
                         {std::string{helm_group} + "app-version", "0.1.0"},
                         {std::string{helm_group} + "token", values}});
}

json deployed(world& in, release& what, const char* action, const std::string& values, const char* outcome,
              timestamp began) {
  json entry = {{"apiVersion", "v2"},
                {"appVersion", "0.1.0"},
                {"chartName", "shop-app"},
                {"chartVersion", "0.1.0"},
                {"configDigest", values},
                {"digest", "sha256:" + in.random.hex(64)},
                {"firstDeployed", second_of(in.with.start - std::chrono::hours{24})},
                {"lastDeployed", second_of(began)},
                {"name", what.key.name},
                {"namespace", what.item->workload.namespace_name},
                {"status", outcome},
                {"version", what.storage_version}};
  if (*action)
    entry["action"] = action;
  return entry;
}

void finish(world& in, release& what) {
  what.running = false;
  if (what.again)
    enqueue(in, what);
}

process reconcile(world& in, release& what) {
  what.running = true;
  what.again = false;
  co_await in.time.sleep(in.milliseconds(5, 20));
  const auto* asked_by = what.asked_by;
  what.attempted = true;
  const auto& want = asked_by->items[what.item->place];
  auto version = want.version;
  auto values = values_digest(version);
  auto source = what.owner->key;
  for (unsigned attempt = 1;; ++attempt) {
    patch(in, what, [&](json& status, std::int64_t generation) {
      drop_condition(status, "Stalled");
      set_condition(status, in.time.now(), generation,
                    {"Reconciling", "True", "Progressing", "Fulfilling prerequisites"});
    });
    co_await in.time.sleep(in.milliseconds(6, 25));
    auto began = in.time.now();
    auto running = "Running 'upgrade' action with timeout of " + to_go_duration(in.with.timeout);
    patch(in, what, [&](json& status, std::int64_t generation) {
      set_condition(status, began, generation, {"Reconciling", "True", "Progressing", running});
      set_condition(status, began, generation, {"Ready", "Unknown", "Progressing", running});
    });
    co_await in.time.sleep(in.milliseconds(2, 5));
    patch(in, what, [&](json& status, std::int64_t generation) {
      status["lastAttemptedConfigDigest"] = values;
      status["lastAttemptedGeneration"] = generation;
    });
    co_await in.time.sleep(in.milliseconds(120, 260));
    ++what.storage_version;
    auto fails = want.broken || (want.fails_once && attempt == 1);
    if (!fails) {
      in.objects.apply(what.item->workload, manager, [&](json& object) {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = image_of(version);
      });
      in.expected.rolled_out(asked_by->change, what.item->workload, what.key);
      roll_out(in, what.item->workload, false);
      co_await in.time.sleep(in.milliseconds(4, 10));
      while (!is_available(in, what.item->workload))
        co_await in.time.sleep(poll);
      auto text = "Helm upgrade succeeded for release " + name_of(what) + ".v" +
                  std::to_string(what.storage_version) + " with chart " + chart_text;
      auto took = in.time.now() - began;
      event(in, what, "Normal", "UpgradeSucceeded", text, values);
      co_await in.time.sleep(in.milliseconds(1, 5));
      patch(in, what, [&](json& status, std::int64_t generation) {
        set_condition(status, in.time.now(), generation, {"Ready", "True", "UpgradeSucceeded", text});
        set_condition(status, in.time.now(), generation, {"Released", "True", "UpgradeSucceeded", text});
        drop_condition(status, "Remediated");
      });
      co_await in.time.sleep(in.milliseconds(3, 7));
      patch(in, what, [&](json& status, std::int64_t) {
        auto before = status["history"].empty() ? json::object() : status["history"][0];
        before["status"] = "superseded";
        before["digest"] = "sha256:" + in.random.hex(64);
        before.erase("action");
        status["history"] =
            json::array({deployed(in, what, "upgrade", values, "deployed", began), std::move(before)});
        status["lastAttemptedReleaseAction"] = "upgrade";
        status["lastAttemptedReleaseActionDuration"] = to_go_duration(took);
        status.erase("failures");
        status.erase("upgradeFailures");
      });
      co_await in.time.sleep(in.milliseconds(4, 9));
      patch(in, what, [&](json& status, std::int64_t) { drop_condition(status, "Reconciling"); });
      co_await in.time.sleep(in.milliseconds(3, 6));
      patch(in, what,
            [&](json& status, std::int64_t generation) { status["observedGeneration"] = generation; });
      in.expected.attempted(asked_by->change, what.key, what.owner->tree->key, "Succeeded", true);
      finish(in, what);
      co_return;
    }
    auto text = "Helm upgrade failed for release " + name_of(what) + " with chart " + chart_text +
                ": failed to create resource: server-side apply failed for object " + name_of(what) +
                "_BAD /v1, Kind=ConfigMap: metadata.name: Invalid value";
    auto took = in.time.now() - began;
    event(in, what, "Warning", "UpgradeFailed", text, values);
    in.expected.attempted(asked_by->change, what.key, what.owner->tree->key, "Failed:UpgradeFailed", true);
    co_await in.time.sleep(in.milliseconds(2, 6));
    patch(in, what, [&](json& status, std::int64_t generation) {
      set_condition(status, in.time.now(), generation, {"Ready", "False", "UpgradeFailed", text});
      set_condition(status, in.time.now(), generation, {"Released", "False", "UpgradeFailed", text});
    });
    co_await in.time.sleep(in.milliseconds(3, 6));
    patch(in, what, [&](json& status, std::int64_t) {
      auto& history = status["history"];
      history.insert(history.begin(), deployed(in, what, "upgrade", values, "failed", began));
      status["failures"] = attempt;
      status["upgradeFailures"] = attempt;
      status["lastAttemptedReleaseAction"] = "upgrade";
      status["lastAttemptedReleaseActionDuration"] = to_go_duration(took);
    });
    // The remediation: back to what was deployed before.
    co_await in.time.sleep(in.milliseconds(8, 80));
    auto back_began = in.time.now();
    patch(in, what, [&](json& status, std::int64_t generation) {
      set_condition(status, in.time.now(), generation,
                    {"Reconciling", "True", "Progressing",
                     "Running 'rollback' action with timeout of " + to_go_duration(in.with.timeout)});
    });
    co_await in.time.sleep(in.milliseconds(110, 190));
    ++what.storage_version;
    auto back = "Helm rollback to previous release " + name_of(what) + ".v" +
                std::to_string(what.storage_version - 2) + " with chart " + chart_text + " succeeded";
    event(in, what, "Normal", "RollbackSucceeded", back, values);
    in.expected.attempted(asked_by->change, what.key, what.owner->tree->key, "Remediated:RollbackSucceeded",
                          true);
    co_await in.time.sleep(in.milliseconds(2, 5));
    auto over = attempt == 2;
    patch(in, what, [&](json& status, std::int64_t generation) {
      if (over) {
        drop_condition(status, "Reconciling");
        set_condition(status, in.time.now(), generation,
                      {"Stalled", "True", "RetriesExceeded", "Failed to upgrade after 2 attempt(s)"});
      } else {
        set_condition(status, in.time.now(), generation,
                      {"Reconciling", "True", "ProgressingWithRetry", back});
      }
      set_condition(status, in.time.now(), generation, {"Ready", "False", "RollbackSucceeded", back});
      set_condition(status, in.time.now(), generation, {"Remediated", "True", "RollbackSucceeded", back});
    });
    co_await in.time.sleep(in.milliseconds(2, 6));
    patch(in, what, [&](json& status, std::int64_t generation) {
      auto& history = status["history"];
      auto before = history.size() > 1 ? history[1]["configDigest"].get<std::string>() : values;
      history.insert(history.begin(), deployed(in, what, "rollback", before, "deployed", back_began));
      while (history.size() > 4)
        history.erase(history.size() - 1);
      if (over)
        status["observedGeneration"] = generation;
    });
    if (over || what.again) {
      finish(in, what);
      co_return;
    }
    co_await in.time.sleep(in.milliseconds(9'000, 12'000));
    if (what.again) {
      finish(in, what);
      co_return;
    }
  }
}

} // namespace

void enqueue(world& in, release& what) {
  if (what.running)
    what.again = true;
  else
    reconcile(in, what);
}

} // namespace tc::storm
