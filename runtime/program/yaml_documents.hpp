#pragma once

// YAML texts as JSON, read as Kubernetes reads them.

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include <string>
#include <vector>

namespace tc::runtime {

/// Returns every document of the text, empty ones as null. The error says why it is no YAML.
tl::expected<std::vector<nlohmann::json>, std::string> yaml_documents(const std::string& text);

} // namespace tc::runtime
