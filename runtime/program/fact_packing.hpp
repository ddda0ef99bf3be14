#pragma once

// What open changes know, while memory is short: encoded as in the data directory, compressed, and kept in a
// file without a name in that directory where there is one, else in memory. The file ends with the process: a
// restart knows the observations from the store.

#include "actors/packed_facts.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace tc::runtime {

/// A file without a name, of pieces that come and go.
class spill_file {
public:
  /// In that folder; null where no file can be made there. It takes no more than `limit` bytes.
  static std::shared_ptr<spill_file> in(const std::string& folder, std::size_t limit);
  ~spill_file();
  spill_file(const spill_file&) = delete;
  spill_file& operator=(const spill_file&) = delete;

  struct piece {
    std::uint64_t at = 0;
    std::size_t size = 0;
  };
  /// Returns nothing where the disk or the limit has no room for it.
  std::optional<piece> write(std::string_view bytes);
  /// Returns nothing when they cannot be read.
  std::optional<std::string> read(const piece& what) const;
  void release(const piece& what);
  /// Returns how many bytes of the disk it takes.
  std::size_t size() const;

private:
  spill_file(int file, std::size_t limit) : file_(file), limit_(limit) {}

  const int file_;
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::uint64_t end_ = 0;
  std::size_t taken_ = 0; ///< bytes that were not given back to the disk
  std::size_t pieces_ = 0;
};

/// Returns what packs observations into the file, or into memory where it is null or has no room.
actors::fact_packer make_fact_packer(std::shared_ptr<spill_file> file);

} // namespace tc::runtime
