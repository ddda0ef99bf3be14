#pragma once

// Under what a run hangs in the tree of its change. Internal to trace/.

#include "trace/analysis.hpp"

namespace tc::trace {

/// The place of a span: under an attempt's span, under a source's, or under the root.
struct parent_ref {
  std::optional<std::size_t> attempt;
  std::optional<object_id> source;
};

/// Finds parents within one change.
class parents {
public:
  parents(const analysis& all, const std::string& key, const change_facts& change);

  parent_ref of_attempt(std::size_t index) const;
  parent_ref of_waiting(const lingering& waiting) const;
  parent_ref of_source(const object_id& source) const;

  /// Returns the attempt of `owner` in this change under which what it applies hangs: the one whose log names
  /// the object; else the latest that started before `version`; else the first.
  std::optional<std::size_t> attempt_of_owner(const object_id& owner, const object_id& object,
                                              std::uint64_t version) const;

private:
  std::optional<std::size_t> applied_by(const attempt& run) const;

  const analysis& all_;
  const std::string& key_;
  std::map<object_id, std::vector<std::size_t>> attempts_;
  std::map<object_id, std::size_t> contents_; ///< of each source: its earliest content in this change
  std::map<object_id, std::size_t> failures_; ///< of each source: its earliest failed fetch in this change
};

} // namespace tc::trace
