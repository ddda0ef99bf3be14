#pragma once

// Randomness that gives the same storm for the same seed on every machine: the distributions of <random> may
// differ between libraries, its engines may not.

#include "messages/time.hpp"

#include <cmath>
#include <cstdint>
#include <random>
#include <string>

namespace tc::storm {

class chance {
public:
  explicit chance(std::uint64_t seed) : engine_(seed) {}

  /// Uniform in [0, 1).
  double share() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }
  bool with(double probability) { return share() < probability; }
  /// Uniform in [0, count).
  std::size_t below(std::size_t count) {
    return static_cast<std::size_t>(share() * static_cast<double>(count));
  }
  /// Uniform in [from, to).
  duration between(duration from, duration to) {
    return from + duration{static_cast<std::int64_t>(share() * static_cast<double>((to - from).count()))};
  }
  /// Exponential, as arrivals are that know nothing of each other.
  duration about(duration mean) {
    return duration{static_cast<std::int64_t>(-std::log(1.0 - share()) * static_cast<double>(mean.count()))};
  }
  /// That many hexadecimal digits.
  std::string hex(std::size_t digits) {
    static constexpr char digit[] = "0123456789abcdef";
    std::string out;
    while (out.size() < digits) {
      auto bits = engine_();
      for (int i = 0; i < 16 && out.size() < digits; ++i, bits >>= 4)
        out += digit[bits & 15];
    }
    return out;
  }

private:
  std::mt19937_64 engine_;
};

} // namespace tc::storm
