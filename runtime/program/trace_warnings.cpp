#include "runtime/program/trace_warnings.hpp"

#include "runtime/utf8.hpp"

#include <nlohmann/json.hpp>

namespace tc::runtime {

namespace {

/// Kubernetes refuses a longer message.
constexpr std::size_t longest_message = 1024;

std::string event_json(const trace_resource& about, const std::string& reason, std::string message,
                       timestamp at) {
  auto second = to_rfc3339(std::chrono::floor<std::chrono::seconds>(at));
  nlohmann::json event{
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata", {{"generateName", about.name + '.'}, {"namespace", about.namespace_name}}},
      {"involvedObject",
       {{"apiVersion", "notification.toolkit.fluxcd.io/v1"},
        {"kind", "Trace"},
        {"namespace", about.namespace_name},
        {"name", about.name},
        {"uid", about.uid}}},
      {"type", "Warning"},
      {"reason", reason},
      {"message", cut_to_bytes(std::move(message), longest_message)},
      {"count", 1},
      {"firstTimestamp", second},
      {"lastTimestamp", second},
      {"source", {{"component", "trace-controller"}}},
      {"reportingComponent", "trace-controller"}};
  return event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace

void trace_warnings::warn(const trace_resource& about, const std::string& reason, std::string message) {
  auto now = clock_();
  {
    std::lock_guard guard{mutex_};
    auto& known = states_[about.uid];
    if (now < known.next) {
      ++known.held_back;
      return;
    }
    known.next = now + spacing;
    if (auto before = std::exchange(known.held_back, 0); before > 0)
      message += " (and " + std::to_string(before) + " more since the last warning)";
  }
  post_(about.namespace_name, event_json(about, reason, std::move(message), now));
}

void trace_warnings::gone(const std::string& uid) {
  std::lock_guard guard{mutex_};
  states_.erase(uid);
}

} // namespace tc::runtime
