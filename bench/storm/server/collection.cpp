#include "bench/storm/server/collection.hpp"

#include <algorithm>

namespace tc::storm {

namespace {

constexpr std::string_view before_type = R"({"type":")";
constexpr std::string_view before_object = R"(","object":)";

std::size_t size_of_type(std::string_view line) {
  switch (line[before_type.size()]) {
  case 'A':
    return 5; // ADDED
  case 'D':
    return 7; // DELETED
  default:
    return 8; // MODIFIED, BOOKMARK
  }
}

} // namespace

std::string_view object_of(std::string_view line) {
  line.remove_prefix(before_type.size() + size_of_type(line) + before_object.size());
  line.remove_suffix(2); // the brace and the line feed
  return line;
}

bool is_in_namespace(std::string_view name, std::string_view namespace_name) {
  return namespace_name.empty() || (name.size() > namespace_name.size() &&
                                    name[namespace_name.size()] == '/' && name.starts_with(namespace_name));
}

void collection::append(const std::string& name, std::string_view line, std::uint64_t version,
                        std::uint32_t place) {
  auto [found, is_new] = numbers_.try_emplace(name, static_cast<std::uint32_t>(names_.size()));
  if (is_new) {
    names_.push_back(name);
    latest_.push_back(none);
  }
  log_.push_back({line, version, found->second, place});
}

void collection::show_next(bool of_start) {
  const auto& next = log_[visible_];
  auto is_gone = next.line[before_type.size()] == 'D';
  latest_[next.object] = is_gone ? none : static_cast<std::uint32_t>(visible_);
  ++visible_;
  if (of_start)
    of_start_ = visible_;
  else
    version_ = next.version;
}

std::size_t collection::after(std::uint64_t version) const {
  auto begin = log_.begin();
  auto found = std::upper_bound(
      begin + static_cast<std::ptrdiff_t>(of_start_), begin + static_cast<std::ptrdiff_t>(visible_), version,
      [](std::uint64_t wanted, const event& each) { return wanted < each.version; });
  return static_cast<std::size_t>(found - begin);
}

const collection::event* collection::find(const std::string& name) const {
  auto found = numbers_.find(name);
  if (found == numbers_.end() || latest_[found->second] == none)
    return nullptr;
  return &log_[latest_[found->second]];
}

collection::snapshot collection::objects(std::string_view namespace_name) const {
  snapshot out;
  for (auto place : latest_)
    if (place != none && is_in_namespace(name_of(log_[place]), namespace_name))
      out.push_back(place);
  std::sort(out.begin(), out.end(), [this](std::uint32_t one, std::uint32_t other) {
    return name_of(log_[one]) < name_of(log_[other]);
  });
  return out;
}

} // namespace tc::storm
