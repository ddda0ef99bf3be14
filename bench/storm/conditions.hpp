#pragma once

// status.conditions as Flux's controllers write them: a change of status, reason or message moves the
// transition, Ready comes before the rest when nothing is in progress.

#include "bench/storm/cluster.hpp"

#include <string>

namespace tc::storm {

struct condition_text {
  std::string type, status, reason, message;
};

void set_condition(json& object_status, timestamp now, std::int64_t generation, const condition_text& to);
void drop_condition(json& object_status, const std::string& type);
/// Returns the condition of that type, or nullptr.
const json* find_condition(const json& object_status, const std::string& type);

} // namespace tc::storm
