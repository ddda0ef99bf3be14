#pragma once

// The status of Trace resources as JSON Patches (RFC 6902), with conditions the way Flux writes them
// (kstatus): Ready always, Reconciling and Stalled only while they are true. Remembers when each condition
// last changed.

#include "messages/actors.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace tc::runtime {

class status_patches {
public:
  /// Takes note of the conditions that a Trace object has when it is first seen, so that an unchanged one
  /// keeps its transition time over a restart of this process. Text that is not such an object is ignored.
  /// `by_another`: this process writes none itself, and takes over the latest.
  void seen(std::string_view trace_json, bool by_another = false);
  void gone(const std::string& uid);

  /// Returns the body of a JSON Patch on the status subresource, which another object of the same name
  /// refuses. Thread-safe, as seen() and gone() are.
  std::string patch_for(const trace_status& status, timestamp now);

private:
  struct known_condition {
    std::string status;
    std::string transition; ///< RFC 3339
  };

  static constexpr std::size_t most_gone = 256;

  std::mutex mutex_;
  std::deque<std::string> gone_; ///< UIDs of the latest Traces that were deleted
  std::map<std::string, std::map<std::string, known_condition>> conditions_; ///< by UID, by type
};

} // namespace tc::runtime
