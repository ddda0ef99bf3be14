#include "runtime/program/trace_collection.hpp"

#include <algorithm>

namespace tc::runtime {

void trace_collection::add(const completed_trace& part) {
  auto [place, added] = traces_.try_emplace(part.id);
  auto& [trace, known] = place->second;
  if (added) {
    trace = part;
    trace.spans.clear();
  }
  trace.outcome = part.outcome;
  for (const auto& value : part.spans)
    if (known.insert(value.id).second) {
      trace.spans.push_back(value);
      ++spans_;
    }
}

std::vector<completed_trace> trace_collection::in_order() const {
  std::vector<completed_trace> out;
  for (const auto& [id, item] : traces_)
    out.push_back(item.trace);
  auto began = [](const completed_trace& trace) {
    timestamp first = timestamp::max();
    for (const auto& value : trace.spans)
      first = std::min(first, value.start);
    return first;
  };
  std::stable_sort(out.begin(), out.end(),
                   [&](const auto& left, const auto& right) { return began(left) < began(right); });
  return out;
}

} // namespace tc::runtime
