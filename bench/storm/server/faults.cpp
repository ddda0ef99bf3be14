#include "bench/storm/server/faults.hpp"

namespace tc::storm {

using namespace std::chrono_literals;

std::string_view to_string(fault which) {
  switch (which) {
  case fault::cut:
    return "cut";
  case fault::stall:
    return "stall";
  case fault::expire:
    return "expire";
  case fault::restart:
    return "restart";
  case fault::slow:
    return "slow";
  }
  return "";
}

std::optional<std::vector<fault>> parse_faults(std::string_view text) {
  std::vector<fault> out;
  while (!text.empty()) {
    auto end = text.find(',');
    auto word = text.substr(0, end);
    auto before = out.size();
    for (auto each : all_faults)
      if (to_string(each) == word)
        out.push_back(each);
    if (out.size() == before)
      return std::nullopt;
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return out;
}

planned_fault fault_plan::draw(fault which) {
  switch (which) {
  case fault::cut:
  case fault::expire:
    return {which, 0s, 0s};
  case fault::stall:
    return {which, random_.between(500ms, 5s), 0s};
  case fault::restart:
    return {which, random_.between(200ms, 3s), 0s};
  case fault::slow:
    return {which, random_.between(1s, 5s), random_.between(50ms, 1s)};
  }
  return {};
}

} // namespace tc::storm
