#pragma once

// The little that we look at in certificates ourselves: the end of their validity.

#include "messages/time.hpp"

#include <optional>
#include <string>

namespace tc::kube {

/// Returns when the first certificate of a PEM text ends, or nothing when there is none in it.
std::optional<timestamp> certificate_end(const std::string& pem);

} // namespace tc::kube
