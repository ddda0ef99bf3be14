#include "kube/reading_order.hpp"

#include <algorithm>

namespace tc::kube {

std::size_t reading_order::join(bool apart) {
  places_.emplace_back().apart = apart;
  return places_.size() - 1;
}

void reading_order::came(std::size_t watch, std::uint64_t version) {
  auto& here = places_[watch];
  here.version = version;
  here.came_at = clock_();
}

void reading_order::closed(std::size_t watch) {
  auto apart = places_[watch].apart;
  places_[watch] = {};
  places_[watch].apart = apart;
}

bool reading_order::may_read(std::size_t watch, bool room) {
  auto& here = places_[watch];
  here.held = true;
  if (!room)
    return false;
  auto now = clock_();
  if (is_ahead(here, now)) {
    here.waiting_since = here.waiting_since.value_or(now);
    if (now - *here.waiting_since < patience)
      return false;
  }
  here.held = false;
  here.waiting_since.reset();
  return true;
}

bool reading_order::is_ahead(const place& of, duration now) const {
  return std::any_of(places_.begin(), places_.end(), [&](const place& other) {
    return !other.apart && other.version != 0 && other.version + slack < of.version &&
           (other.held || now - other.came_at < a_moment);
  });
}

} // namespace tc::kube
