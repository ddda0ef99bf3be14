#pragma once

// Times in texts, moved to when the texts are played.

#include <chrono>
#include <string>

namespace tc::storm {

/// Moves every RFC 3339 time in UTC that stands in `text` from that place on; the text keeps its length.
class time_mover {
public:
  explicit time_mover(std::chrono::seconds by) : by_(by) {}
  void move(std::string& text, std::size_t from = 0);

private:
  std::chrono::seconds by_;
  std::string last_seen_, last_moved_; ///< texts hold the same second many times over
};

} // namespace tc::storm
