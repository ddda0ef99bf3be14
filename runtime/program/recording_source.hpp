#pragma once

// A recording as observations in the order of their arrival: a stream of watch events and, if wanted, of HTTP
// events. Broken lines are skipped and told.

#include "kube/decode/decode.hpp"
#include "runtime/gzip_lines.hpp"
#include "runtime/program/recording.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tc::runtime {

/// What the lines of a recording are, read one after the other.
class recording_source {
public:
  /// The error names the flag, the file and the remedy. "" as `posts`: none.
  static tl::expected<recording_source, std::string> open(const std::string& stream,
                                                          const std::string& posts = {});

  struct item {
    observation_ptr fact;
    timestamp received_at;
    std::size_t lines = 0; ///< read so far
  };
  /// Returns the next observation in the order of arrival, or nothing at the end.
  std::optional<item> next();

  /// Returns how much of the stream has been read, 0 to 1.
  double fraction() const {
    auto total = stream_.bytes_total();
    return total == 0 ? 0 : static_cast<double>(stream_.bytes_read()) / static_cast<double>(total);
  }
  std::size_t lines() const { return lines_; }
  const std::vector<std::string>& problems() const { return problems_; }
  std::size_t broken() const { return broken_; }
  /// Returns whether any line of the stream was one of a recording.
  bool any_readable() const { return any_readable_; }
  const std::string& failure() const { return failure_; }
  /// Returns whether the stream shows no object's state, so that messages are all there is.
  bool messages_only() const { return messages_only_; }

private:
  std::optional<item> next_of_stream();
  void problem(const std::string& file, std::size_t line, const std::string& what);

  std::string stream_name_;
  line_reader stream_;
  initial_lines initial_;
  kube::decoder decoder_;
  std::vector<item> posts_; ///< by time
  std::size_t next_post_ = 0;
  std::optional<item> pending_;
  bool ended_ = false;
  std::size_t lines_ = 0;
  std::size_t broken_ = 0;
  bool any_readable_ = false;
  bool messages_only_ = true;
  std::vector<std::string> problems_;
  std::string failure_; ///< the file itself cannot be read further

  explicit recording_source(line_reader stream) : stream_(std::move(stream)) {}
};

} // namespace tc::runtime
