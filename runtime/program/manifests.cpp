#include "runtime/program/manifests.hpp"

#include "kube/decode/decode.hpp"
#include "runtime/program/yaml_documents.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace tc::runtime {

namespace {

/// Returns a member that should be a text, "" where it is anything else.
std::string text_at(const nlohmann::json& object, const char* key) {
  auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

/// Text of a document, whatever bytes stand in it.
std::string text_of(const nlohmann::json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// What the API server would have added.
void complete_metadata(nlohmann::json& document, std::size_t number) {
  auto& metadata = document["metadata"];
  if (!metadata.is_object())
    metadata = nlohmann::json::object();
  if (!metadata.contains("namespace"))
    metadata["namespace"] = "default";
  if (!metadata.contains("uid"))
    metadata["uid"] = "manifest-" + std::to_string(number);
  if (!metadata.contains("generation"))
    metadata["generation"] = 1;
}

/// A field that the API server would not know: kubectl refuses it, so that a typo is not taken for a setting.
std::optional<std::string> unknown_field(const nlohmann::json& object, const std::string& place,
                                         std::initializer_list<std::string_view> known) {
  if (!object.is_object())
    return std::nullopt;
  for (const auto& [key, value] : object.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      return std::string{"field '"}.append(place).append(1, '.').append(key).append(
          "' is unknown; docs/trace-api.md lists the fields");
  return std::nullopt;
}

std::optional<std::string> unknown_field_of_trace(const nlohmann::json& trace) {
  auto spec = trace.value("spec", nlohmann::json::object());
  if (auto problem = unknown_field(spec, "spec",
                                   {"providerRef", "eventSources", "inclusionList", "exclusionList",
                                    "sampling", "export", "settleAfter", "timeout", "scope", "attributes",
                                    "suspend", "includeDrift", "includeUnused"}))
    return problem;
  if (!spec.is_object())
    return std::nullopt;
  if (auto problem = unknown_field(spec.value("sampling", nlohmann::json{}), "spec.sampling",
                                   {"ratio", "keepErrors", "keepSlowerThan", "keepChanged"}))
    return problem;
  auto sources = spec.value("eventSources", nlohmann::json::array());
  for (std::size_t i = 0; sources.is_array() && i < sources.size(); ++i)
    if (auto problem = unknown_field(sources[i], "spec.eventSources[" + std::to_string(i) + ']',
                                     {"apiVersion", "kind", "name", "namespace", "matchLabels"}))
      return problem;
  return std::nullopt;
}

} // namespace

tl::expected<void, std::string> read_manifests(const std::string& file, const std::string& text,
                                               manifests& into) {
  auto documents = yaml_documents(text);
  if (!documents)
    return tl::unexpected(file + ": " + documents.error());
  kube::decoder decoder;
  for (std::size_t i = 0; i < documents->size(); ++i) {
    auto& document = (*documents)[i];
    if (!document.is_object())
      continue;
    auto where = file + ", document " + std::to_string(i + 1) + ": ";
    auto kind = text_at(document, "kind");
    if (kind.empty())
      return tl::unexpected(where + "field 'kind' is missing or no text; this is no Kubernetes manifest");
    complete_metadata(document, into.traces.size() + into.providers.size() + 1);
    if (kind == "Trace") {
      auto decoded = decoder.decode_trace(text_of(document));
      if (!decoded)
        return tl::unexpected(where + decoded.error().to_string());
      if (auto problem = unknown_field_of_trace(document))
        return tl::unexpected(where + *problem);
      into.traces.push_back(std::move(*decoded));
    } else if (kind == "Provider") {
      auto decoded = decoder.decode_provider(text_of(document));
      if (!decoded)
        return tl::unexpected(where + decoded.error().to_string());
      into.providers.push_back(std::move(*decoded));
    } else {
      into.skipped.push_back(kind + '/' + text_at(document["metadata"], "name"));
    }
  }
  return {};
}

} // namespace tc::runtime
