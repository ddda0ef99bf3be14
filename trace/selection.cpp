#include "trace/selection.hpp"

#include <algorithm>

namespace tc::trace {

bool selects(const event_source& entry, const object_id& object,
             const std::map<std::string, std::string>& labels, std::string_view trace_namespace) {
  if (entry.kind != object.kind)
    return false;
  auto group = entry.group.empty() ? usual_group(entry.kind) : std::string_view{entry.group};
  if (!group.empty() && group != object.group)
    return false;
  auto wanted = entry.namespace_name.empty() ? trace_namespace : std::string_view{entry.namespace_name};
  if (wanted != "*" && wanted != object.namespace_name)
    return false;
  if (entry.name != "*" && entry.name != object.name)
    return false;
  return std::all_of(entry.match_labels.begin(), entry.match_labels.end(), [&](const auto& wanted_label) {
    auto found = labels.find(wanted_label.first);
    return found != labels.end() && found->second == wanted_label.second;
  });
}

bool selects(const std::vector<event_source>& entries, const object_id& object,
             const std::map<std::string, std::string>& labels, std::string_view trace_namespace) {
  return entries.empty() || std::any_of(entries.begin(), entries.end(), [&](const event_source& entry) {
           return selects(entry, object, labels, trace_namespace);
         });
}

} // namespace tc::trace
