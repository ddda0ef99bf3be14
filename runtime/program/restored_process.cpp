#include "runtime/program/restored_process.hpp"

#include <nlohmann/json.hpp>

namespace tc::runtime {

namespace {

std::string kind_of(const object_id& object) {
  return object.group.empty() ? object.kind : object.kind + '.' + object.group;
}

/// As much of the metadata as a deletion that was missed is told with; the rest is taken from the last state.
std::string metadata_of(const observation& last) {
  nlohmann::json out{{"name", last.object.name},
                     {"uid", last.uid},
                     {"resourceVersion", std::to_string(last.resource_version)},
                     {"generation", last.state->generation},
                     {"labels", last.state->labels}};
  if (!last.object.namespace_name.empty())
    out["namespace"] = last.object.namespace_name;
  if (is_known(last.state->created))
    out["creationTimestamp"] = to_rfc3339(last.state->created);
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

kube::reflector_memory::object known_object(const observation& last) {
  auto key = last.object.namespace_name.empty() ? last.object.name
                                                : last.object.namespace_name + '/' + last.object.name;
  return {std::move(key), last.uid, std::to_string(last.resource_version), metadata_of(last)};
}

} // namespace

void found_traces::add(const store::waiting_trace& found) {
  found_.insert_or_assign(found.key, actors::restored_submission{found.key.number, found.change_key,
                                                                 found.whole, actors::header_of(*found.trace),
                                                                 actors::summary_of(*found.trace)});
}

std::set<std::string> found_traces::owners() const {
  std::set<std::string> out;
  for (const auto& [key, each] : found_)
    out.insert(key.trace_uid);
  return out;
}

void found_traces::move_to(actors::restored_state& state) {
  for (auto& [key, each] : found_)
    state.traces[key.trace_uid].submissions.push_back(std::move(each));
  found_.clear();
}

void found_observations::add(const observation& found) {
  ++size_;
  if (!found.state)
    return;
  auto& place = kinds_[kind_of(found.object)][found.object];
  if (found.resource_version < place.version)
    return;
  place.version = found.resource_version;
  place.known.reset();
  if (found.kind == observation_kind::state)
    place.known = known_object(found);
}

void found_observations::clear() {
  kinds_.clear();
  size_ = 0;
}

std::map<std::string, kube::reflector_memory> found_observations::take_watches() {
  std::map<std::string, kube::reflector_memory> out;
  for (auto& [kind, objects] : kinds_)
    for (auto& [id, latest] : objects)
      if (latest.known)
        out[kind].objects.push_back(std::move(*latest.known));
  clear();
  return out;
}

restored_process restore(store::contents found, found_traces traces, found_observations observations) {
  restored_process out;
  out.actors = std::make_shared<actors::restored_state>();
  out.actors->sent = std::move(found.sent);
  for (const auto& [uid, progress] : found.progress) {
    auto& trace = out.actors->traces[uid];
    trace.settled_before = progress.settled_before;
    trace.settled_until = progress.settled_until;
    trace.has_progress = true;
  }
  traces.move_to(*out.actors);
  out.last_observation = observations.size() == 0 ? 0 : found.last_observation;
  auto watches = observations.take_watches();
  for (auto& [kind, version] : found.positions)
    watches[kind].resource_version = std::move(version);
  for (auto& [kind, memory] : watches)
    out.watches.emplace(kind, std::make_shared<const kube::reflector_memory>(std::move(memory)));
  return out;
}

} // namespace tc::runtime
