#pragma once

// A recording, multiplied: copies with their own namespaces, UIDs and commits, moved in time, so that they
// are as many estates that change side by side. The text is rewritten in place, field by field of equal
// width.

#include "messages/time.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tc::bench {

class multiplied_recording {
public:
  /// Reads a recording's stream, plain or gzip. Throws when it cannot be read.
  explicit multiplied_recording(const std::string& path);

  /// Makes copy `number`, later by `shift` (whole seconds). Valid until the next call.
  void make_copy(std::size_t number, duration shift);

  std::size_t lines() const { return lines_.size(); }
  /// Returns a line of the copy made last, and when it arrived in it.
  std::string_view line(std::size_t index) const;
  timestamp received_at(std::size_t index, duration shift) const { return lines_[index].at + shift; }
  bool initial(std::size_t index) const { return lines_[index].initial; }
  /// Returns from the first line to the last.
  duration length() const;
  std::size_t bytes() const { return text_.size(); }

private:
  struct line_place {
    std::size_t first = 0;
    std::size_t size = 0;
    timestamp at;
    bool initial = false;
  };
  struct time_place {
    std::size_t first = 0;
    timestamp value;
  };

  std::string text_;
  std::vector<line_place> lines_;
  std::vector<time_place> times_;
  std::vector<std::size_t> digests_;    ///< first digit of a commit, digest or UID
  std::vector<std::size_t> namespaces_; ///< first letter of a namespace's name
  std::vector<std::pair<std::size_t, std::size_t>> namespace_sizes_;
};

} // namespace tc::bench
