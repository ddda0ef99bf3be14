#include "runtime/program/yaml_documents.hpp"

#include <yaml-cpp/yaml.h>

namespace tc::runtime {

namespace {

/// YAML's plain scalars become what Kubernetes' YAML reader makes of them; quoted ones stay texts.
nlohmann::json json_of_scalar(const YAML::Node& node) {
  const auto& text = node.Scalar();
  if (node.Tag() == "!")
    return text;
  // YAML 1.1, as Kubernetes reads it.
  for (const auto* yes : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
    if (text == yes)
      return true;
  for (const auto* no : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
    if (text == no)
      return false;
  for (const auto* nothing : {"", "~", "null", "Null", "NULL"})
    if (text == nothing)
      return nullptr;
  auto number = nlohmann::json::parse(text, nullptr, false);
  return number.is_number() ? number : nlohmann::json(text);
}

nlohmann::json json_of(const YAML::Node& node) {
  switch (node.Type()) {
  case YAML::NodeType::Scalar:
    return json_of_scalar(node);
  case YAML::NodeType::Sequence: {
    auto out = nlohmann::json::array();
    for (const auto& item : node)
      out.push_back(json_of(item));
    return out;
  }
  case YAML::NodeType::Map: {
    auto out = nlohmann::json::object();
    for (const auto& item : node)
      out[item.first.Scalar()] = json_of(item.second);
    return out;
  }
  default:
    return nullptr;
  }
}

} // namespace

tl::expected<std::vector<nlohmann::json>, std::string> yaml_documents(const std::string& text) {
  try {
    std::vector<nlohmann::json> out;
    for (const auto& document : YAML::LoadAll(text))
      out.push_back(json_of(document));
    return out;
  } catch (const YAML::Exception& error) {
    return tl::unexpected(std::string{"not valid YAML: "} + error.what());
  }
}

} // namespace tc::runtime
