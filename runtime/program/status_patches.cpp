#include "runtime/program/status_patches.hpp"

#include "runtime/program/delivered_json.hpp"
#include "runtime/utf8.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace tc::runtime {

namespace {

/// Kubernetes' metav1.Time has whole seconds.
std::string whole_seconds(timestamp at) {
  return to_rfc3339(std::chrono::floor<std::chrono::seconds>(at));
}

/// The CRD and Kubernetes limit a condition's message to 32 KiB; people read less.
constexpr std::size_t longest_message = 2048;

} // namespace

void status_patches::seen(std::string_view trace_json, bool by_another) {
  auto object = nlohmann::json::parse(trace_json, nullptr, false);
  if (!object.is_object())
    return;
  try {
    auto uid = object.at("metadata").at("uid").get<std::string>();
    if (!object.contains("status") || !object["status"].contains("conditions"))
      return;
    std::lock_guard guard{mutex_};
    if (by_another)
      conditions_.erase(uid);
    if (conditions_.count(uid) != 0)
      return; // an echo of a patch of ours, and maybe not of the latest
    for (const auto& entry : object["status"]["conditions"])
      conditions_[uid][entry.at("type").get<std::string>()] = {
          entry.at("status").get<std::string>(), entry.at("lastTransitionTime").get<std::string>()};
  } catch (const nlohmann::json::exception&) {
    // The API server checked it against the schema; a foreign shape only costs us the transition time.
  }
}

void status_patches::gone(const std::string& uid) {
  std::lock_guard guard{mutex_};
  conditions_.erase(uid);
  gone_.push_back(uid);
  if (gone_.size() > most_gone)
    gone_.pop_front();
}

std::string status_patches::patch_for(const trace_status& status, timestamp now) {
  auto conditions = nlohmann::json::array();
  std::lock_guard guard{mutex_};
  // A last status of a Trace that is gone already: nothing is kept of it.
  std::map<std::string, known_condition> of_nobody;
  bool gone = std::find(gone_.begin(), gone_.end(), status.uid) != gone_.end();
  auto& known = gone ? of_nobody : conditions_[status.uid];
  auto add = [&](const char* type, bool value, const std::string& reason, const std::string& message) {
    std::string text = value ? "True" : "False";
    auto& before = known[type];
    if (before.status != text)
      before = {text, whole_seconds(now)};
    conditions.push_back({{"type", type},
                          {"status", text},
                          {"reason", reason},
                          {"message", cut_to_bytes(message, longest_message)},
                          {"observedGeneration", status.generation},
                          {"lastTransitionTime", before.transition}});
  };
  add("Ready", status.ready, status.reason, status.message);
  // Not ready heals by itself (Reconciling) unless the spec itself is wrong (Stalled).
  if (!status.ready && !status.stalled)
    add("Reconciling", true, "ProgressingWithRetry", status.message);
  else
    known.erase("Reconciling");
  if (status.stalled)
    add("Stalled", true, status.reason, status.message);
  else
    known.erase("Stalled");
  if (!status.last_refusal.empty())
    add("ExportRefused", true, "RefusedByBackend", status.last_refusal);
  else
    known.erase("ExportRefused");
  nlohmann::json body{
      {"observedGeneration", status.generation},        {"conditions", std::move(conditions)},
      {"activeChanges", status.books.changes_pending},  {"exportedChanges", status.books.changes_exported},
      {"droppedChanges", status.books.changes_dropped}, {"sampledChanges", status.books.changes_sampled_out}};
  if (!status.last_trace_id.empty())
    body["lastExportedTrace"] = {{"traceID", status.last_trace_id},
                                 {"revision", status.last_revision},
                                 {"changeKey", status.last_change_key},
                                 {"time", whole_seconds(status.last_export)}};
  if (is_known(status.exported_until))
    body["exportedUntil"] = whole_seconds(status.exported_until);
  if (status.delivered)
    body["deliveredSpans"] = delivered_json(*status.delivered);
  // The API server takes a merge patch of the status subresource whatever its metadata says, so only a test
  // keeps the last status of a Trace from one that was created under its name. An "add" sets a member that is
  // there; .status itself always is, by the default of the CRD.
  auto patch = nlohmann::json::array();
  patch.push_back({{"op", "test"}, {"path", "/metadata/uid"}, {"value", status.uid}});
  for (auto& [field, value] : body.items())
    patch.push_back({{"op", "add"}, {"path", "/status/" + field}, {"value", std::move(value)}});
  return patch.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace tc::runtime
