#pragma once

// Writes the protobuf wire format (protobuf.dev, "Encoding") into a string, field by field in the order of
// the calls. Knows no schema. It writes several times faster than generated messages do, because no message
// object is built first.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tc::exporting {

/// Returns how many bytes the varint takes.
constexpr std::size_t varint_size(std::uint64_t value) {
  std::size_t out = 1;
  for (; value >= 0x80; value >>= 7)
    ++out;
  return out;
}

class protobuf_writer {
public:
  explicit protobuf_writer(std::string& out) : out_(out) {
    // nop
  }

  void varint_field(std::uint32_t field, std::uint64_t value) {
    varint(field << 3 | 0);
    varint(value);
  }

  void fixed64_field(std::uint32_t field, std::uint64_t value) {
    varint(field << 3 | 1);
    little_endian(value, 8);
  }

  void fixed32_field(std::uint32_t field, std::uint32_t value) {
    varint(field << 3 | 5);
    little_endian(value, 4);
  }

  /// Strings, bytes, and messages that are encoded already.
  void bytes_field(std::uint32_t field, std::string_view value) {
    length_field(field, value.size());
    out_.append(value);
  }

  /// The head of a field whose `size` bytes the caller appends itself.
  void length_field(std::uint32_t field, std::size_t size) {
    varint(field << 3 | 2);
    varint(size);
  }

  /// Writes the message that `content` writes. Its length is known only afterwards: one byte is set aside for
  /// it, which is enough for most, and longer content moves up.
  template <class Content>
  void message_field(std::uint32_t field, Content&& content) {
    varint(field << 3 | 2);
    auto at = out_.size();
    out_.push_back('\0');
    content();
    auto size = out_.size() - at - 1;
    if (size >= 0x80)
      out_.insert(at, varint_size(size) - 1, '\0');
    for (; size >= 0x80; size >>= 7)
      out_[at++] = static_cast<char>(size | 0x80);
    out_[at] = static_cast<char>(size);
  }

private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      out_.push_back(static_cast<char>(value | 0x80));
    out_.push_back(static_cast<char>(value));
  }

  void little_endian(std::uint64_t value, std::size_t bytes) {
    char buffer[8];
    for (std::size_t i = 0; i < bytes; ++i)
      buffer[i] = static_cast<char>(value >> (8 * i));
    out_.append(buffer, bytes);
  }

  std::string& out_;
};

} // namespace tc::exporting
