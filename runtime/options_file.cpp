#include "runtime/options_file.hpp"

#include <algorithm>
#include <yaml-cpp/yaml.h>

namespace tc::runtime {

tl::expected<std::vector<file_setting>, std::string> parse_options_file(const std::string& text) {
  std::vector<file_setting> out;
  auto failure = [](const YAML::Mark& mark, const std::string& message) {
    return tl::unexpected<std::string>(std::to_string(mark.line + 1) + ": " + message);
  };
  try {
    auto documents = YAML::LoadAll(text);
    if (documents.empty() || (documents.size() == 1 && documents[0].IsNull()))
      return out;
    if (documents.size() > 1)
      return tl::unexpected<std::string>("1: holds " + std::to_string(documents.size()) +
                                         " YAML documents; write one");
    const auto& root = documents[0];
    if (!root.IsMap())
      return failure(root.Mark(), "is no map; write one \"flag-name: value\" a line");
    for (const auto& entry : root) {
      if (!entry.first.IsScalar())
        return failure(entry.first.Mark(), "a key is no plain word; write the name of a flag without dashes");
      const auto& key = entry.first.Scalar();
      if (entry.second.IsNull())
        return failure(entry.first.Mark(), '"' + key + "\" has no value; give one, or remove the line");
      if (!entry.second.IsScalar())
        return failure(entry.first.Mark(), '"' + key + "\" holds a list or a map; give one value");
      if (std::any_of(out.begin(), out.end(), [&](const auto& x) { return x.key == key; }))
        return failure(entry.first.Mark(), '"' + key + "\" is given twice; remove one");
      out.push_back({key, entry.second.Scalar(), entry.first.Mark().line + 1});
    }
    return out;
  } catch (const YAML::Exception& problem) {
    return failure(problem.mark, "is not YAML: " + problem.msg);
  }
}

} // namespace tc::runtime
