// Deployment, StatefulSet and DaemonSet (apps/v1).

#include "kube/decode/kinds.hpp"

namespace tc::kube {

void read_workload(const node& root, const object_id& self, object_state& out) {
  auto spec = root.at("spec");
  auto status = root.at("status");
  out.observed_generation = status.at("observedGeneration").integer();
  workload_state read;
  if (self.kind == "DaemonSet") {
    read.desired = status.at("desiredNumberScheduled").integer();
    read.current = status.at("currentNumberScheduled").integer();
    read.updated = status.at("updatedNumberScheduled").integer();
    read.ready = status.at("numberReady").integer();
    read.available = status.at("numberAvailable").integer();
  } else {
    read.desired = spec.at("replicas").integer(1);
    read.current = status.at("replicas").integer();
    read.updated = status.at("updatedReplicas").integer();
    read.ready = status.at("readyReplicas").integer();
    read.available = status.at("availableReplicas").integer();
  }
  // Pods that the strategy leaves as they are count as updated: nothing will come of them.
  auto strategy = spec.at("updateStrategy"); // of a StatefulSet or DaemonSet
  auto left = strategy.at("type").text() == "OnDelete"
                  ? read.desired
                  : strategy.at("rollingUpdate").at("partition").integer();
  if (read.updated >= 0 && read.updated < read.desired && left >= read.desired - read.updated)
    read.updated = read.desired;
  auto pod_template = spec.at("template"); // named, since its children refer to it
  auto pod = pod_template.at("spec");
  for (const char* list : {"containers", "initContainers"})
    pod.at(list).for_each([&](const node& entry) { read.images.push_back(entry.at("image").text()); });
  status.at("conditions").for_each([&](const node& entry) {
    condition found;
    found.type = entry.at("type").text();
    found.status = entry.at("status").text();
    found.reason = entry.at("reason").text();
    found.message = entry.at("message").text_up_to(1024);
    // A Deployment's "Progressing" stays True from one rollout to the next: when it got there is in
    // lastUpdateTime, which only Deployments have.
    auto updated = entry.at("lastUpdateTime");
    found.last_transition = (updated.present() ? updated : entry.at("lastTransitionTime")).time();
    out.conditions.push_back(std::move(found));
  });
  out.workload = std::move(read);
}

} // namespace tc::kube
