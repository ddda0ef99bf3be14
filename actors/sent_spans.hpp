#pragma once

// Which spans a Provider's backend already has: where two Traces select parts of one change, and after a
// crash, each span ID is sent once. Bounded: the oldest are forgotten, and would then be sent again under the
// same ID.

#include "messages/span.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_set>

namespace tc::actors {

class sent_spans {
public:
  explicit sent_spans(std::size_t limit = std::size_t{1} << 20) : limit_(limit) {}

  bool contains(const trace_id& trace, const span_id& span) const {
    return known_.count(key_of(trace, span)) != 0;
  }

  void add(const trace_id& trace, const span_id& span) { add(key_of(trace, span)); }

  /// The same by the key of the two.
  void add(std::uint64_t key) {
    if (!known_.insert(key).second)
      return;
    order_.push_back(key);
    if (order_.size() > limit_) {
      known_.erase(order_.front());
      order_.pop_front();
    }
  }

  std::size_t size() const { return known_.size(); }

  /// Both IDs are cut from SHA-256, so their combination in 64 bits is as good as random.
  static std::uint64_t key_of(const trace_id& trace, const span_id& span) {
    return std::hash<trace_id>{}(trace)*31 ^ std::hash<span_id>{}(span);
  }

private:
  std::size_t limit_;
  std::unordered_set<std::uint64_t> known_;
  std::deque<std::uint64_t> order_;
};

} // namespace tc::actors
