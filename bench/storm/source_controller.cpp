#include "bench/storm/conditions.hpp"
#include "bench/storm/world.hpp"

namespace tc::storm {

namespace {

const std::string manager = "source-controller";

/// What a source's artifact triggers, as kustomize-controller's watch handler decides it.
void tell_consumers(world& in, source_tree& tree) {
  for (auto& member : tree.members) {
    const auto& status = in.objects.get(member->key)["status"];
    const auto* ready = find_condition(status, "Ready");
    auto busy = find_condition(status, "Reconciling") || (ready && (*ready)["status"] == "True");
    if (status.value("lastAttemptedRevision", "") == tree.current->revision && busy)
      continue;
    enqueue(in, *member);
  }
}

} // namespace

process fetch(world& in, source_tree& tree) {
  co_await in.time.sleep(in.milliseconds(200, 1200)); // a webhook and the clone
  auto& at = tree.commits.back();
  if (tree.current == &at)
    co_return; // an earlier fetch had it
  auto generation = in.objects.get(tree.key)["metadata"]["generation"].get<std::int64_t>();
  auto text = "building artifact: new upstream revision '" + at.revision + "'";
  in.objects.patch_status(tree.key, manager, [&](json& status) {
    set_condition(status, in.time.now(), generation, {"Reconciling", "True", "Progressing", text});
    set_condition(status, in.time.now(), generation, {"Ready", "Unknown", "Progressing", text});
  });
  co_await in.time.sleep(in.milliseconds(30, 90));
  auto digest = "sha256:" + in.random.hex(64);
  in.source_events.record(in.objects.get(tree.key), "Normal", "NewArtifact",
                          "stored artifact for commit '" + at.subject + "'",
                          {{std::string{source_group} + "revision", at.revision},
                           {std::string{source_group} + "digest", digest}});
  co_await in.time.sleep(in.milliseconds(2, 8));
  auto stored = "stored artifact for revision '" + at.revision + "'";
  in.objects.patch_status(tree.key, manager, [&](json& status) {
    drop_condition(status, "Reconciling");
    set_condition(status, in.time.now(), generation, {"Ready", "True", "Succeeded", stored});
    set_condition(status, in.time.now(), generation, {"ArtifactInStorage", "True", "Succeeded", stored});
  });
  co_await in.time.sleep(in.milliseconds(2, 8));
  at.change = in.expected.change(tree.key, at.revision, "sha1:" + at.sha, in.time.now());
  tree.current = &at;
  in.objects.patch_status(tree.key, manager, [&](json& status) {
    auto path = "gitrepository/" + tree.key.namespace_name + '/' + tree.key.name + '/' + at.sha + ".tar.gz";
    status["artifact"] = {{"revision", at.revision},
                          {"digest", digest},
                          {"lastUpdateTime", second_of(in.time.now())},
                          {"path", path},
                          {"size", 5000 + in.random.below(90'000)},
                          {"url", "http://source-controller.flux-system.svc.cluster.local./" + path}};
    status["observedGeneration"] = generation;
  });
  co_await in.time.sleep(in.milliseconds(3, 20)); // the consumers' watch
  tell_consumers(in, tree);
}

} // namespace tc::storm
