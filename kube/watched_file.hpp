#pragma once

// A small file that others replace while we run: a token, a key, a certificate.

#include "messages/time.hpp"

#include <tl/expected.hpp>

#include <cstdint>
#include <string>

namespace tc::kube {

/// Returns the file's text, or what is wrong ("No such file or directory").
tl::expected<std::string, std::string> read_small_file(const std::string& path);

class watched_file {
public:
  explicit watched_file(std::string path = {}) : path_(std::move(path)) {}

  /// Returns the text. It is read again when the file has changed or the last reading is a minute old
  /// (kubelet swaps links, and some file systems keep no fine times). When the file has gone for now, the
  /// last text still counts.
  tl::expected<std::string, std::string> text(timestamp now);

  /// Reads again at the next text().
  void forget() { known_ = false; }
  const std::string& path() const { return path_; }

private:
  std::string path_;
  bool known_ = false;
  bool had_text_ = false;
  timestamp read_at_;
  std::uint64_t inode_ = 0;
  std::int64_t size_ = 0;
  std::int64_t changed_ = 0;
  std::string text_;
};

} // namespace tc::kube
