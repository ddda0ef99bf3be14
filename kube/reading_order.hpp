#pragma once

// In which order watches are read where there is more to read than is taken. Each kind has a watch of its
// own; what one object did shows in another a little later, so a kind whose watch is read far behind or far
// ahead of the others costs waits, memory and, at worst, causes that nobody remembers any more. Resource
// versions of one API server are in order across kinds: whoever is ahead waits for whoever is behind. Plain
// state; time comes from outside.

#include "messages/time.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace tc::kube {

/// On one thread, that of the reflectors.
class reading_order {
public:
  /// So far ahead is none.
  static constexpr std::uint64_t slack = 256;
  /// Of what was read a moment ago there is more, perhaps.
  static constexpr duration a_moment = std::chrono::milliseconds{50};
  /// Nobody waits longer for others: versions of a kind that the server keeps elsewhere mean nothing here.
  static constexpr duration patience = std::chrono::milliseconds{250};

  /// `clock` never goes back.
  explicit reading_order(std::function<duration()> clock) : clock_(std::move(clock)) {}

  /// Returns the number of one more watch; before any of them is read. For what the server may keep apart,
  /// with versions of its own, the others do not wait.
  std::size_t join(bool apart = false);
  /// What that watch brought has been read up to this version.
  void came(std::size_t watch, std::uint64_t version);
  /// It is not open: nobody waits for it.
  void closed(std::size_t watch);
  /// Asked when there is something to read. `room`: whether anything may be read at all.
  bool may_read(std::size_t watch, bool room);

private:
  struct place {
    std::uint64_t version = 0; ///< 0: not open, or nothing came yet
    duration came_at{};
    bool apart = false;
    bool held = false;                     ///< there is something to read
    std::optional<duration> waiting_since; ///< for others
  };

  bool is_ahead(const place& of, duration now) const;

  std::function<duration()> clock_;
  std::vector<place> places_;
};

} // namespace tc::kube
