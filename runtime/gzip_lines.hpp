#pragma once

// Reads JSON Lines from a file, plain or gzip, whichever its first bytes say. A plain file is mapped, so
// reading it costs no copy. What a line means is the reader's business.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace tc::runtime {

struct numbered_line {
  std::string_view text;    ///< without its end; never empty
  std::uint64_t number = 0; ///< in the file, from 1; empty lines count but are skipped
};

class line_reader {
public:
  /// Readable bytes after every line that next() returns, for parsers that look ahead (simdjson's
  /// SIMDJSON_PADDING).
  static constexpr std::size_t padding = 64;

  struct settings {
    /// Longer lines are an error; an API server refuses objects far below that.
    std::size_t longest_line = std::size_t{64} << 20;
    /// Keep every line valid for as long as the reader lives. Costs the memory of the inflated file, nothing
    /// for a plain one.
    bool hold_all = false;
    std::string name = {}; ///< what errors call the file, "" for its path
  };

  /// Opens a file. Errors name the path, and the line where there is one: "stream.jsonl.gz:17: …".
  static tl::expected<line_reader, std::string> open(const std::string& path, settings with);
  static tl::expected<line_reader, std::string> open(const std::string& path);

  line_reader(line_reader&&) noexcept;
  line_reader& operator=(line_reader&&) noexcept;
  ~line_reader();

  /// Returns the next line, or nothing at the end. Without hold_all the text of a gzip file is valid until
  /// the next call; that of a plain file as long as the reader lives. After an error there is nothing more to
  /// read.
  tl::expected<std::optional<numbered_line>, std::string> next();

  /// Returns how much of the file has been read, in bytes of the file as it is, for a progress line.
  std::uint64_t bytes_read() const;

  /// Returns the size of the file; 0 when it is no regular file.
  std::uint64_t bytes_total() const;

private:
  class source;

  explicit line_reader(std::unique_ptr<source> made);

  std::unique_ptr<source> source_;
};

} // namespace tc::runtime
