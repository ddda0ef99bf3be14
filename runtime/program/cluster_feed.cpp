#include "runtime/program/cluster_feed.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace tc::runtime {

namespace {

/// What names an object.
struct object_name {
  std::string namespace_name;
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
};

/// Reads the metadata alone: a deletion may come with nothing else, and a broken spec must not be asked for.
/// Empty where that fails.
object_name name_in(std::string_view json) {
  auto object = nlohmann::json::parse(json, nullptr, false);
  auto text = [&](const char* key) {
    auto place = nlohmann::json::json_pointer{std::string{"/metadata/"} + key};
    return object.is_object() && object.contains(place) && object[place].is_string()
               ? object[place].get<std::string>()
               : std::string{};
  };
  object_name out{text("namespace"), text("name"), text("uid")};
  const nlohmann::json::json_pointer generation{"/metadata/generation"};
  if (object.is_object() && object.contains(generation) && object[generation].is_number_integer())
    out.generation = object[generation].get<std::int64_t>();
  return out;
}

trace_resource refused_trace(std::string_view json, const kube::decode_error& error) {
  auto known = name_in(json);
  trace_resource out;
  out.namespace_name = std::move(known.namespace_name);
  out.name = std::move(known.name);
  out.uid = std::move(known.uid);
  out.generation = known.generation;
  out.refused = (error.place.empty() ? std::string{"the object"} : error.place) + ' ' + error.problem +
                "; correct it and apply the Trace again";
  return out;
}

} // namespace

cluster_feed::cluster_feed(outputs out, std::size_t batch_size, std::size_t kinds)
    : out_(std::move(out)), batch_size_(batch_size == 0 ? 1 : batch_size),
      batch_(std::make_shared<observation_batch>()), kinds_(kinds) {
  // nop
}

void cluster_feed::on_object(const kube::resource_ref& resource, kube::watch_type type,
                             std::string_view object_json, timestamp received_at, arrival how) {
  if (out_.counted)
    out_.counted(resource.kind, resource.kind == "Event" ? "event" : "watch");
  if (type == kube::watch_type::deleted && (resource.kind == "Trace" || resource.kind == "Provider")) {
    auto gone = name_in(object_json);
    if (resource.kind == "Trace")
      out_.trace_gone(std::move(gone.uid));
    else
      out_.provider_gone(std::move(gone.namespace_name), std::move(gone.name));
    return;
  }
  if (resource.kind == "Trace") {
    auto decoded = decoder_.decode_trace(object_json);
    if (!decoded)
      out_.bad_trace(refused_trace(object_json, decoded.error()), decoded.error());
    else
      out_.trace(std::move(*decoded), object_json);
    return;
  }
  if (resource.kind == "Provider") {
    auto decoded = decoder_.decode_provider(object_json);
    if (!decoded)
      out_.broken(resource.kind, decoded.error().object, decoded.error().to_string());
    else
      out_.provider(std::move(*decoded));
    return;
  }
  auto decoded = decoder_.decode_object(kube::to_string(type), object_json, received_at, how);
  if (!decoded) {
    out_.broken(resource.kind, decoded.error().object, decoded.error().to_string());
    return;
  }
  if (!*decoded)
    return;
  latest_ = received_at;
  batch_->push_back(std::move(**decoded));
  if (batch_->size() >= batch_size_)
    flush();
}

void cluster_feed::on_bookmark(const kube::resource_ref&, std::string_view, timestamp) {
  // nop: bookmarks move the reflector, not us
}

void cluster_feed::on_position(const kube::resource_ref& resource, std::string_view resource_version) {
  if (!out_.position || resource.kind == "Trace" || resource.kind == "Provider")
    return; // those are always listed anew
  flush();
  out_.position(resource.to_string(), std::string{resource_version});
}

void cluster_feed::on_error(const kube::resource_ref& resource, std::string_view object,
                            std::string_view problem) {
  out_.broken(resource.kind, object, problem);
}

void cluster_feed::on_synced(const kube::resource_ref& resource) {
  {
    std::lock_guard guard{mutex_};
    done_[resource.kind + '.' + resource.group] = true;
  }
  if (resource.kind == "Trace" && out_.traces_known)
    out_.traces_known();
  check_synced();
}

void cluster_feed::on_state(const kube::resource_ref& resource, kube::reflector_status status,
                            std::string_view reason) {
  if (out_.state)
    out_.state(resource, status, reason);
  bool known = false;
  {
    std::lock_guard guard{mutex_};
    auto& done = done_[resource.kind + '.' + resource.group];
    // A kind that cannot be had must not keep the others waiting.
    done = done || status == kube::reflector_status::absent || status == kube::reflector_status::forbidden;
    known = resource.kind == "Trace" && done;
  }
  if (known && out_.traces_known)
    out_.traces_known();
  check_synced();
}

void cluster_feed::check_synced(const std::string& without) {
  {
    std::lock_guard guard{mutex_};
    if (synced_ || done_.size() < kinds_)
      return;
    for (const auto& [kind, done] : done_)
      if (!done)
        return;
    synced_ = true;
  }
  flush();
  out_.synced(without);
}

bool cluster_feed::wait_no_longer() {
  auto without = waiting_for();
  {
    std::lock_guard guard{mutex_};
    auto listed = [&](std::string_view ending) {
      return std::any_of(done_.begin(), done_.end(),
                         [&](const auto& kind) { return kind.second && kind.first.ends_with(ending); });
    };
    if (!listed("Trace.notification.toolkit.fluxcd.io") || !listed(".source.toolkit.fluxcd.io"))
      return false;
    for (auto& [kind, done] : done_)
      done = true;
    kinds_ = std::min(kinds_, done_.size());
  }
  check_synced(without);
  return true;
}

void cluster_feed::flush() {
  if (batch_->empty())
    return;
  out_.observations(std::move(batch_), latest_);
  batch_ = std::make_shared<observation_batch>();
}

std::string cluster_feed::waiting_for() const {
  std::lock_guard guard{mutex_};
  std::string out;
  for (const auto& [kind, done] : done_)
    if (!done)
      out += (out.empty() ? "" : ", ") + kind;
  return out;
}

bool cluster_feed::is_synced() const {
  std::lock_guard guard{mutex_};
  return synced_;
}

} // namespace tc::runtime
