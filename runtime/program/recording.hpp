#pragma once

// A recording as replay reads it: the lines of a watch stream and of HTTP event posts, merged by the time of
// their arrival, decoded to observations. How lines get out of a file is gzip_lines.hpp's business.

#include "kube/decode/decode.hpp"
#include "messages/observation.hpp"

#include <tl/expected.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace tc::runtime {

/// What a line of a recording says before its object is decoded.
struct line_head {
  timestamp received_at;
  std::string_view type; ///< ADDED, …; "" for a post. Valid until the next line is read on this thread
  std::string_view kind; ///< of the object; "" for a post
  bool initial_events_end = false;
  std::string body; ///< of a post: its JSON
};

/// Reads the head of a line. The error says what is wrong with it.
tl::expected<line_head, std::string> read_line_head(std::string_view line);

/// Tells which lines are part of the first list: those of a kind whose bookmark with the annotation
/// k8s.io/initial-events-end comes later in the file. A recording without such bookmarks has none.
class initial_lines {
public:
  /// Looks for the bookmarks; call for each line of the file before the reading proper.
  void scan(std::string_view line);
  /// Returns whether that line is part of its kind's first list, and takes note of bookmarks.
  bool is_initial(const line_head& head);

private:
  std::unordered_set<std::string> listed_; ///< kinds whose bookmark is still to come
};

} // namespace tc::runtime
