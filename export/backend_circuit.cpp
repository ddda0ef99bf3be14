#include "export/backend_circuit.hpp"

#include <algorithm>

namespace tc::exporting {

std::uint64_t backend_circuit::join() {
  std::lock_guard guard{mutex_};
  return ++queues_;
}

std::unique_ptr<backend_circuit::leave> backend_circuit::ask(std::uint64_t queue, timestamp now) {
  std::lock_guard guard{mutex_};
  if (away()) {
    asked_[queue] = now;
    if (open_ > 0 || now < next_probe_)
      return nullptr;
    // One queue that always fails must not hide from the others that the backend is back.
    bool others_wait = std::any_of(asked_.begin(), asked_.end(), [&](const auto& other) {
      return other.first != queue && other.second + patience >= now;
    });
    if (queue == last_prober_ && others_wait)
      return nullptr;
    last_prober_ = queue;
    asked_.erase(queue);
  }
  ++open_;
  return std::make_unique<leave>(shared_from_this());
}

void backend_circuit::give_back() {
  std::lock_guard guard{mutex_};
  --open_;
}

void backend_circuit::answered(timestamp now) {
  std::lock_guard guard{mutex_};
  if (away()) {
    ++recoveries_;
    next_probe_ = now;
    asked_.clear();
  }
  failures_ = 0;
}

void backend_circuit::failed(timestamp now) {
  std::lock_guard guard{mutex_};
  ++failures_;
  if (!away())
    return;
  backoff_policy growing;
  growing.initial = policy_.first_wait;
  growing.longest = policy_.probe_interval;
  auto probes = failures_ - policy_.away_after + 1;
  // Whoever has come so far is at a time of its own: no need to draw the whole interval.
  auto wait = backoff_ceiling(growing, probes) < policy_.probe_interval
                  ? backoff_delay(growing, probes, std::nullopt, random_)
                  : policy_.probe_interval;
  next_probe_ = std::max(next_probe_, now + wait);
}

void backend_circuit::reset() {
  std::lock_guard guard{mutex_};
  failures_ = 0;
  next_probe_ = {};
  asked_.clear();
}

bool backend_circuit::is_away() const {
  std::lock_guard guard{mutex_};
  return away();
}

timestamp backend_circuit::next_probe() const {
  std::lock_guard guard{mutex_};
  return next_probe_;
}

std::uint64_t backend_circuit::recoveries() const {
  std::lock_guard guard{mutex_};
  return recoveries_;
}

bool endpoint_identity::operator==(const endpoint_identity& other) const {
  auto same_tls = tls == other.tls || (tls && other.tls && *tls == *other.tls);
  return same_tls && url == other.url && proxy == other.proxy;
}

std::shared_ptr<backend_circuit> circuit_registry::circuit_of(const endpoint_identity& endpoint) {
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  for (const auto& [identity, circuit] : known_)
    if (identity == endpoint)
      if (auto found = circuit.lock())
        return found;
  auto made = std::make_shared<backend_circuit>(policy_, random_);
  known_.emplace_back(endpoint, made);
  return made;
}

} // namespace tc::exporting
