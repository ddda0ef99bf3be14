#pragma once

// Writes the protobuf wire format (protobuf.dev, "Encoding") into a buffer of its own, field by field in the
// order of the calls. Knows no schema. It writes several times faster than generated messages do, because no
// message object is built first, and than into a std::string, because room is asked for once a field.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace tc::exporting {

/// Returns how many bytes the varint takes.
constexpr std::size_t varint_size(std::uint64_t value) {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}

/// Returns how many bytes a string, bytes or message field of that content takes. Field numbers below 16.
constexpr std::size_t length_field_size(std::size_t content) {
  return 1 + varint_size(content) + content;
}

class protobuf_writer {
public:
  /// `expected` is how many bytes will be written, roughly.
  explicit protobuf_writer(std::size_t expected = 256) { grow(expected); }

  std::size_t size() const { return static_cast<std::size_t>(end_ - buffer_.get()); }
  /// Returns what was written so far. Valid until more is.
  std::string_view text() const { return {buffer_.get(), size()}; }

  void varint_field(std::uint32_t field, std::uint64_t value) {
    make_room(2 * longest_varint);
    varint(field << 3 | 0);
    varint(value);
  }

  void fixed64_field(std::uint32_t field, std::uint64_t value) {
    make_room(longest_varint + 8);
    varint(field << 3 | 1);
    little_endian(value, 8);
  }

  void fixed32_field(std::uint32_t field, std::uint32_t value) {
    make_room(longest_varint + 4);
    varint(field << 3 | 5);
    little_endian(value, 4);
  }

  /// Strings, bytes, and messages that are encoded already.
  void bytes_field(std::uint32_t field, std::string_view value) {
    make_room(2 * longest_varint + value.size());
    varint(field << 3 | 2);
    varint(value.size());
    bytes(value);
  }

  /// The head of a field whose `size` bytes the caller appends itself.
  void length_field(std::uint32_t field, std::size_t size) {
    make_room(2 * longest_varint);
    varint(field << 3 | 2);
    varint(size);
  }

  /// Writes the message that `content` writes. Its length is known only afterwards: `expected_length_bytes`
  /// are set aside for it, and content of another length moves.
  template <std::size_t expected_length_bytes = 1, class Content>
  void message_field(std::uint32_t field, Content&& content) {
    make_room(2 * longest_varint);
    varint(field << 3 | 2);
    auto at = size(); // not a pointer: the buffer may move
    end_ += expected_length_bytes;
    content();
    auto length = size() - at - expected_length_bytes;
    auto needed = varint_size(length);
    if (needed != expected_length_bytes) {
      make_room(longest_varint);
      auto* from = buffer_.get() + at + expected_length_bytes;
      std::memmove(buffer_.get() + at + needed, from, length);
    }
    end_ = buffer_.get() + at;
    varint(length);
    end_ += length;
  }

private:
  static constexpr std::size_t longest_varint = 10;

  void make_room(std::size_t bytes) {
    if (static_cast<std::size_t>(limit_ - end_) < bytes)
      grow(bytes);
  }

  void grow(std::size_t bytes) {
    auto used = size();
    auto room = std::max(used + bytes, 2 * used);
    auto larger = std::make_unique_for_overwrite<char[]>(room);
    if (used > 0)
      std::memcpy(larger.get(), buffer_.get(), used);
    buffer_ = std::move(larger);
    end_ = buffer_.get() + used;
    limit_ = buffer_.get() + room;
  }

  // What follows writes into room that was made before.

  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      *end_++ = static_cast<char>(value | 0x80);
    *end_++ = static_cast<char>(value);
  }

  void little_endian(std::uint64_t value, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      *end_++ = static_cast<char>(value >> (8 * i));
  }

  void bytes(std::string_view value) {
    if (!value.empty()) // an empty view may point nowhere
      std::memcpy(end_, value.data(), value.size());
    end_ += value.size();
  }

  std::unique_ptr<char[]> buffer_;
  char* end_ = nullptr;
  char* limit_ = nullptr;
};

} // namespace tc::exporting
