#pragma once

// What goes wrong with the stand-in, and when: drawn from a seed, so that a run can be had again.

#include "bench/storm/chance.hpp"
#include "messages/time.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tc::storm {

enum class fault : std::uint8_t {
  cut,     ///< every watch is broken off
  stall,   ///< watches stay open and get nothing for a while
  expire,  ///< everything is compacted and every watch broken off, so that none can be resumed
  restart, ///< all connections are dropped, and nobody listens for a while
  slow,    ///< answers take longer for a while
};
inline constexpr std::array all_faults{fault::cut, fault::stall, fault::expire, fault::restart, fault::slow};

std::string_view to_string(fault which);
/// Reads "cut,stall". Nothing when a word is no fault.
std::optional<std::vector<fault>> parse_faults(std::string_view text);

struct planned_fault {
  fault which = fault::cut;
  duration lasts{0};
  duration delay{0}; ///< of each answer, for `slow`
};

class fault_plan {
public:
  /// `every`: mean time between two faults. Zero for none.
  fault_plan(std::uint64_t seed, duration every, std::vector<fault> kinds)
      : random_(seed), every_(every), kinds_(std::move(kinds)) {}

  bool is_empty() const { return every_ <= duration{0} || kinds_.empty(); }
  /// How long to wait for the next fault.
  duration pause() { return random_.about(every_); }
  planned_fault next() { return draw(kinds_[random_.below(kinds_.size())]); }
  planned_fault draw(fault which);

private:
  chance random_;
  duration every_;
  std::vector<fault> kinds_;
};

} // namespace tc::storm
