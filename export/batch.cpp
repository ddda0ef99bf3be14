#include "export/batch.hpp"

namespace tc::exporting {

namespace {

std::size_t value_bytes(const attribute_value& value) {
  if (auto* text = std::get_if<std::string>(&value))
    return text->size() + 4;
  if (auto* list = std::get_if<std::vector<std::string>>(&value)) {
    std::size_t out = 4;
    for (const auto& entry : *list)
      out += entry.size() + 4;
    return out;
  }
  return 10;
}

std::size_t attribute_bytes(const std::vector<attribute>& attributes) {
  std::size_t out = 0;
  for (const auto& entry : attributes)
    out += entry.key.size() + value_bytes(entry.value) + 6;
  return out;
}

/// Collects the batches of cut_batches: which groups the open batch has, and how full it is.
class batch_cutter {
public:
  batch_cutter(std::span<const std::size_t> group_bytes, std::size_t limit)
      : group_bytes_(group_bytes), limit_(limit), opened_in_(group_bytes.size(), 0) {
    // nop
  }

  void add_trace(std::size_t index, const std::vector<measured_span>& spans) {
    if (spans.empty())
      return;
    if (used_ + cost_in_open_batch(spans) <= limit_) {
      append_whole(index, spans);
      return;
    }
    // It does not fit beside the others: a trace is not torn apart for the sake of a fuller batch.
    close();
    if (cost_in_open_batch(spans) <= limit_) {
      append_whole(index, spans);
      return;
    }
    for (std::size_t i = 0; i < spans.size(); ++i)
      append_span(index, i, spans[i]);
  }

  std::vector<std::vector<span_range>> take() {
    close();
    return std::move(batches_);
  }

private:
  std::size_t cost_in_open_batch(const std::vector<measured_span>& spans) {
    // A second mark tells groups that only this trace would open from those that are open already.
    ++visit_;
    visited_.resize(group_bytes_.size(), 0);
    std::size_t out = 0;
    for (const auto& entry : spans) {
      out += entry.bytes;
      if (opened_in_[entry.group] != batch_number_ && visited_[entry.group] != visit_) {
        visited_[entry.group] = visit_;
        out += group_bytes_[entry.group];
      }
    }
    return out;
  }

  void append_whole(std::size_t index, const std::vector<measured_span>& spans) {
    for (const auto& entry : spans)
      charge(entry);
    open_.push_back({index, 0, spans.size()});
  }

  void append_span(std::size_t index, std::size_t position, const measured_span& entry) {
    auto cost = entry.bytes + (opened_in_[entry.group] == batch_number_ ? 0 : group_bytes_[entry.group]);
    if (!open_.empty() && used_ + cost > limit_)
      close();
    charge(entry);
    if (!open_.empty() && open_.back().trace == index)
      ++open_.back().count;
    else
      open_.push_back({index, position, 1});
  }

  void charge(const measured_span& entry) {
    used_ += entry.bytes;
    if (opened_in_[entry.group] != batch_number_) {
      opened_in_[entry.group] = batch_number_;
      used_ += group_bytes_[entry.group];
    }
  }

  void close() {
    if (!open_.empty())
      batches_.push_back(std::move(open_));
    open_.clear();
    used_ = 0;
    ++batch_number_;
  }

  std::span<const std::size_t> group_bytes_;
  std::size_t limit_;
  std::vector<std::size_t> opened_in_; ///< per group, the number of the last batch that has it
  std::vector<std::size_t> visited_;
  std::size_t batch_number_ = 1;
  std::size_t visit_ = 0;
  std::size_t used_ = 0;
  std::vector<span_range> open_;
  std::vector<std::vector<span_range>> batches_;
};

} // namespace

std::size_t approximate_bytes(const completed_trace& trace) {
  std::size_t out = attribute_bytes(trace.resource_attributes) + 64;
  for (const auto& span : trace.spans) {
    out += 72 + span.name.size() + span.status_message.size() + trace.trace_state.size() +
           attribute_bytes(span.attributes);
    for (const auto& event : span.events)
      out += 16 + event.name.size() + attribute_bytes(event.attributes);
    for (const auto& link : span.links)
      out += 32 + attribute_bytes(link.attributes);
  }
  return out;
}

std::vector<std::vector<span_range>> cut_batches(std::span<const std::vector<measured_span>> traces,
                                                 std::span<const std::size_t> group_bytes,
                                                 std::size_t limit) {
  batch_cutter cutter{group_bytes, limit};
  for (std::size_t i = 0; i < traces.size(); ++i)
    cutter.add_trace(i, traces[i]);
  return cutter.take();
}

} // namespace tc::exporting
