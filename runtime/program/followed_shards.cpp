#include "runtime/program/followed_shards.hpp"

#include "runtime/shard.hpp"

namespace tc::runtime {

std::size_t followed_shards::shard_of(const std::string& trace_uid) const {
  return shard::of(trace_uid, traces_.size());
}

std::size_t followed_shards::seen(const trace_resource& trace) {
  auto out = shard_of(trace.uid);
  auto [place, added] = traces_[out].try_emplace(trace.uid, trace);
  // A list may be behind what a watch has told.
  if (!added && place->second.generation <= trace.generation)
    place->second = trace;
  return out;
}

std::optional<std::size_t> followed_shards::gone(const std::string& trace_uid) {
  traces_[shard_of(trace_uid)].erase(trace_uid);
  stalled_.erase(trace_uid);
  return drained(trace_uid);
}

std::set<std::string> followed_shards::drain(std::size_t shard) {
  auto& out = draining_[shard];
  out.clear();
  for (const auto& [uid, trace] : traces_[shard])
    if (!trace.suspend && trace.refused.empty() && stalled_.count(uid) == 0)
      out.insert(uid);
  return out;
}

std::optional<std::size_t> followed_shards::written(const trace_status& status) {
  if (status.stalled)
    stalled_.insert(status.uid);
  else
    stalled_.erase(status.uid);
  return status.drained ? drained(status.uid) : std::nullopt;
}

std::optional<std::size_t> followed_shards::drained(const std::string& trace_uid) {
  auto shard = shard_of(trace_uid);
  auto& waited = draining_[shard];
  if (waited.erase(trace_uid) == 0 || !waited.empty())
    return std::nullopt;
  return shard;
}

} // namespace tc::runtime
