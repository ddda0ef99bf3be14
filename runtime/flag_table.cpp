#include "runtime/flag_table.hpp"

#include <algorithm>
#include <charconv>

namespace tc::runtime {

namespace {

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t out = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || failure != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return out;
}

tl::expected<bool, std::string> to_bool(std::string_view text) {
  // The words of Go's strconv.ParseBool, which Flux's flags accept.
  for (auto* word : {"true", "True", "TRUE", "t", "T", "1"})
    if (text == word)
      return true;
  for (auto* word : {"false", "False", "FALSE", "f", "F", "0"})
    if (text == word)
      return false;
  return tl::unexpected<std::string>("is neither true nor false");
}

struct byte_unit {
  std::string_view suffix;
  std::uint64_t factor;
};

// The suffixes of Kubernetes quantities, largest first so that the shown text is the shortest.
constexpr byte_unit byte_units[] = {
    {"Ti", 1ULL << 40},       {"Gi", 1ULL << 30},   {"Mi", 1ULL << 20}, {"Ki", 1ULL << 10},
    {"T", 1'000'000'000'000}, {"G", 1'000'000'000}, {"M", 1'000'000},   {"k", 1'000}};

/// Reads a Kubernetes quantity: a whole number, a fraction or an exponent, and perhaps a unit.
std::optional<std::size_t> to_bytes(std::string_view text) {
  std::uint64_t factor = 1;
  for (const auto& unit : byte_units)
    if (text.ends_with(unit.suffix)) {
      text.remove_suffix(unit.suffix.size());
      factor = unit.factor;
      break;
    }
  constexpr auto most = std::numeric_limits<std::size_t>::max();
  if (auto whole = to_number(text))
    return *whole <= most / factor ? std::optional{static_cast<std::size_t>(*whole * factor)} : std::nullopt;
  // Neither signs nor "inf", which from_chars would take.
  if (text.empty() || text.find_first_not_of("0123456789.eE") != std::string_view::npos)
    return std::nullopt;
  double number = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  auto bytes = number * static_cast<double>(factor);
  if (failure != std::errc{} || end != text.data() + text.size() || bytes > 9e18)
    return std::nullopt;
  return static_cast<std::size_t>(bytes);
}

std::string show_bytes(std::uint64_t value) {
  for (const auto& unit : byte_units)
    if (unit.suffix.size() == 2 && value != 0 && value % unit.factor == 0)
      return std::to_string(value / unit.factor) + std::string{unit.suffix};
  return std::to_string(value);
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j)
    cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min(
          {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  return cost[a.size()][b.size()];
}

} // namespace

flag_binding bind_text(std::string& value) {
  return {[&value](std::string_view text) -> tl::expected<void, std::string> {
            value = text;
            return {};
          },
          [&value] { return without_credentials(value); }};
}

flag_binding bind_texts(std::vector<std::string>& values) {
  auto set = [&values](std::string_view text) -> tl::expected<void, std::string> {
    if (text.empty())
      return tl::unexpected<std::string>("is empty");
    values.emplace_back(text);
    return {};
  };
  auto show = [&values] {
    std::string out;
    for (const auto& value : values)
      out += (out.empty() ? "" : ",") + without_credentials(value);
    return out;
  };
  return {set, show, false, true};
}

flag_binding bind_switch(bool& value) {
  auto set = [&value](std::string_view text) -> tl::expected<void, std::string> {
    auto parsed = to_bool(text);
    if (!parsed)
      return tl::unexpected<std::string>(parsed.error());
    value = *parsed;
    return {};
  };
  return {set, [&value] { return std::string{value ? "true" : "false"}; }, true};
}

flag_binding bind_switch(std::optional<bool>& value) {
  auto set = [&value](std::string_view text) -> tl::expected<void, std::string> {
    auto parsed = to_bool(text);
    if (!parsed)
      return tl::unexpected<std::string>(parsed.error());
    value = *parsed;
    return {};
  };
  return {set, [&value] { return std::string{!value ? "" : *value ? "true" : "false"}; }, true};
}

flag_binding bind_count(std::size_t& value, std::size_t least, std::size_t most) {
  auto set = [&value, least, most](std::string_view text) -> tl::expected<void, std::string> {
    auto number = to_number(text);
    if (!number || *number < least || *number > most)
      return tl::unexpected<std::string>("is not a whole number from " + std::to_string(least) + " to " +
                                         std::to_string(most));
    value = static_cast<std::size_t>(*number);
    return {};
  };
  return {set, [&value] { return std::to_string(value); }};
}

flag_binding bind_number(std::optional<std::uint64_t>& value) {
  auto set = [&value](std::string_view text) -> tl::expected<void, std::string> {
    auto number = to_number(text);
    if (!number)
      return tl::unexpected<std::string>("is not a whole number from 0 to " +
                                         std::to_string(std::numeric_limits<std::uint64_t>::max()));
    value = *number;
    return {};
  };
  return {set, [&value] { return value ? std::to_string(*value) : std::string{}; }};
}

flag_binding bind_bytes(std::size_t& value, std::size_t least) {
  auto set = [&value, least](std::string_view text) -> tl::expected<void, std::string> {
    auto bytes = to_bytes(text);
    if (!bytes)
      return tl::unexpected<std::string>("is not a size; write bytes, or a number with Ki, Mi or Gi");
    if (*bytes < least)
      return tl::unexpected<std::string>("is too small; the least is " + show_bytes(least));
    value = *bytes;
    return {};
  };
  return {set, [&value] { return show_bytes(value); }};
}

flag_binding bind_limit(std::optional<std::size_t>& value, std::size_t least) {
  auto set = [&value, least](std::string_view text) -> tl::expected<void, std::string> {
    if (text == "auto") {
      value.reset();
      return {};
    }
    auto bytes = to_bytes(text);
    if (!bytes)
      return tl::unexpected<std::string>(
          "is not a size; write bytes, a number with Ki, Mi or Gi, 0 for no limit, or auto");
    if (*bytes != 0 && *bytes < least)
      return tl::unexpected<std::string>("is too small, it could not be held; the least is " +
                                         show_bytes(least) + ", and 0 is no limit");
    value = *bytes;
    return {};
  };
  return {set, [&value] { return value ? show_bytes(*value) : std::string{"auto"}; }};
}

flag_binding bind_duration(duration& value) {
  auto set = [&value](std::string_view text) -> tl::expected<void, std::string> {
    auto parsed = parse_go_duration(text);
    if (!parsed || *parsed < duration::zero())
      return tl::unexpected<std::string>("is not a duration; write it like 30s, 5m or 1h30m");
    value = *parsed;
    return {};
  };
  auto show = [&value] {
    auto text = to_go_duration(value);
    // Go writes 5m0s and 1h0m0s; nobody else does.
    if (text.ends_with("m0s"))
      text.resize(text.size() - 2);
    if (text.ends_with("h0m"))
      text.resize(text.size() - 2);
    return text;
  };
  return {set, show};
}

flag_binding bind_address(std::optional<listen_address>& value) {
  auto set = [&value](std::string_view text) -> tl::expected<void, std::string> {
    if (text.empty() || text == "0") {
      value.reset();
      return {};
    }
    auto parsed = parse_listen_address(text);
    if (!parsed)
      return tl::unexpected<std::string>(parsed.error());
    value = *parsed;
    return {};
  };
  return {set, [&value] { return value ? value->to_string() : std::string{"0"}; }};
}

flag_binding bind_label_selector(std::string& value) {
  auto set = [&value](std::string_view text) -> tl::expected<void, std::string> {
    if (auto problem = label_selector_problem(text))
      return tl::unexpected<std::string>(*problem + "; write it like app=web,tier!=cache,env in (a,b)");
    value = text;
    return {};
  };
  return {set, [&value] { return value; }};
}

std::string without_credentials(std::string_view url) {
  auto scheme = url.find("://");
  if (scheme == std::string_view::npos)
    return std::string{url};
  auto authority = scheme + 3;
  auto end = std::min(url.find_first_of("/?#", authority), url.size());
  auto at = url.substr(0, end).rfind('@');
  bool has_user = at != std::string_view::npos && at >= authority;
  std::string out{url.substr(0, authority)};
  if (has_user)
    out += "***";
  auto rest = url.substr(has_user ? at : authority);
  auto query = rest.find('?');
  out += rest.substr(0, query);
  return query == std::string_view::npos ? out : out + "?***"; // keys are often given there
}

std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  // A third of the letters may be wrong; more than that is another word.
  auto best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    auto distance = edit_distance(word, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  if (!best.empty() || word.size() < 4)
    return best;
  for (const auto& candidate : candidates)
    if (candidate.find(word) != std::string::npos || word.find(candidate) != std::string_view::npos)
      return candidate;
  return best;
}

} // namespace tc::runtime
