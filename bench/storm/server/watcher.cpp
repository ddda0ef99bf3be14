#include "bench/storm/server/watcher.hpp"

namespace tc::storm {

std::string bookmark_line(const collection& of, std::uint64_t version, bool initial_events_end) {
  std::string out = R"({"type":"BOOKMARK","object":{"kind":")";
  out += of.resource().kind + R"(","apiVersion":")" + of.resource().api_version() +
         R"(","metadata":{"resourceVersion":")" + std::to_string(version) + '"';
  if (initial_events_end)
    out += R"(,"annotations":{"k8s.io/initial-events-end":"true"})";
  return out + "}}}\n";
}

watcher::watcher(const collection& of, request wanted) : from_(of), with_(std::move(wanted)) {
  if (with_.initial_events) {
    initial_ = from_.objects(with_.namespace_name);
    initial_version_ = from_.version();
    cursor_ = from_.visible();
  } else {
    cursor_ = from_.after(with_.version);
  }
}

bool watcher::wants(const collection::event& each) const {
  return is_in_namespace(from_.name_of(each), with_.namespace_name) &&
         (!with_.selects || with_.selects(object_of(each.line)));
}

/// Neighbours in a mapped file go out as one piece.
void watcher::add(std::string_view line) {
  if (!pieces_.empty() && pieces_.back().data() + pieces_.back().size() == line.data())
    pieces_.back() = {pieces_.back().data(), pieces_.back().size() + line.size()};
  else
    pieces_.push_back(line);
}

const std::vector<std::string_view>& watcher::next(std::size_t most) {
  pieces_.clear();
  if (initial_) {
    scratch_.clear();
    while (initial_sent_ < initial_->size() && scratch_.size() < most) {
      const auto& each = from_.at((*initial_)[initial_sent_++]);
      if (wants(each))
        scratch_.append(R"({"type":"ADDED","object":)").append(object_of(each.line)).append("}\n");
    }
    if (initial_sent_ == initial_->size()) {
      scratch_ += bookmark_line(from_, initial_version_, true);
      initial_.reset();
    }
    pieces_.emplace_back(scratch_);
    return pieces_;
  }
  for (std::size_t bytes = 0; cursor_ < from_.visible() && bytes < most; ++cursor_) {
    const auto& each = from_.at(cursor_);
    if (!wants(each))
      continue;
    add(each.line);
    bytes += each.line.size();
  }
  return pieces_;
}

std::string watcher::bookmark() const {
  return with_.bookmarks && is_idle() ? bookmark_line(from_, from_.version(), false) : std::string{};
}

std::optional<std::uint32_t> watcher::next_place() const {
  if (is_idle())
    return std::nullopt;
  return cursor_ < from_.visible() ? from_.at(cursor_).place : 0;
}

} // namespace tc::storm
