#pragma once

// Cutting a stream of bytes into JSON texts without changing a byte of them: lines of a watch, items of a
// list, one member of an object. What the texts mean is not looked at here, and that they are valid JSON is
// for the parser to find out.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tc::kube {

/// Cuts a stream into lines. A line over the bound is skipped and reported when it ends.
class line_splitter {
public:
  /// `max_line` is in bytes.
  explicit line_splitter(std::size_t max_line) : max_line_(max_line) {}

  /// Calls `on_line` for each complete line that is not empty, `on_oversize` with the size of each that is
  /// too long. Stops early, dropping the rest, when either returns false.
  void feed(std::string_view piece, const std::function<bool(std::string_view)>& on_line,
            const std::function<bool(std::size_t)>& on_oversize);

  /// Returns what came after the last line end; "" within an oversize line.
  const std::string& rest() const { return buffer_; }
  void clear();

private:
  std::size_t max_line_;
  std::string buffer_;
  std::size_t skipped_ = 0; ///< bytes of an oversize line
};

/// Cuts the response to a list request, {"kind":…,"metadata":{…},"items":[…]}, into its items, in constant
/// memory.
class list_splitter {
public:
  /// `max_item` bounds an item and the metadata, in bytes.
  explicit list_splitter(std::size_t max_item) : max_item_(max_item) {}

  /// Calls `on_item` for each complete element of "items", `on_oversize` with the size of each that is too
  /// long.
  void feed(std::string_view piece, const std::function<void(std::string_view)>& on_item,
            const std::function<void(std::size_t)>& on_oversize);

  /// Returns whether the outermost object has been closed.
  bool complete() const { return complete_; }
  /// Returns whether there was an "items" member: a list, or null.
  bool has_items() const { return has_items_; }
  /// Returns the text of the outermost object's "metadata", "" before it was seen.
  const std::string& metadata() const { return metadata_; }

private:
  void byte(char c, const std::function<void(std::string_view)>& on_item,
            const std::function<void(std::size_t)>& on_oversize);
  void value_ended(const std::function<void(std::string_view)>& on_item,
                   const std::function<void(std::size_t)>& on_oversize);
  void keep(std::string_view text);
  bool in_items() const { return key_ == "items" && in_array_; }

  std::size_t max_item_;
  std::size_t depth_ = 0; ///< open braces and brackets
  bool in_string_ = false;
  bool escaped_ = false;
  bool reading_key_ = false;
  bool expect_key_ = false;
  bool in_array_ = false; ///< the outermost member's value is an array
  bool has_items_ = false;
  bool complete_ = false;
  std::string key_;      ///< of the outermost object's current member
  std::string value_;    ///< of the current item or metadata
  std::size_t size_ = 0; ///< of the same, also when it is not kept
  std::string metadata_;
};

/// Returns the text of a member of the outermost object, as written, or nothing. The text must be valid JSON.
std::optional<std::string_view> raw_member(std::string_view object, std::string_view key);

/// Returns the object with "kind" and "apiVersion" put first; each only if asked for.
std::string with_type(std::string_view object, std::string_view kind, std::string_view api_version);

} // namespace tc::kube
