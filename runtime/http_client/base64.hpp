#pragma once

// base64 (RFC 4648 §4), as headers and kubeconfigs have it.

#include <optional>
#include <string>
#include <string_view>

namespace tc::runtime {

/// Decodes base64 with or without line breaks. Returns nothing when the text is not base64.
std::optional<std::string> decode_base64(std::string_view text);

/// Returns base64 with padding and without line breaks.
std::string encode_base64(std::string_view bytes);

} // namespace tc::runtime
