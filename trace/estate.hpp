#pragma once

// What one `Trace` resource remembers between changes: recent facts, bounded, and an index that tells which
// changes a new fact concerns. It seeds the ledger of each change; conclusions are drawn in assemble.hpp.

#include "trace/assemble.hpp"

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace tc::trace {

struct estate_limits {
  std::size_t facts = 4096;                  ///< recent facts kept beside the latest state of each object
  std::size_t bytes = std::size_t{64} << 20; ///< of those
};

class estate {
public:
  explicit estate(assembly_options options, estate_limits limits = {});
  ~estate();
  estate(estate&&) noexcept;
  estate& operator=(estate&&) noexcept;

  /// Takes a fact in. Returns the keys of the changes it concerns: open ones, and ones it makes known. A
  /// change is open from when it is first returned until forget().
  std::vector<std::string> observe(const observation_ptr& fact);

  /// Returns all that is retained and concerns the change: the seed of its ledger.
  std::vector<observation_ptr> evidence(const std::string& key) const;

  /// Returns the open changes to which older facts have come to belong since the last call, because a later
  /// fact showed the connection (watches of different kinds interleave freely): add evidence(key) to their
  /// ledgers once more. Facts that a ledger has already are no harm.
  std::vector<std::string> take_reseeds();

  /// Closes a change: facts are no longer reported for it unless one makes it known anew.
  void forget(const std::string& key);

  /// Returns how many facts are retained, and about how many bytes they hold.
  std::size_t size() const;
  std::size_t byte_size() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace tc::trace
