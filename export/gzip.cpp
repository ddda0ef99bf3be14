#include "export/gzip.hpp"

#include <zlib.h>

#include <limits>
#include <memory>
#include <new>

namespace tc::exporting {

namespace {

constexpr int gzip_window = 15 + 16; // 32 KiB, with a gzip header

Bytef* bytes(const char* data) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(data)); // zlib does not write its input
}

} // namespace

std::string gzip(std::string_view text, int level) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc{};
  std::unique_ptr<z_stream, int (*)(z_stream*)> guard{&stream, &deflateEnd};
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
  // One call is enough for what fits the 32-bit counters; batches are far smaller.
  if (text.size() > std::numeric_limits<uInt>::max() || out.size() > std::numeric_limits<uInt>::max())
    throw std::bad_alloc{};
  stream.next_in = bytes(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = bytes(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  return out;
}

std::optional<std::string> gunzip(std::string_view text, std::size_t limit) {
  z_stream stream{};
  if (inflateInit2(&stream, gzip_window) != Z_OK)
    throw std::bad_alloc{};
  std::unique_ptr<z_stream, int (*)(z_stream*)> guard{&stream, &inflateEnd};
  stream.next_in = bytes(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  std::string out, piece(std::size_t{64} << 10, '\0');
  for (;;) {
    stream.next_out = bytes(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    auto code = inflate(&stream, Z_NO_FLUSH);
    auto made = piece.size() - stream.avail_out;
    if (out.size() + made > limit)
      return std::nullopt;
    out.append(piece, 0, made);
    if (code == Z_STREAM_END)
      return out;
    if (code != Z_OK || (made == 0 && stream.avail_in == 0))
      return std::nullopt;
  }
}

} // namespace tc::exporting
