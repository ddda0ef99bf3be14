#pragma once

// What one watch request gets, piece by piece; whoever sends it asks for more when the last piece is gone.

#include "bench/storm/server/collection.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tc::storm {

class watcher {
public:
  struct request {
    std::string namespace_name; ///< "" for all
    bool initial_events = false;
    bool bookmarks = false;
    std::uint64_t version = 0; ///< where initial_events is false
    /// Empty, or whether an object is wanted.
    std::function<bool(std::string_view object)> selects;
  };

  watcher(const collection& of, request wanted);

  /// Returns the next texts to send, about `most` bytes of them; none when nothing is due. They are valid
  /// until the next call.
  const std::vector<std::string_view>& next(std::size_t most);
  /// Returns a bookmark for now, or "" where none is wanted or something else is to be sent first.
  std::string bookmark() const;
  bool is_idle() const { return !initial_ && cursor_ >= from_.visible(); }
  /// Returns the place in the storm of the next event, or nothing where all has been sent.
  std::optional<std::uint32_t> next_place() const;
  const collection& of() const { return from_; }

private:
  void add(std::string_view line);
  bool wants(const collection::event& each) const;

  const collection& from_;
  request with_;
  std::optional<collection::snapshot> initial_;
  std::size_t initial_sent_ = 0;
  std::uint64_t initial_version_ = 0;
  std::size_t cursor_;
  std::vector<std::string_view> pieces_;
  std::string scratch_;
};

/// A bookmark; `initial_events_end` with the annotation that ends the initial events.
std::string bookmark_line(const collection& of, std::uint64_t version, bool initial_events_end);

} // namespace tc::storm
