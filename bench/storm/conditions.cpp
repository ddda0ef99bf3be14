#include "bench/storm/conditions.hpp"

#include <algorithm>

namespace tc::storm {

namespace {

/// Flux sorts what is abnormal first, then Ready, then the rest.
int rank(const json& condition) {
  const auto& type = condition.at("type");
  return type == "Stalled" || type == "Reconciling" ? 0 : type == "Ready" ? 1 : 2;
}

} // namespace

void set_condition(json& object_status, timestamp now, std::int64_t generation, const condition_text& to) {
  auto& all = object_status["conditions"];
  if (all.is_null())
    all = json::array();
  auto at = std::find_if(all.begin(), all.end(), [&](const json& one) { return one["type"] == to.type; });
  json made = {{"type", to.type},
               {"status", to.status},
               {"reason", to.reason},
               {"message", to.message},
               {"observedGeneration", generation},
               {"lastTransitionTime", second_of(now)}};
  if (at == all.end()) {
    all.push_back(std::move(made));
    std::stable_sort(all.begin(), all.end(), [](const json& a, const json& b) { return rank(a) < rank(b); });
    return;
  }
  if ((*at)["status"] == to.status && (*at)["reason"] == to.reason && (*at)["message"] == to.message)
    made["lastTransitionTime"] = (*at)["lastTransitionTime"];
  *at = std::move(made);
}

void drop_condition(json& object_status, const std::string& type) {
  auto& all = object_status["conditions"];
  if (all.is_array())
    all.erase(std::remove_if(all.begin(), all.end(), [&](const json& one) { return one["type"] == type; }),
              all.end());
}

const json* find_condition(const json& object_status, const std::string& type) {
  auto all = object_status.find("conditions");
  if (all == object_status.end())
    return nullptr;
  for (const auto& one : *all)
    if (one["type"] == type)
      return &one;
  return nullptr;
}

} // namespace tc::storm
