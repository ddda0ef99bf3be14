#pragma once

// Which spans share an OTLP resource: those of one service and one set of resource attributes. Used by the
// encoders; says nothing about any format.

#include "export/batch.hpp"

#include <map>
#include <utility>

namespace tc::exporting {

/// What a resource says: service.name first, then the trace's attributes, then those of the options whose
/// keys the trace does not have. Keys are unique.
struct resource_group {
  std::string service;
  std::vector<attribute> attributes;
};

/// Gives every span of a list of traces the index of its resource.
class resource_groups {
public:
  resource_groups(std::span<const completed_trace_ptr> traces, const encoder_options& options);

  /// Returns the group of span `position` of trace `index`.
  std::uint32_t of(std::size_t index, std::size_t position) const { return assigned_[index][position]; }
  const std::vector<resource_group>& all() const { return groups_; }

private:
  std::vector<resource_group> groups_;
  std::vector<std::vector<std::uint32_t>> assigned_;
};

} // namespace tc::exporting
