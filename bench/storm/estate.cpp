#include "bench/storm/conditions.hpp"
#include "bench/storm/storm.hpp"
#include "bench/storm/world.hpp"

#include <array>

namespace tc::storm {

namespace {

std::string numbered(const char* what, std::size_t number) {
  return what + std::to_string(number);
}

json owner_labels(const object_key& owner) {
  return {{"kustomize.toolkit.fluxcd.io/name", owner.name},
          {"kustomize.toolkit.fluxcd.io/namespace", owner.namespace_name}};
}

json meta(const object_key& key, json labels = json::object()) {
  json out = {
      {"name", key.name}, {"namespace", key.namespace_name}, {"finalizers", {"finalizers.fluxcd.io"}}};
  if (!labels.empty())
    out["labels"] = std::move(labels);
  return out;
}

void create_source(world& in, source_tree& tree, const commit& first) {
  in.objects.create({{"apiVersion", "source.toolkit.fluxcd.io/v1"},
                     {"kind", "GitRepository"},
                     {"metadata", meta(tree.key)},
                     {"spec",
                      {{"interval", "1m"},
                       {"ref", {{"branch", "main"}}},
                       {"timeout", "60s"},
                       {"url", "https://git.example.com/shop/" + tree.key.name + ".git"}}}},
                    "flux");
  in.objects.patch_status(tree.key, "source-controller", [&](json& status) {
    set_condition(status, in.time.now(), 1,
                  {"Ready", "True", "Succeeded", "stored artifact for revision '" + first.revision + "'"});
    status["artifact"] = {
        {"revision", first.revision},
        {"digest", "sha256:" + in.random.hex(64)},
        {"lastUpdateTime", second_of(in.time.now())},
        {"path", "gitrepository/flux-system/" + tree.key.name + '/' + first.sha + ".tar.gz"},
        {"size", 5000},
        {"url", "http://source-controller.flux-system.svc.cluster.local./x.tar.gz"}};
    status["observedGeneration"] = 1;
  });
}

void create_kustomization(world& in, const kustomization& what, const object_key* owner,
                          const commit& first) {
  json spec = {{"interval", to_go_duration(in.with.interval)},
               {"retryInterval", to_go_duration(in.with.retry_interval)},
               {"timeout", to_go_duration(in.with.timeout)},
               {"path", "./" + what.key.name},
               {"prune", true},
               {"wait", what.waits},
               {"force", false},
               {"sourceRef", {{"kind", "GitRepository"}, {"name", what.tree->key.name}}}};
  if (what.depends_on)
    spec["dependsOn"] = json::array({{{"name", what.depends_on->key.name}}});
  in.objects.create({{"apiVersion", "kustomize.toolkit.fluxcd.io/v1"},
                     {"kind", "Kustomization"},
                     {"metadata", meta(what.key, owner ? owner_labels(*owner) : json::object())},
                     {"spec", std::move(spec)}},
                    owner ? "kustomize-controller" : "flux");
  in.objects.patch_status(what.key, "kustomize-controller", [&](json& status) {
    set_condition(status, in.time.now(), 1,
                  {"Ready", "True", "ReconciliationSucceeded", "Applied revision: " + first.revision});
    if (what.waits)
      set_condition(status, in.time.now(), 1,
                    {"Healthy", "True", "Succeeded", "Health check passed in 12ms"});
    json entries = json::array();
    for (const auto& item : what.items) {
      auto group = item.key.kind == "Deployment"      ? "apps"
                   : item.key.kind == "HelmRelease"   ? "helm.toolkit.fluxcd.io"
                   : item.key.kind == "Kustomization" ? "kustomize.toolkit.fluxcd.io"
                                                      : "";
      entries.push_back(
          {{"id", item.key.namespace_name + '_' + item.key.name + '_' + group + '_' + item.key.kind},
           {"v", item.key.kind == "HelmRelease" ? "v2" : "v1"}});
    }
    status["inventory"] = {{"entries", std::move(entries)}};
    status["lastAttemptedRevision"] = first.revision;
    status["lastAppliedRevision"] = first.revision;
    status["observedGeneration"] = 1;
    status["history"] = json::array({{{"digest", "sha256:" + in.random.hex(64)},
                                      {"firstReconciled", second_of(in.time.now())},
                                      {"lastReconciled", second_of(in.time.now())},
                                      {"lastReconciledDuration", "150ms"},
                                      {"lastReconciledStatus", "ReconciliationSucceeded"},
                                      {"metadata", {{"revision", first.revision}}},
                                      {"totalReconciliations", 1}}});
  });
}

void create_deployment(world& in, const object_key& key, json labels) {
  in.objects.create(
      {{"apiVersion", "apps/v1"},
       {"kind", "Deployment"},
       {"metadata", {{"name", key.name}, {"namespace", key.namespace_name}, {"labels", labels}}},
       {"spec",
        {{"replicas", 1},
         {"progressDeadlineSeconds", 600},
         {"revisionHistoryLimit", 10},
         {"selector", {{"matchLabels", {{"app", key.name}}}}},
         {"strategy",
          {{"type", "RollingUpdate"}, {"rollingUpdate", {{"maxSurge", "25%"}, {"maxUnavailable", "25%"}}}}},
         {"template",
          {{"metadata", {{"labels", {{"app", key.name}}}}},
           {"spec",
            {{"containers", json::array({{{"name", "app"},
                                          {"image", image_of(0)},
                                          {"imagePullPolicy", "IfNotPresent"},
                                          {"env", json::array({{{"name", "REGION"}, {"value", "eu"}}})},
                                          {"resources", {{"limits", {{"memory", "128Mi"}}}}},
                                          {"terminationMessagePath", "/dev/termination-log"},
                                          {"terminationMessagePolicy", "File"}}})},
             {"dnsPolicy", "ClusterFirst"},
             {"restartPolicy", "Always"},
             {"schedulerName", "default-scheduler"},
             {"terminationGracePeriodSeconds", 30}}}}}}}},
      labels.contains("helm.toolkit.fluxcd.io/name") ? "helm-controller" : "kustomize-controller");
  in.objects.patch_status(key, "kube-controller-manager", [&](json& status) {
    auto now = second_of(in.time.now());
    status = {{"observedGeneration", 1},
              {"replicas", 1},
              {"readyReplicas", 1},
              {"availableReplicas", 1},
              {"updatedReplicas", 1}};
    status["conditions"] = json::array({{{"type", "Available"},
                                         {"status", "True"},
                                         {"reason", "MinimumReplicasAvailable"},
                                         {"message", "Deployment has minimum availability."},
                                         {"lastUpdateTime", now},
                                         {"lastTransitionTime", now}}});
  });
}

void create_release(world& in, const release& what) {
  in.objects.create({{"apiVersion", "helm.toolkit.fluxcd.io/v2"},
                     {"kind", "HelmRelease"},
                     {"metadata", meta(what.key, owner_labels(what.owner->key))},
                     {"spec",
                      {{"chart",
                        {{"spec",
                          {{"chart", "shop-app"},
                           {"version", "0.1.x"},
                           {"interval", "1m"},
                           {"reconcileStrategy", "ChartVersion"},
                           {"sourceRef", {{"kind", "HelmRepository"}, {"name", "charts"}}}}}}},
                       {"interval", "1h"},
                       {"releaseName", what.key.name},
                       {"targetNamespace", what.item->workload.namespace_name},
                       {"timeout", to_go_duration(in.with.timeout)},
                       {"upgrade", {{"remediation", {{"retries", 1}, {"remediateLastFailure", true}}}}},
                       {"values", {{"version", "0"}}}}}},
                    "kustomize-controller");
  in.objects.patch_status(what.key, "helm-controller", [&](json& status) {
    auto text = "Helm install succeeded for release " + what.item->workload.namespace_name + '/' +
                what.key.name + ".v1 with chart shop-app@0.1.0";
    set_condition(status, in.time.now(), 1, {"Ready", "True", "InstallSucceeded", text});
    set_condition(status, in.time.now(), 1, {"Released", "True", "InstallSucceeded", text});
    auto now = second_of(in.time.now());
    auto values = "sha256:" + in.random.hex(64);
    status["history"] = json::array({{{"action", "install"},
                                      {"apiVersion", "v2"},
                                      {"appVersion", "0.1.0"},
                                      {"chartName", "shop-app"},
                                      {"chartVersion", "0.1.0"},
                                      {"configDigest", values},
                                      {"digest", "sha256:" + in.random.hex(64)},
                                      {"firstDeployed", now},
                                      {"lastDeployed", now},
                                      {"name", what.key.name},
                                      {"namespace", what.item->workload.namespace_name},
                                      {"status", "deployed"},
                                      {"version", 1}}});
    status["helmChart"] = what.chart.namespace_name + '/' + what.chart.name;
    status["lastAttemptedConfigDigest"] = values;
    status["lastAttemptedGeneration"] = 1;
    status["lastAttemptedReleaseAction"] = "install";
    status["lastAttemptedReleaseActionDuration"] = "5.2s";
    status["lastAttemptedRevision"] = "0.1.0";
    status["observedGeneration"] = 1;
    status["storageNamespace"] = what.key.namespace_name;
    status["inventory"] = {
        {"entries",
         json::array({{{"id", what.item->workload.namespace_name + '_' + what.key.name + "_apps_Deployment"},
                       {"v", "v1"}}})}};
  });
  in.objects.create(
      {{"apiVersion", "source.toolkit.fluxcd.io/v1"},
       {"kind", "HelmChart"},
       {"metadata", meta(what.chart, {{"helm.toolkit.fluxcd.io/name", what.key.name},
                                      {"helm.toolkit.fluxcd.io/namespace", what.key.namespace_name}})},
       {"spec",
        {{"chart", "shop-app"},
         {"version", "0.1.x"},
         {"interval", "1m"},
         {"reconcileStrategy", "ChartVersion"},
         {"sourceRef", {{"kind", "HelmRepository"}, {"name", "charts"}}}}}},
      "helm-controller");
  in.objects.patch_status(what.chart, "source-controller", [&](json& status) {
    set_condition(status, in.time.now(), 1,
                  {"Ready", "True", "ChartPullSucceeded", "pulled 'shop-app' chart with version '0.1.0'"});
    status["artifact"] = {{"revision", "0.1.0"},
                          {"digest", "sha256:" + in.random.hex(64)},
                          {"lastUpdateTime", second_of(in.time.now())},
                          {"path", "helmchart/x.tgz"},
                          {"size", 1200},
                          {"url", "http://source-controller.flux-system.svc.cluster.local./x.tgz"}};
    status["observedSourceArtifactRevision"] = "sha256:" + in.random.hex(64);
    status["observedChartName"] = "shop-app";
    status["observedGeneration"] = 1;
    status["url"] = "http://source-controller.flux-system.svc.cluster.local./latest.tgz";
  });
}

/// Lays out one source with all that hangs under it.
std::unique_ptr<source_tree> plan_tree(world& in, std::size_t number) {
  auto tree = std::make_unique<source_tree>();
  auto name = numbered("shop-", number);
  tree->key = {"GitRepository", "flux-system", name};
  auto top = std::make_unique<kustomization>();
  top->key = {"Kustomization", "flux-system", name};
  top->tree = tree.get();
  tree->members.push_back(std::move(top));
  for (unsigned i = 0; i < in.with.kustomizations; ++i) {
    auto member = std::make_unique<kustomization>();
    member->key = {"Kustomization", "flux-system", name + numbered("-part-", i)};
    member->tree = tree.get();
    member->place = tree->members.size();
    member->waits = in.random.with(in.with.waits);
    if (i > 0 && in.random.with(in.with.depends_on))
      member->depends_on = tree->members.back().get();
    for (unsigned d = 0; d < in.with.deployments; ++d) {
      object_key key{"Deployment", name, member->key.name + numbered("-web-", d)};
      member->items.push_back({key, key, tree->items++});
    }
    for (unsigned r = 0; r < in.with.releases; ++r) {
      object_key key{"HelmRelease", "flux-system", member->key.name + numbered("-rel-", r)};
      member->items.push_back({key, {"Deployment", name, key.name}, tree->items++});
    }
    in.expected.applied_by(member->key, tree->members.front()->key);
    tree->members.push_back(std::move(member));
  }
  auto& first = *tree->members.front();
  for (std::size_t i = 1; i < tree->members.size(); ++i)
    first.items.push_back({tree->members[i]->key, {}, 0});
  // What the topmost applies besides: nothing watches it, but a commit can touch it.
  first.items.push_back({{"ConfigMap", name, "settings"}, {}, tree->items++});
  for (auto& member : tree->members)
    for (auto& item : member->items)
      if (item.key.kind == "HelmRelease") {
        auto one = std::make_unique<release>();
        one->key = item.key;
        one->chart = {"HelmChart", "flux-system", "flux-system-" + item.key.name};
        one->item = &item;
        one->owner = member.get();
        in.expected.applied_by(one->key, member->key);
        in.releases.push_back(std::move(one));
      }
  return tree;
}

/// The last commit mends everything, so that a storm ends at rest.
commit new_commit(world& in, const source_tree& tree, unsigned number) {
  auto last = number == in.with.commits;
  commit out;
  if (!tree.commits.empty()) {
    out.items = tree.commits.back().items;
    out.defects = tree.commits.back().defects;
  }
  out.items.resize(tree.items);
  out.defects.assign(tree.members.size(), defect::none); // who commits again mends what did not build
  out.sha = in.random.hex(40);
  out.revision = "main@sha1:" + out.sha;
  out.subject = "feat: change number " + std::to_string(number) + " of " + tree.key.name;
  for (std::size_t i = 0; i < tree.members.size(); ++i)
    for (const auto& item : tree.members[i]->items) {
      if (item.key.kind == "Kustomization")
        continue;
      auto& want = out.items[item.place];
      if (number == 0 || !(in.random.with(in.with.touched) || want.broken))
        continue;
      want = {number, false, false};
      if (last || !in.random.with(in.with.broken) || item.key.kind == "ConfigMap")
        continue;
      if (item.key.kind == "Deployment" && in.random.with(0.5))
        out.defects[i] = std::array{defect::does_not_build, defect::does_not_apply,
                                    defect::applies_at_third}[in.random.below(3)];
      else if (item.key.kind == "Deployment")
        want.broken = tree.members[i]->waits;
      else if (in.random.with(0.5))
        want.broken = true;
      else
        want.fails_once = true;
    }
  return out;
}

process push_commits(world& in, source_tree& tree) {
  co_await in.time.sleep(in.milliseconds(2'000, 10'000));
  for (unsigned number = 1; number <= in.with.commits; ++number) {
    tree.commits.push_back(new_commit(in, tree, number));
    fetch(in, tree);
    co_await in.time.sleep(in.milliseconds(1'500, 2'500) + in.random.about(in.with.commit_every));
  }
  --in.pushing;
}

process first_interval(world& in, kustomization& what) {
  co_await in.time.sleep(in.random.between(duration{0}, in.with.interval));
  if (!what.running)
    enqueue(in, what);
}

} // namespace

outcome play(const settings& with, cluster::watcher watching, post_sink posts) {
  world in{with, std::move(watching), std::move(posts)};
  object_key charts{"HelmRepository", "flux-system", "charts"};
  in.objects.create({{"apiVersion", "source.toolkit.fluxcd.io/v1"},
                     {"kind", "HelmRepository"},
                     {"metadata", meta(charts)},
                     {"spec", {{"interval", "1m"}, {"url", "https://charts.example.com"}}}},
                    "flux");
  for (unsigned i = 0; i < with.sources; ++i) {
    in.trees.push_back(plan_tree(in, i));
    auto& tree = *in.trees.back();
    tree.commits.push_back(new_commit(in, tree, 0));
    tree.current = &tree.commits.front();
    create_source(in, tree, *tree.current);
    for (auto& member : tree.members) {
      create_kustomization(in, *member, member->place ? &tree.members.front()->key : nullptr, *tree.current);
      for (const auto& item : member->items)
        if (item.key.kind == "Deployment")
          create_deployment(in, item.key, owner_labels(member->key));
    }
  }
  for (auto& one : in.releases) {
    create_release(in, *one);
    create_deployment(in, one->item->workload,
                      {{"app.kubernetes.io/managed-by", "Helm"},
                       {"helm.toolkit.fluxcd.io/name", one->key.name},
                       {"helm.toolkit.fluxcd.io/namespace", one->key.namespace_name}});
  }
  // At rest for an hour when watching begins.
  in.time.run_until(with.start + std::chrono::hours{1});
  in.objects.start_watching();
  in.pushing = in.trees.size();
  for (auto& tree : in.trees) {
    for (auto& member : tree->members) {
      in.expected.expect(member->key, tree->key);
      member->attempted = tree->current;
      first_interval(in, *member);
    }
    push_commits(in, *tree);
  }
  while (in.pushing > 0)
    in.time.run_until(in.time.now() + std::chrono::seconds{10});
  // Time for what is under way, with its retries and a round of the interval.
  in.time.run_until(in.time.now() + with.rest + with.interval);
  outcome out;
  out.truth = in.expected.to_json();
  out.changes = out.truth["changes"].size();
  out.runs = in.expected.runs();
  return out;
}

} // namespace tc::storm
