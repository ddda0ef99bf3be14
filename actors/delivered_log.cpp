#include "actors/delivered_log.hpp"

#include <algorithm>
#include <utility>

namespace tc::actors {

void delivered_log::add(const delivered_trace& part) {
  if (part.spans.size() > most_spans)
    return; // it would drive out everything else, and not be whole itself
  auto found =
      std::find_if(traces_.begin(), traces_.end(), [&](const auto& each) { return each.id == part.id; });
  delivered_trace merged{part.id, {}};
  if (found != traces_.end())
    merged.spans = found->spans;
  auto before = merged.spans.size();
  for (const auto& id : part.spans)
    if (std::find(merged.spans.begin(), merged.spans.end(), id) == merged.spans.end())
      merged.spans.push_back(id);
  if (merged.spans.size() == before)
    return;
  if (found != traces_.end()) {
    spans_ -= found->spans.size();
    traces_.erase(found);
  }
  spans_ += merged.spans.size();
  traces_.push_back(std::move(merged));
  while (traces_.size() > most_traces || spans_ > most_spans) {
    spans_ -= traces_.front().spans.size();
    traces_.pop_front();
  }
  latest_.reset();
}

std::shared_ptr<const std::vector<delivered_trace>> delivered_log::latest() const {
  if (!latest_)
    latest_ = std::make_shared<const std::vector<delivered_trace>>(traces_.begin(), traces_.end());
  return latest_;
}

} // namespace tc::actors
