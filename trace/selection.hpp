#pragma once

// Which objects a Trace follows: its eventSources, read as an Alert's are.

#include "messages/kinds.hpp"
#include "messages/observation.hpp"
#include "messages/trace_spec.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tc::trace {

/// Returns whether an entry names the object. `trace_namespace` is what an entry without a namespace means.
bool selects(const event_source& entry, const object_id& object,
             const std::map<std::string, std::string>& labels, std::string_view trace_namespace);

/// Returns whether any entry names the object; no entries at all select everything.
bool selects(const std::vector<event_source>& entries, const object_id& object,
             const std::map<std::string, std::string>& labels, std::string_view trace_namespace);

} // namespace tc::trace
