#include "runtime/shard.hpp"

#include "messages/ids.hpp"

#include <algorithm>
#include <charconv>

namespace tc::runtime {

bool shard::owns(std::string_view trace_uid) const {
  // The shard whose hash with the UID is the highest has it; the first of equals.
  auto weight = [&](std::size_t of) { return sha256(std::to_string(of) + '/' + std::string{trace_uid}); };
  auto ours = weight(index);
  for (std::size_t other = 0; other < count; ++other)
    if (other != index)
      if (auto theirs = weight(other); theirs > ours || (theirs == ours && other < index))
        return false;
  return true;
}

std::string shard::to_string() const {
  return std::to_string(index) + '/' + std::to_string(count);
}

std::optional<shard> shard::parse(std::string_view text) {
  auto slash = text.find('/');
  if (slash == std::string_view::npos)
    return std::nullopt;
  shard out;
  for (auto [part, to] :
       {std::pair{text.substr(0, slash), &out.index}, std::pair{text.substr(slash + 1), &out.count}}) {
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), *to);
    if (error != std::errc{} || end != part.data() + part.size())
      return std::nullopt;
  }
  if (out.count == 0 || out.count > most || out.index >= out.count)
    return std::nullopt;
  return out;
}

} // namespace tc::runtime
