#pragma once

// What one `Trace` resource remembers where only messages tell (assembly_options::messages_only): the recent
// ones, bounded. Any message may decide what any other is about, so each open change has all of them as its
// evidence.

#include "trace/assemble.hpp"

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace tc::trace {

class message_estate {
public:
  message_estate(assembly_options options, std::size_t max_facts, std::size_t max_bytes)
      : options_(std::move(options)), max_facts_(max_facts), max_bytes_(max_bytes) {}

  /// Takes a message in. Returns the open changes, with those that it makes known or of which it tells
  /// something new. One analysis of all that is retained.
  std::vector<std::string> observe(const observation_ptr& fact);

  /// Returns all that is retained.
  std::vector<observation_ptr> evidence() const { return {facts_.begin(), facts_.end()}; }

  void forget(const std::string& key) { open_.erase(key); }

  std::size_t size() const { return facts_.size(); }
  std::size_t byte_size() const { return bytes_; }

private:
  bool remember(const observation_ptr& fact);
  void note_changes();

  assembly_options options_;
  std::size_t max_facts_;
  std::size_t max_bytes_;
  std::deque<observation_ptr> facts_;
  std::unordered_set<std::string> known_; ///< identities
  std::size_t bytes_ = 0;
  std::map<std::string, std::set<std::string>> told_; ///< of each change, what has been told of it
  std::set<std::string> open_;
};

} // namespace tc::trace
