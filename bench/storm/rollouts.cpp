#include "bench/storm/world.hpp"

namespace tc::storm {

std::string image_of(unsigned version) {
  return "registry.example.com/shop/app:1." + std::to_string(version);
}

bool is_available(world& in, const object_key& workload) {
  const auto& object = in.objects.get(workload);
  auto status = object.find("status");
  if (status == object.end() || status->value("observedGeneration", 0) != object["metadata"]["generation"])
    return false;
  return status->value("updatedReplicas", 0) == 1 && status->value("availableReplicas", 0) == 1 &&
         status->value("replicas", 0) == 1;
}

namespace {

void set_progress(world& in, json& status, const char* reason, const std::string& message, bool available) {
  auto now = second_of(in.time.now());
  status["conditions"] =
      json::array({{{"type", "Available"},
                    {"status", available ? "True" : "False"},
                    {"reason", available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable"},
                    {"message", available ? "Deployment has minimum availability."
                                          : "Deployment does not have minimum availability."},
                    {"lastUpdateTime", now},
                    {"lastTransitionTime", now}},
                   {{"type", "Progressing"},
                    {"status", "True"},
                    {"reason", reason},
                    {"message", message},
                    {"lastUpdateTime", now},
                    {"lastTransitionTime", now}}});
}

} // namespace

process roll_out(world& in, object_key workload, bool broken) {
  const std::string manager = "kube-controller-manager";
  auto generation = in.objects.get(workload)["metadata"]["generation"].get<std::int64_t>();
  auto still_wanted = [&] { return in.objects.get(workload)["metadata"]["generation"] == generation; };
  auto set = "\"" + workload.name + '-' + in.random.hex(10) + '"';
  co_await in.time.sleep(in.milliseconds(2, 12));
  if (!still_wanted())
    co_return;
  in.objects.patch_status(workload, manager, [&](json& status) {
    status["observedGeneration"] = generation;
    status["replicas"] = 2;
    status["readyReplicas"] = 1;
    status["availableReplicas"] = 1;
    status["updatedReplicas"] = 1;
    status["unavailableReplicas"] = 1;
    set_progress(in, status, "ReplicaSetUpdated", "ReplicaSet " + set + " is progressing.", true);
  });
  if (broken)
    co_return;
  co_await in.time.sleep(in.milliseconds(20, 200) + in.random.about(in.with.rollout));
  if (!still_wanted())
    co_return;
  in.objects.patch_status(workload, manager, [&](json& status) {
    status["replicas"] = 1;
    status["readyReplicas"] = 1;
    status["availableReplicas"] = 1;
    status["updatedReplicas"] = 1;
    status.erase("unavailableReplicas");
    set_progress(in, status, "NewReplicaSetAvailable", "ReplicaSet " + set + " has successfully progressed.",
                 true);
  });
}

} // namespace tc::storm
