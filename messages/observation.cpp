#include "messages/observation.hpp"

namespace tc {

namespace {

std::size_t size_of(const std::string& text) {
  return text.capacity() > 15 ? text.capacity() + 1 : 0;
}

std::size_t size_of(const object_id& id) {
  return sizeof id + size_of(id.group) + size_of(id.kind) + size_of(id.namespace_name) + size_of(id.name);
}

std::size_t size_of(const std::vector<object_id>& ids) {
  std::size_t result = 0;
  for (const auto& id : ids)
    result += size_of(id);
  return result;
}

std::size_t size_of(const object_state& state) {
  std::size_t result = sizeof state + 512;
  for (const auto& [key, value] : state.labels)
    result += 96 + size_of(key) + size_of(value);
  for (const auto& entry : state.conditions)
    result += sizeof entry + size_of(entry.reason) + size_of(entry.message);
  for (const auto& entry : state.applies)
    result += sizeof entry + size_of(entry.digest) + size_of(entry.revision) + size_of(entry.origin_revision);
  for (const auto& entry : state.releases)
    result += sizeof entry + size_of(entry.config_digest) + size_of(entry.chart_version);
  if (state.workload)
    for (const auto& image : state.workload->images)
      result += sizeof(std::string) + size_of(image);
  return result + size_of(state.sources) + size_of(state.depends_on) + size_of(state.values_from) +
         size_of(state.inventory) + size_of(state.owners);
}

} // namespace

const condition* object_state::find_condition(std::string_view type) const {
  for (const auto& entry : conditions)
    if (entry.type == type)
      return &entry;
  return nullptr;
}

std::string_view object_state::label(std::string_view key) const {
  for (const auto& [known, value] : labels) // a few
    if (known == key)
      return value;
  return {};
}

std::string observation::identity() const {
  std::string result;
  result.reserve(96);
  result += kind == observation_kind::state     ? 's'
            : kind == observation_kind::deleted ? 'd'
            : kind == observation_kind::event   ? 'e'
            : notification                      ? 'n'
                                                : 'p';
  for (const auto* part : {&object.group, &object.kind, &object.namespace_name, &object.name})
    (result += '/') += *part;
  result += ' ';
  if (notification) {
    ((result += notification->receiver) += ' ') += notification->event;
  } else if (!message) {
    ((result += uid) += ' ') += std::to_string(resource_version);
  } else if (kind == observation_kind::event) {
    ((result += message->name) += ' ') += std::to_string(message->count);
  } else {
    ((result += message->reason) += ' ') += std::to_string(message->first.time_since_epoch().count());
    (result += ' ') += message->text;
    (result += ' ') += message->revision; // the same may be said of two revisions in one second
  }
  return result;
}

std::size_t observation::byte_size() const {
  std::size_t result = sizeof(observation) + 32 + size_of(object) + size_of(uid) + size_of(api_version);
  if (state)
    result += size_of(*state) - sizeof(object_state);
  if (message)
    result += size_of(message->text) + size_of(message->revision) + size_of(message->digest) +
              size_of(message->name);
  if (notification)
    result += size_of(notification->receiver) + size_of(notification->event) + size_of(notification->error) +
              size_of(notification->revision);
  return result;
}

} // namespace tc
