#include "actors/memory_ledger.hpp"

#include <algorithm>
#include <limits>

namespace tc::actors {

namespace {

/// What the allocator adds to a block.
constexpr std::size_t block = 16;
/// Of one span in the maps of change_table and exporter by which nothing is sent twice.
constexpr std::size_t kept_of_a_span = 128;

std::size_t memory_of(const std::string& text) {
  constexpr std::size_t inside = 15; // short texts lie in the object
  return text.capacity() > inside ? text.capacity() + block : 0;
}

std::size_t memory_of(const std::vector<attribute>& attributes) {
  auto out = attributes.empty() ? 0 : attributes.capacity() * sizeof(attribute) + block;
  for (const auto& each : attributes) {
    out += memory_of(each.key);
    if (const auto* text = std::get_if<std::string>(&each.value))
      out += memory_of(*text);
    else if (const auto* texts = std::get_if<std::vector<std::string>>(&each.value))
      for (const auto& one : *texts)
        out += sizeof(std::string) + memory_of(one);
  }
  return out;
}

} // namespace

std::size_t memory_of(const completed_trace& trace) {
  auto out = sizeof(completed_trace) + 2 * block + memory_of(trace.change_key) + memory_of(trace.revision) +
             memory_of(trace.resource_attributes) + trace.spans.capacity() * sizeof(span);
  for (const auto& each : trace.spans) {
    out += kept_of_a_span + memory_of(each.name) + memory_of(each.status_message) + memory_of(each.service) +
           memory_of(each.attributes);
    for (const auto& event : each.events)
      out += sizeof(span_event) + memory_of(event.name) + memory_of(event.attributes);
    for (const auto& link : each.links)
      out += sizeof(span_link) + memory_of(link.attributes);
  }
  return out;
}

memory_ledger::memory_ledger(std::size_t limit, fact_packer packer)
    : limit_(limit), allowance_(limit == 0 ? std::numeric_limits<std::size_t>::max() : limit / 2),
      packer_(std::move(packer)), observed_allowance_(limit / 4) {
  // nop
}

memory_ledger::charge_ptr memory_ledger::hold(const std::string& owner, std::uint64_t number,
                                              timestamp settled_at, std::size_t bytes) {
  return std::make_shared<charge>(shared_from_this(), place{settled_at, owner, number}, bytes);
}

std::vector<std::uint64_t> memory_ledger::to_spill(const std::string& owner) const {
  std::lock_guard guard{mutex_};
  std::vector<std::uint64_t> out;
  // Half, so that the other half is there for what the disk has not taken yet.
  auto most = allowance_ / 2;
  auto left = waiting();
  for (auto at = releasable_.rbegin(); left > most && at != releasable_.rend(); ++at) {
    left -= at->second;
    if (at->first.owner == owner)
      out.push_back(at->first.number);
  }
  return out;
}

std::vector<std::uint64_t> memory_ledger::to_drop(const std::string& owner) const {
  std::lock_guard guard{mutex_};
  std::vector<std::uint64_t> out;
  auto left = held_;
  for (auto at = releasable_.begin(); left > allowance_ && at != releasable_.end(); ++at) {
    left -= at->second;
    if (at->first.owner == owner)
      out.push_back(at->first.number);
  }
  return out;
}

bool memory_ledger::is_full() const {
  std::lock_guard guard{mutex_};
  return waiting() > allowance_;
}

bool memory_ledger::may_submit(std::size_t bytes) const {
  std::lock_guard guard{mutex_};
  return under_way_ == 0 || limit_ == 0 || under_way_ + bytes <= allowance_ / 2;
}

observation_ptr memory_ledger::counted(observation_ptr fact) {
  if (limit_ == 0 || !fact)
    return fact;
  auto bytes = fact->byte_size();
  observed_ += bytes;
  const auto* raw = fact.get();
  return {raw, [self = shared_from_this(), bytes, held = std::move(fact)](const observation*) mutable {
            held.reset();
            self->observed_ -= bytes;
          }};
}

observation_batch_ptr memory_ledger::counted(observation_batch_ptr batch) {
  if (limit_ == 0 || !batch)
    return batch;
  auto out = std::make_unique<observation_batch>(*batch);
  for (auto& fact : *out)
    fact = counted(std::move(fact));
  // Others may count on the end of the batch that was given.
  return {out.release(), [held = std::move(batch)](const observation_batch* done) { delete done; }};
}

std::size_t memory_ledger::to_pack() const {
  if (limit_ == 0 || !packer_)
    return 0;
  std::size_t now = observed_;
  std::lock_guard guard{mutex_};
  return now - std::min(now, observed_allowance_);
}

packed_facts_ptr memory_ledger::pack(const observation_batch& facts, const std::vector<std::size_t>& prints) {
  auto made = packer_ ? packer_(facts, prints) : nullptr;
  if (!made)
    return nullptr;
  auto bytes = made->memory();
  packed_ += bytes;
  const auto* raw = made.get();
  return {raw, [self = shared_from_this(), bytes, held = std::move(made)](const packed_facts*) mutable {
            held.reset();
            self->packed_ -= bytes;
          }};
}

std::optional<observation_batch> memory_ledger::unpack(const packed_facts& what) {
  auto out = what.unpack();
  if (out)
    for (auto& fact : *out)
      fact = counted(std::move(fact));
  return out;
}

void memory_ledger::measured(std::size_t resident) {
  if (limit_ == 0)
    return;
  std::lock_guard guard{mutex_};
  ++measurements_;
  shortage_ = 0;
  auto least = limit_ / 16;
  if (auto line = line_of(limit_); resident > line) {
    auto over = resident - line;
    auto lowered = [&](std::size_t allowance, std::size_t taken) {
      auto from = std::min(allowance, taken);
      return std::max(least, from - std::min(from, over));
    };
    // To close what is packed gives back only what that takes.
    if (waiting() <= least && (!packer_ || packed_ > limit_ / 4))
      shortage_ = measurements_;
    allowance_ = lowered(allowance_, held_);
    observed_allowance_ = lowered(observed_allowance_, observed_);
  } else if (resident < limit_ - limit_ / 4) {
    allowance_ = std::min(limit_ / 2, allowance_ + limit_ / 64);
    observed_allowance_ = std::min(limit_ / 4, observed_allowance_ + limit_ / 64);
  }
}

std::size_t memory_ledger::observed_allowance() const {
  std::lock_guard guard{mutex_};
  return observed_allowance_;
}

std::uint64_t memory_ledger::shortage() const {
  std::lock_guard guard{mutex_};
  return shortage_;
}

bool memory_ledger::note_loss(timestamp now) {
  std::lock_guard guard{mutex_};
  auto first = !is_known(last_loss_) || now - last_loss_ > std::chrono::minutes{1};
  last_loss_ = now;
  return first;
}

std::size_t memory_ledger::held() const {
  std::lock_guard guard{mutex_};
  return held_;
}

std::size_t memory_ledger::allowance() const {
  std::lock_guard guard{mutex_};
  return allowance_;
}

void memory_ledger::start(const place& where, std::size_t bytes) {
  std::lock_guard guard{mutex_};
  releasable_[where] = bytes;
  under_way_ -= bytes;
}

void memory_ledger::stop(const place& where, std::size_t bytes) {
  std::lock_guard guard{mutex_};
  releasable_.erase(where);
  under_way_ += bytes;
}

memory_ledger::charge::charge(std::shared_ptr<memory_ledger> ledger, place where, std::size_t bytes)
    : ledger_(std::move(ledger)), where_(std::move(where)), bytes_(bytes) {
  std::lock_guard guard{ledger_->mutex_};
  ledger_->held_ += bytes_;
  ledger_->releasable_[where_] = bytes_;
}

memory_ledger::charge::~charge() {
  std::lock_guard guard{ledger_->mutex_};
  ledger_->held_ -= bytes_;
  if (under_way_)
    ledger_->under_way_ -= bytes_;
  else
    ledger_->releasable_.erase(where_);
}

void memory_ledger::charge::set_under_way(bool now) {
  if (now == under_way_)
    return;
  under_way_ = now;
  if (now)
    ledger_->stop(where_, bytes_);
  else
    ledger_->start(where_, bytes_);
}

} // namespace tc::actors
