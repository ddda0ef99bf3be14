#include "export/resource_groups.hpp"

#include <algorithm>

namespace tc::exporting {

namespace {

bool has_key(const std::vector<attribute>& attributes, std::string_view key) {
  return std::any_of(attributes.begin(), attributes.end(), [&](const attribute& x) { return x.key == key; });
}

std::vector<attribute> resource_attributes(std::string_view service, const std::vector<attribute>& of_trace,
                                           const encoder_options& options) {
  std::vector<attribute> out;
  out.push_back({"service.name", std::string{service}});
  for (const auto* source : {&of_trace, &options.resource_attributes})
    for (const auto& entry : *source)
      if (!has_key(out, entry.key))
        out.push_back(entry);
  return out;
}

} // namespace

resource_groups::resource_groups(std::span<const completed_trace_ptr> traces,
                                 const encoder_options& options) {
  // Traces of one Trace resource have equal attributes, so there are few distinct sets to search.
  std::vector<const std::vector<attribute>*> sets;
  std::map<std::pair<std::size_t, std::string_view>, std::uint32_t> known;
  std::string_view default_service =
      options.default_service.empty() ? "trace-controller" : std::string_view{options.default_service};
  assigned_.reserve(traces.size());
  for (const auto& trace : traces) {
    auto found = std::find_if(sets.begin(), sets.end(),
                              [&](const auto* set) { return *set == trace->resource_attributes; });
    auto set = static_cast<std::size_t>(found - sets.begin());
    if (found == sets.end())
      sets.push_back(&trace->resource_attributes);
    auto& groups_of_trace = assigned_.emplace_back();
    groups_of_trace.reserve(trace->spans.size());
    // And a trace has few services: looking through them is faster than the map.
    std::vector<std::pair<std::string_view, std::uint32_t>> services;
    for (const auto& span : trace->spans) {
      auto service = span.service.empty() ? default_service : std::string_view{span.service};
      auto seen = std::find_if(services.begin(), services.end(),
                               [&](const auto& one) { return one.first == service; });
      if (seen == services.end()) {
        auto [position, added] =
            known.try_emplace({set, service}, static_cast<std::uint32_t>(groups_.size()));
        if (added)
          groups_.push_back(
              {std::string{service}, resource_attributes(service, trace->resource_attributes, options)});
        seen = services.insert(services.end(), {service, position->second});
      }
      groups_of_trace.push_back(seen->second);
    }
  }
}

} // namespace tc::exporting
