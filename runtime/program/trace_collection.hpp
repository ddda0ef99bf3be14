#pragma once

// The traces of a replay as a person wants to see them: additions merged into the trace they belong to, in
// the order in which the changes began.

#include "messages/span.hpp"

#include <map>
#include <memory>
#include <unordered_set>
#include <vector>

namespace tc::runtime {

class trace_collection {
public:
  void add(const completed_trace& part);
  /// Returns the traces by the start of their earliest span.
  std::vector<completed_trace> in_order() const;
  std::size_t traces() const { return traces_.size(); }
  std::size_t spans() const { return spans_; }

private:
  struct entry {
    completed_trace trace;
    std::unordered_set<span_id> known;
  };
  std::map<trace_id, entry> traces_;
  std::size_t spans_ = 0;
};

} // namespace tc::runtime
