#include "runtime/options.hpp"
#include "export/environment.hpp"
#include "runtime/options_file.hpp"
#include "tests/fuzz/targets.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tc::fuzz {

/// First a line of arguments, then the file that --config names; its lines are the environment as well.
void options(std::string_view bytes) {
  auto end = bytes.find('\n');
  auto line = bytes.substr(0, end);
  std::string file{end == std::string_view::npos ? std::string_view{} : bytes.substr(end + 1)};
  runtime::parse_options_file(file);

  std::vector<std::string> words{"trace-controller"};
  for (std::size_t at = 0; at <= line.size();) {
    auto space = std::min(line.find(' ', at), line.size());
    words.emplace_back(line.substr(at, space - at));
    at = space + 1;
  }
  std::vector<const char*> arguments;
  for (const auto& word : words)
    arguments.push_back(word.c_str());
  runtime::surroundings outside;
  outside.environment = [](std::string_view) { return std::nullopt; };
  outside.read_file = [&](const std::string&) { return file; };
  outside.unreadable = [](const std::string&) { return std::nullopt; };
  auto parsed = runtime::parse(static_cast<int>(arguments.size()), arguments.data(), outside, {true});
  if (!parsed)
    expect(!parsed.error().message.empty(), "a refusal says why");
  else if (auto* run = std::get_if<runtime::run_options>(&*parsed))
    runtime::effective_values(*run);

  auto environment = exporting::read_export_environment([&](const char* name) -> std::optional<std::string> {
    auto at = file.find(std::string{name} + '=');
    if (at == std::string::npos || (at > 0 && file[at - 1] != '\n'))
      return std::nullopt;
    at = file.find('=', at) + 1;
    return file.substr(at, file.find('\n', at) - at);
  });
  exporting::address_of(environment);
}

} // namespace tc::fuzz
