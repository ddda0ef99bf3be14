#include "actors/message_filter.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <memory>

namespace tc::actors {

namespace {

using expressions = std::vector<std::unique_ptr<re2::RE2>>;

tl::expected<expressions, std::string> compile(std::string_view field,
                                               const std::vector<std::string>& texts) {
  expressions out;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto expression = std::make_unique<re2::RE2>(texts[i], options);
    if (!expression->ok())
      return tl::unexpected(std::string{field} + '[' + std::to_string(i) + "]: '" + texts[i] +
                            "' is not a valid RE2 expression: " + expression->error());
    out.push_back(std::move(expression));
  }
  return out;
}

bool any_matches(const expressions& list, std::string_view text) {
  re2::StringPiece piece{text.data(), text.size()};
  return std::any_of(list.begin(), list.end(),
                     [&](const auto& expression) { return re2::RE2::PartialMatch(piece, *expression); });
}

} // namespace

tl::expected<std::function<bool(std::string_view)>, std::string>
message_filter(const std::vector<std::string>& inclusion, const std::vector<std::string>& exclusion) {
  if (inclusion.empty() && exclusion.empty())
    return std::function<bool(std::string_view)>{};
  auto included = compile("spec.inclusionList", inclusion);
  if (!included)
    return tl::unexpected(included.error());
  auto excluded = compile("spec.exclusionList", exclusion);
  if (!excluded)
    return tl::unexpected(excluded.error());
  // std::function copies its target: the compiled expressions are shared.
  auto in = std::make_shared<expressions>(std::move(*included));
  auto out = std::make_shared<expressions>(std::move(*excluded));
  return [in, out](std::string_view text) {
    return (in->empty() || any_matches(*in, text)) && !any_matches(*out, text);
  };
}

} // namespace tc::actors
