#pragma once

// The little that we look at in credentials ourselves: base64 and the end of a certificate's validity.

#include "messages/time.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tc::kube {

/// Decodes base64 with or without line breaks. Returns nothing when the text is not base64.
std::optional<std::string> decode_base64(std::string_view text);

/// Returns base64 without line breaks.
std::string encode_base64(std::string_view bytes);

/// Returns when the first certificate of a PEM text ends, or nothing when there is none in it.
std::optional<timestamp> certificate_end(const std::string& pem);

} // namespace tc::kube
