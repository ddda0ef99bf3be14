#pragma once

// spec.inclusionList and spec.exclusionList of a Trace: which of Flux's messages become span events. The
// expressions are RE2's, as those of an Alert are.

#include <tl/expected.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tc::actors {

/// Returns whether a message passes: it matches one of `inclusion` (or there is none) and none of
/// `exclusion`. An empty function when both lists are empty. The error names the field, the expression and
/// what is wrong.
tl::expected<std::function<bool(std::string_view)>, std::string>
message_filter(const std::vector<std::string>& inclusion, const std::vector<std::string>& exclusion);

} // namespace tc::actors
