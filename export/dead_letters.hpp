#pragma once

// The folder of dead letters: traces that a backend refused for good, as OTLP/JSON that the OpenTelemetry
// Collector and any OTLP receiver can read, each with the reason beside it. Bounded in files and bytes; the
// oldest go first. Plain blocking file work without a thread: see runtime/program/dead_letter_writer.hpp.

#include "messages/span.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>

namespace tc::exporting {

struct dead_letter_limits {
  std::size_t files = 1000; ///< letters; each has a second file with its reason
  std::size_t bytes = std::size_t{64} << 20;
};

/// What was refused, and why. Holds no credential: the sink has taken them out of the message.
struct dead_letter {
  completed_trace_ptr trace; ///< with the refused spans only
  std::string provider;      ///< "namespace/name"
  std::string reason;        ///< a word, for metrics
  std::string message;       ///< what the backend said
  timestamp refused_at;
};

class dead_letter_folder {
public:
  struct put_result {
    std::string error;       ///< "" when it is written
    std::size_t removed = 0; ///< older letters that made room
  };

  explicit dead_letter_folder(std::filesystem::path folder, dead_letter_limits limits = {});

  /// Writes a letter, whole or not at all; afterwards it survives a loss of power. The folder is made when it
  /// is missing; what earlier processes left in it counts.
  put_result put(const dead_letter& letter);

  std::size_t letters() const { return known_.size(); }
  std::size_t bytes() const { return bytes_; }

private:
  struct known_letter {
    std::string stem; ///< of its two files
    std::size_t bytes = 0;
  };

  std::string open();
  bool remove_oldest();

  std::filesystem::path folder_;
  dead_letter_limits limits_;
  bool opened_ = false;
  std::uint64_t number_ = 0;
  std::deque<known_letter> known_; ///< oldest first
  std::size_t bytes_ = 0;
};

} // namespace tc::exporting
