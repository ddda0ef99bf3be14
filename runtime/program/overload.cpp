#include "runtime/program/overload.hpp"

#include <utility>

namespace tc::runtime {

overload::overload(told_level changed, told_loss left_out)
    : changed_(std::move(changed)), left_out_(std::move(left_out)) {}

void overload::look(std::size_t waiting, std::size_t bound, timestamp now) {
  if (waiting < bound / 2)
    since_.reset();
  else if (!since_ && waiting >= bound - bound / 4)
    since_ = now;
  auto next = trace::shed_level::nothing;
  if (since_)
    for (const auto& each : steps)
      if (now - *since_ >= each.after)
        next = each.level;
  if (next == trace::shed_level::nothing)
    shedding_.forget();
  if (std::exchange(level_, next) != next)
    changed_(next);
}

observation_batch_ptr overload::sift(observation_batch_ptr batch) {
  if (level_ == trace::shed_level::nothing)
    return batch;
  observation_batch kept;
  kept.reserve(batch->size());
  for (const auto& each : *batch)
    if (auto at = shedding_.leaves_out(*each, level_))
      left_out_(*each, *at);
    else
      kept.push_back(each);
  if (kept.size() == batch->size())
    return batch;
  return kept.empty() ? nullptr : std::make_shared<const observation_batch>(std::move(kept));
}

} // namespace tc::runtime
