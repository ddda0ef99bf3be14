#include "runtime/program/fact_packing.hpp"

#include "export/gzip.hpp"
#include "runtime/store/codec.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace tc::runtime {

namespace {

/// What is given back to the disk is given back in blocks.
constexpr std::size_t block = 4096;

constexpr std::size_t whole_blocks(std::size_t size) {
  return (size + block - 1) / block * block;
}

std::string text_of(const observation_batch& facts) {
  std::string out;
  for (const auto& fact : facts) {
    auto bytes = store::encode(*fact);
    auto size = static_cast<std::uint32_t>(bytes.size());
    out.append(reinterpret_cast<const char*>(&size), sizeof size);
    out += bytes;
  }
  return out;
}

std::optional<observation_batch> facts_in(std::string_view text) {
  observation_batch out;
  while (!text.empty()) {
    std::uint32_t size = 0;
    if (text.size() < sizeof size)
      return std::nullopt;
    std::memcpy(&size, text.data(), sizeof size);
    text.remove_prefix(sizeof size);
    if (text.size() < size)
      return std::nullopt;
    auto fact = store::decode_observation(text.substr(0, size));
    if (!fact)
      return std::nullopt;
    out.push_back(std::make_shared<observation>(std::move(*fact)));
    text.remove_prefix(size);
  }
  return out;
}

class packed : public actors::packed_facts {
public:
  packed(std::shared_ptr<spill_file> file, const observation_batch& facts, std::vector<std::size_t> prints)
      : file_(std::move(file)) {
    auto text = text_of(facts);
    size_ = text.size();
    bytes_ = exporting::gzip(text);
    if (file_)
      piece_ = file_->write(bytes_);
    if (piece_)
      bytes_ = {};
    bytes_.shrink_to_fit(); // the compressor reckons with the worst
    count_ = prints.size();
    if (piece_)
      prints_piece_ =
          file_->write({reinterpret_cast<const char*>(prints.data()), count_ * sizeof(std::size_t)});
    if (!prints_piece_)
      prints_ = std::move(prints);
  }
  ~packed() override {
    if (piece_)
      file_->release(*piece_);
    if (prints_piece_)
      file_->release(*prints_piece_);
  }
  packed(const packed&) = delete;
  packed& operator=(const packed&) = delete;

  std::optional<observation_batch> unpack() const override {
    auto from_disk = piece_ ? file_->read(*piece_) : std::optional<std::string>{};
    if (piece_ && !from_disk)
      return std::nullopt;
    auto text = exporting::gunzip(from_disk ? *from_disk : bytes_, size_);
    return text ? facts_in(*text) : std::nullopt;
  }

  std::optional<std::vector<std::size_t>> prints() const override {
    if (!prints_piece_)
      return prints_;
    auto bytes = file_->read(*prints_piece_);
    auto size = count_ * sizeof(std::size_t);
    if (!bytes || bytes->size() != size)
      return std::nullopt;
    std::vector<std::size_t> out(count_);
    std::memcpy(out.data(), bytes->data(), size);
    return out;
  }

  std::size_t memory() const override {
    return sizeof *this + bytes_.capacity() + prints_.capacity() * sizeof(std::size_t);
  }

private:
  std::shared_ptr<spill_file> file_;
  std::string bytes_;
  std::optional<spill_file::piece> piece_;
  std::size_t size_ = 0; ///< uncompressed
  std::vector<std::size_t> prints_;
  std::optional<spill_file::piece> prints_piece_;
  std::size_t count_ = 0; ///< of prints
};

} // namespace

std::shared_ptr<spill_file> spill_file::in(const std::string& folder, std::size_t limit) {
  auto name = folder + "/open-changes.XXXXXX"; // for a moment: a file system may know no files without one
  auto file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0)
    return nullptr;
  ::unlink(name.c_str());
  return std::shared_ptr<spill_file>{new spill_file{file, limit}};
}

spill_file::~spill_file() {
  ::close(file_);
}

std::optional<spill_file::piece> spill_file::write(std::string_view bytes) {
  std::lock_guard guard{mutex_};
  auto room = whole_blocks(bytes.size());
  if (bytes.empty() || taken_ + room > limit_)
    return std::nullopt;
  for (std::size_t done = 0; done < bytes.size();) {
    auto wrote = ::pwrite(file_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(end_ + done));
    if (wrote <= 0) {
      if (wrote < 0 && errno == EINTR)
        continue;
      return std::nullopt; // what was written of it is written over
    }
    done += static_cast<std::size_t>(wrote);
  }
  piece out{end_, bytes.size()};
  end_ += room;
  taken_ += room;
  ++pieces_;
  return out;
}

std::optional<std::string> spill_file::read(const piece& what) const {
  std::string out(what.size, '\0');
  for (std::size_t done = 0; done < out.size();) {
    auto got = ::pread(file_, out.data() + done, out.size() - done, static_cast<off_t>(what.at + done));
    if (got <= 0) {
      if (got < 0 && errno == EINTR)
        continue;
      return std::nullopt;
    }
    done += static_cast<std::size_t>(got);
  }
  return out;
}

void spill_file::release(const piece& what) {
  std::lock_guard guard{mutex_};
  auto room = whole_blocks(what.size);
  if (--pieces_ == 0 && ::ftruncate(file_, 0) == 0) {
    end_ = 0;
    taken_ = 0;
  } else if (::fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(what.at),
                         static_cast<off_t>(room)) == 0) {
    taken_ -= room; // where that is not known, the room comes back with the last piece
  }
}

std::size_t spill_file::size() const {
  std::lock_guard guard{mutex_};
  return taken_;
}

actors::fact_packer make_fact_packer(std::shared_ptr<spill_file> file) {
  return [file = std::move(file)](const observation_batch& facts,
                                  const std::vector<std::size_t>& prints) -> actors::packed_facts_ptr {
    return std::make_shared<packed>(file, facts, prints);
  };
}

} // namespace tc::runtime
