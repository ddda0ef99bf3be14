#pragma once

// Trace and Provider resources from YAML files, as `replay --manifests` takes them.

#include "messages/trace_spec.hpp"

#include <tl/expected.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace tc::runtime {

struct manifests {
  std::vector<trace_resource> traces;
  std::vector<provider_resource> providers;
  std::vector<std::string> skipped; ///< "Kind/name" of documents of other kinds
};

/// Reads every document of a YAML text and adds to `into`. The error names the file, the document and the
/// field.
tl::expected<void, std::string> read_manifests(const std::string& file, const std::string& text,
                                               manifests& into);

} // namespace tc::runtime
