#pragma once

// Observations of an open change that are put away until it is judged: they take little memory, or none. How
// they are encoded and where they lie is the business of who wires the process.

#include "messages/actors.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace tc::actors {

class packed_facts {
public:
  packed_facts() = default;
  virtual ~packed_facts() = default;
  packed_facts(const packed_facts&) = delete;
  packed_facts& operator=(const packed_facts&) = delete;

  /// Returns the observations in their order; nothing when they are lost.
  virtual std::optional<observation_batch> unpack() const = 0;
  /// Returns what the observations are known by, as it was given; nothing when it is lost.
  virtual std::optional<std::vector<std::size_t>> prints() const = 0;
  /// Returns how many bytes of memory it takes.
  virtual std::size_t memory() const = 0;
};

using packed_facts_ptr = std::shared_ptr<const packed_facts>;
/// Never fails: what cannot be put elsewhere stays in memory. `prints` are kept beside the observations, for
/// who asks whether one is there.
using fact_packer =
    std::function<packed_facts_ptr(const observation_batch&, const std::vector<std::size_t>& prints)>;

} // namespace tc::actors
