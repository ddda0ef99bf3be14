#include "runtime/gzip_lines.hpp"

#include "runtime/mapped_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>
#include <zlib.h>

namespace tc::runtime {

namespace {

/// Closes a file descriptor.
class open_file {
public:
  explicit open_file(int descriptor) : descriptor_(descriptor) {
    // nop
  }
  open_file(open_file&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {
    // nop
  }
  open_file& operator=(open_file&&) = delete;
  ~open_file() {
    if (descriptor_ >= 0)
      close(descriptor_);
  }
  int get() const { return descriptor_; }

private:
  int descriptor_;
};

bool is_gzip(std::string_view text) {
  return text.size() >= 2 && text[0] == '\x1f' && text[1] == '\x8b';
}

/// Inflates gzip from memory, member after member: what was appended later is read too.
class inflater {
public:
  explicit inflater(std::string_view packed) : packed_(packed) {
    stream_ = std::make_unique<z_stream>();
    constexpr int gzip_window = 15 + 16; // zlib.h: 16 asks for gzip's header
    is_ready_ = inflateInit2(stream_.get(), gzip_window) == Z_OK;
  }
  ~inflater() {
    if (is_ready_)
      inflateEnd(stream_.get());
  }
  inflater(const inflater&) = delete;
  inflater& operator=(const inflater&) = delete;

  bool is_at_end() const { return is_ready_ && packed_.empty() && is_between_members_; }
  std::size_t left() const { return packed_.size(); }

  /// Fills `room` as far as it goes. Returns the bytes written, or what is wrong with the data, after all
  /// that was right before.
  tl::expected<std::size_t, std::string> read(char* room, std::size_t size) {
    if (!is_ready_)
      return tl::unexpected<std::string>("no memory to inflate");
    std::size_t written = 0;
    if (problem_.empty())
      written = fill(room, size);
    if (written == 0 && !problem_.empty())
      return tl::unexpected<std::string>(problem_);
    return written;
  }

private:
  /// Stops early at the end and at a problem.
  std::size_t fill(char* room, std::size_t size) {
    std::size_t written = 0;
    while (written < size && !is_at_end()) {
      if (is_between_members_) {
        if (!is_gzip(packed_)) {
          problem_ = "there is something after the end of the gzip data";
          break;
        }
        inflateReset(stream_.get());
      }
      is_between_members_ = false;
      constexpr std::size_t most = std::size_t{1} << 30; // zlib counts in unsigned int
      auto in = std::min(packed_.size(), most);
      auto out = std::min(size - written, most);
      stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed_.data()));
      stream_->avail_in = static_cast<uInt>(in);
      stream_->next_out = reinterpret_cast<Bytef*>(room + written);
      stream_->avail_out = static_cast<uInt>(out);
      auto result = inflate(stream_.get(), Z_NO_FLUSH);
      packed_.remove_prefix(in - stream_->avail_in);
      auto got = out - stream_->avail_out;
      written += got;
      if (result == Z_STREAM_END)
        is_between_members_ = true;
      else if (result == Z_BUF_ERROR || (result == Z_OK && packed_.empty() && got == 0))
        problem_ = "the gzip data ends early; the file was cut off, get it anew";
      else if (result != Z_OK)
        problem_ = std::string{"the gzip data is damaged ("} +
                   (stream_->msg != nullptr ? stream_->msg : "unknown") + ')';
      if (!problem_.empty())
        break;
    }
    return written;
  }

  std::string_view packed_;
  std::unique_ptr<z_stream> stream_;
  bool is_ready_ = false;
  bool is_between_members_ = false;
  std::string problem_; ///< found while there was still something to hand out
};

} // namespace

/// Cuts lines out of a window of the text: the whole of a plain or held file, else a piece that moves on.
class line_reader::source {
public:
  source(std::string path, settings with) : path_(std::move(path)), with_(std::move(with)) {
    // nop
  }

  tl::expected<void, std::string> open() {
    open_file file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC)};
    struct stat about {};
    if (file.get() < 0 || fstat(file.get(), &about) != 0)
      return problem(std::strerror(errno));
    if (S_ISDIR(about.st_mode))
      return problem("is a directory; name a file");
    if (S_ISREG(about.st_mode)) {
      total_ = static_cast<std::uint64_t>(about.st_size);
      auto mapped = mapped_file::map(file.get(), static_cast<std::size_t>(about.st_size), padding);
      if (!mapped)
        return problem(mapped.error());
      file_ = std::move(*mapped);
      raw_ = file_.content();
    } else if (auto read = read_pipe(file.get()); !read) {
      return read;
    }
    if (!is_gzip(raw_)) {
      window_ = raw_;
      return {};
    }
    inflater_ = std::make_unique<inflater>(raw_);
    while (with_.hold_all && !inflater_->is_at_end())
      if (auto more = inflate_more(); !more)
        return more;
    return {};
  }

  tl::expected<std::optional<numbered_line>, std::string> next() {
    if (has_failed_)
      return std::optional<numbered_line>{};
    while (true) {
      auto rest = window_.substr(position_);
      auto end = rest.substr(std::min(searched_, rest.size())).find('\n');
      if (end == std::string_view::npos && can_grow()) {
        searched_ = rest.size();
        if (rest.size() > with_.longest_line)
          return too_long();
        if (auto more = inflate_more(); !more)
          return tl::unexpected<std::string>(more.error());
        continue;
      }
      if (rest.empty())
        return std::optional<numbered_line>{};
      ++number_;
      auto length = end == std::string_view::npos ? rest.size() : searched_ + end;
      searched_ = 0;
      position_ += std::min(length + 1, rest.size());
      auto line = rest.substr(0, length);
      if (line.size() > with_.longest_line) {
        --number_;
        return too_long();
      }
      if (line.ends_with('\r'))
        line.remove_suffix(1);
      if (!line.empty())
        return std::optional{numbered_line{line, number_}};
    }
  }

  std::uint64_t bytes_read() const {
    return inflater_ && !with_.hold_all ? raw_.size() - inflater_->left()
           : window_.empty()            ? raw_.size()
                                        : static_cast<std::uint64_t>(static_cast<double>(position_) /
                                                          static_cast<double>(window_.size()) *
                                                          static_cast<double>(raw_.size()));
  }

  std::uint64_t bytes_total() const { return total_; }

private:
  tl::unexpected<std::string> problem(const std::string& what) {
    has_failed_ = true;
    const auto& name = with_.name.empty() ? path_ : with_.name;
    auto place = number_ > 0 ? name + ':' + std::to_string(number_ + 1) : name;
    return tl::unexpected<std::string>(place + ": " + what);
  }

  tl::unexpected<std::string> too_long() {
    return problem("the line is longer than " + std::to_string(with_.longest_line) +
                   " bytes; this is no recording of a cluster");
  }

  bool can_grow() const { return inflater_ && !inflater_->is_at_end(); }

  /// What is no regular file, a pipe for example, cannot be mapped: it is read into memory.
  tl::expected<void, std::string> read_pipe(int descriptor) {
    std::array<char, 65536> piece{};
    while (true) {
      auto got = read(descriptor, piece.data(), piece.size());
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return problem(std::strerror(errno));
      if (got == 0)
        break;
      piped_.insert(piped_.end(), piece.data(), piece.data() + got);
    }
    auto size = piped_.size();
    piped_.resize(size + padding);
    raw_ = {piped_.data(), size};
    return {};
  }

  /// Appends inflated text to the window; without hold_all what has been read makes room.
  tl::expected<void, std::string> inflate_more() {
    constexpr std::size_t piece = std::size_t{256} << 10;
    auto used = window_.size();
    if (!with_.hold_all && position_ > 0) {
      used -= position_;
      std::memmove(inflated_.data(), inflated_.data() + position_, used);
      position_ = 0;
    }
    // Grows by doubling, so that a long line is not copied again and again.
    if (inflated_.size() < used + piece + padding)
      inflated_.resize(std::max(inflated_.size() * 2, used + piece + padding));
    auto got = inflater_->read(inflated_.data() + used, piece);
    if (!got)
      return problem(got.error());
    window_ = {inflated_.data(), used + *got};
    return {};
  }

  std::string path_;
  settings with_;
  mapped_file file_;
  std::vector<char> piped_;
  std::string_view raw_; ///< the file as it is
  std::unique_ptr<inflater> inflater_;
  std::vector<char> inflated_; ///< ends with padding
  std::string_view window_;    ///< of the text
  std::size_t position_ = 0;   ///< of the next line in the window
  std::size_t searched_ = 0;   ///< bytes from there on that hold no line end
  std::uint64_t number_ = 0;
  std::uint64_t total_ = 0;
  bool has_failed_ = false;
};

tl::expected<line_reader, std::string> line_reader::open(const std::string& path, settings with) {
  auto made = std::make_unique<source>(path, std::move(with));
  if (auto opened = made->open(); !opened)
    return tl::unexpected<std::string>(opened.error());
  return line_reader{std::move(made)};
}

tl::expected<line_reader, std::string> line_reader::open(const std::string& path) {
  return open(path, settings{});
}

line_reader::line_reader(std::unique_ptr<source> made) : source_(std::move(made)) {
  // nop
}

line_reader::line_reader(line_reader&&) noexcept = default;
line_reader& line_reader::operator=(line_reader&&) noexcept = default;
line_reader::~line_reader() = default;

tl::expected<std::optional<numbered_line>, std::string> line_reader::next() {
  return source_->next();
}

std::uint64_t line_reader::bytes_read() const {
  return source_->bytes_read();
}

std::uint64_t line_reader::bytes_total() const {
  return source_->bytes_total();
}

} // namespace tc::runtime
