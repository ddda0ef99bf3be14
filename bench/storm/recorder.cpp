#include "bench/storm/recorder.hpp"

#include <algorithm>

namespace tc::storm {

namespace {

constexpr auto window = std::chrono::seconds{600};
constexpr std::size_t most_alike = 10;
constexpr double burst = 25;
constexpr double refill_seconds = 300;

std::string hex_of(std::int64_t value) {
  static constexpr char digit[] = "0123456789abcdef";
  std::string out;
  for (; value; value >>= 4)
    out.insert(out.begin(), digit[value & 15]);
  return out;
}

json reference_of(const json& about) {
  const auto& meta = about.at("metadata");
  return {{"kind", about.at("kind")},
          {"namespace", meta.at("namespace")},
          {"name", meta.at("name")},
          {"uid", meta.at("uid")},
          {"apiVersion", about.at("apiVersion")},
          {"resourceVersion", meta.at("resourceVersion")}};
}

} // namespace

void recorder::record(const json& about, const std::string& type, const std::string& reason,
                      std::string message, const std::map<std::string, std::string>& metadata) {
  if (type != "Trace") {
    json body = {{"involvedObject", reference_of(about)},
                 {"severity", type == "Warning" ? "error" : "info"},
                 {"timestamp", second_of(time_.now())},
                 {"message", message},
                 {"reason", reason},
                 {"reportingController", controller_},
                 {"reportingInstance", controller_ + "-0"}};
    if (!metadata.empty())
      body["metadata"] = metadata;
    posts_(time_.now(), body);
  }
  record_event(about, type == "Trace" ? "Normal" : type, reason, std::move(message), metadata);
}

void recorder::record_event(const json& about, const std::string& type, const std::string& reason,
                            std::string message, std::map<std::string, std::string> metadata) {
  auto now = time_.now() + duration{++serial_ % 1'000'000}; // no two are made in one nanosecond
  auto key = key_of(about);
  auto& left = budgets_[key];
  left.tokens =
      std::min(burst, left.tokens + std::chrono::duration<double>(now - left.at).count() / refill_seconds);
  left.at = now;
  auto place = key.kind + '/' + key.namespace_name + '/' + key.name + '/' + type + '/' + reason;
  auto& alike = similar_[place];
  if (now - alike.last > window)
    alike.messages.clear();
  alike.last = now;
  alike.messages.insert(message);
  if (alike.messages.size() > most_alike)
    alike.messages.erase(alike.messages.begin());
  auto id = place + '/' + message;
  if (alike.messages.size() >= most_alike) {
    message = "(combined from similar events): " + message;
    metadata.clear();
    id = place;
  }
  if (left.tokens < 1)
    return;
  left.tokens -= 1;
  if (auto before = known_.find(id); before != known_.end()) {
    auto& event = before->second;
    event["count"] = event["count"].get<int>() + 1;
    event["lastTimestamp"] = second_of(now);
    event["message"] = message;
    event["metadata"]["resourceVersion"] = objects_.next_resource_version();
    objects_.tell("MODIFIED", event);
    return;
  }
  json event = {{"apiVersion", "v1"},
                {"kind", "Event"},
                {"metadata",
                 {{"name", key.name + '.' + hex_of(now.time_since_epoch().count())},
                  {"namespace", key.namespace_name},
                  {"uid", objects_.new_uid()},
                  {"resourceVersion", objects_.next_resource_version()},
                  {"creationTimestamp", second_of(now)}}},
                {"involvedObject", reference_of(about)},
                {"type", type},
                {"reason", reason},
                {"message", message},
                {"source", {{"component", controller_}}},
                {"reportingComponent", controller_},
                {"reportingInstance", ""},
                {"firstTimestamp", second_of(now)},
                {"lastTimestamp", second_of(now)},
                {"eventTime", nullptr},
                {"count", 1}};
  if (!metadata.empty())
    event["metadata"]["annotations"] = metadata;
  objects_.tell("ADDED", event);
  known_.emplace(std::move(id), std::move(event));
  if (known_.size() >
      65'536) // an API server forgets Events after an hour; the oldest do not come again anyway
    known_.erase(known_.begin());
}

} // namespace tc::storm
