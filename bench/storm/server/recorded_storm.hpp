#pragma once

// A recorded storm as the stand-in serves it: every watch event encoded as it will be sent, with its times
// moved, in one mapped file for each resource.

#include "bench/storm/server/collection.hpp"
#include "messages/time.hpp"
#include "runtime/mapped_file.hpp"

#include <tl/expected.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tc::storm {

struct recorded_storm {
  std::vector<std::unique_ptr<collection>> collections;
  std::vector<runtime::mapped_file> texts;
  /// The storm's course, in order: whose event comes next, and when it came in the recording, moved.
  std::vector<std::uint8_t> course;
  std::vector<timestamp> times;
  std::uint64_t version = 0; ///< of the state before the course begins
};

/// Reads FOLDER/stream.jsonl. What comes before a resource's first bookmark is its state at the start. All
/// times move by `by`. The error names the file and the line.
tl::expected<recorded_storm, std::string> load_storm(const std::string& folder, std::chrono::seconds by);

/// Returns when the first and the last line of FOLDER/stream.jsonl after the initial state were received.
tl::expected<std::pair<timestamp, timestamp>, std::string> course_of(const std::string& folder);

/// Copies a file of the folder with its times moved; an absent file is no error.
tl::expected<void, std::string> copy_moved(const std::string& from, const std::string& to,
                                           std::chrono::seconds by);

} // namespace tc::storm
