#include "bench/storm/server/player.hpp"

#include <algorithm>

namespace tc::storm {

std::size_t player::due(clock now, std::size_t shown, std::optional<std::uint32_t> slowest) const {
  if (!begun_ || times_.empty())
    return shown;
  auto passed = std::chrono::duration<double>(now - *begun_).count();
  std::size_t out = 0;
  if (pace_.rate > 0) {
    out = static_cast<std::size_t>(passed * pace_.rate);
  } else if (pace_.speed > 0) {
    auto until = times_.front() + duration{static_cast<std::int64_t>(passed * pace_.speed * 1e9)};
    auto first_later =
        std::upper_bound(times_.begin() + static_cast<std::ptrdiff_t>(shown), times_.end(), until);
    out = static_cast<std::size_t>(first_later - times_.begin());
  } else {
    out = (slowest ? *slowest : shown) + pace_.window;
  }
  return std::clamp(out, shown, times_.size());
}

} // namespace tc::storm
