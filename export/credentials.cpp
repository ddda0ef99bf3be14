#include "export/credentials.hpp"

#include "export/text.hpp"
#include "runtime/http_client/base64.hpp"

#include <algorithm>
#include <cstdint>

namespace tc::exporting {

namespace {

constexpr std::size_t shortest_secret = 4; // shorter ones would tear holes into every message
constexpr std::size_t longest_message = 512;

} // namespace

std::string basic_authorization(std::string_view user_and_password) {
  return "Basic " + runtime::encode_base64(user_and_password);
}

void redactor::add(std::string_view secret) {
  if (secret.size() < shortest_secret)
    return;
  auto place = std::find_if(secrets_.begin(), secrets_.end(),
                            [&](const std::string& known) { return known.size() < secret.size(); });
  secrets_.emplace(place, secret);
}

void redactor::add_headers(const std::vector<std::pair<std::string, std::string>>& headers) {
  for (const auto& [name, value] : headers) {
    add(value);
    if (auto space = value.find(' '); space != std::string::npos)
      add(std::string_view{value}.substr(space + 1));
  }
}

void redactor::add_user_and_password(std::string_view pair) {
  add(pair);
  add(runtime::encode_base64(pair));
  if (auto colon = pair.find(':'); colon != std::string_view::npos)
    add(pair.substr(colon + 1));
}

std::string redactor::clean(std::string text) const {
  constexpr std::string_view mask = "[redacted]";
  for (const auto& secret : secrets_)
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += mask.size())
      text.replace(at, secret.size(), mask);
  return printable_excerpt(text, longest_message);
}

} // namespace tc::exporting
