#include "runtime/shard.hpp"

#include "messages/ids.hpp"

#include <algorithm>
#include <charconv>

namespace tc::runtime {

std::size_t shard::of(std::string_view trace_uid, std::size_t count) {
  // The shard whose hash with the UID is the highest has it; the first of equals.
  auto weight = [&](std::size_t of) { return sha256(std::to_string(of) + '/' + std::string{trace_uid}); };
  std::size_t out = 0;
  auto highest = weight(0);
  for (std::size_t other = 1; other < count; ++other)
    if (auto theirs = weight(other); theirs > highest) {
      highest = theirs;
      out = other;
    }
  return out;
}

bool shard::owns(std::string_view trace_uid) const {
  return of(trace_uid, count) == index;
}

std::string shard::to_string() const {
  return (automatic ? "auto" : std::to_string(index)) + '/' + std::to_string(count);
}

std::optional<shard> shard::parse(std::string_view text) {
  auto slash = text.find('/');
  if (slash == std::string_view::npos)
    return std::nullopt;
  shard out;
  out.automatic = text.substr(0, slash) == "auto";
  for (auto [part, to] :
       {std::pair{out.automatic ? std::string_view{"0"} : text.substr(0, slash), &out.index},
        std::pair{text.substr(slash + 1), &out.count}}) {
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), *to);
    if (error != std::errc{} || end != part.data() + part.size())
      return std::nullopt;
  }
  if (out.count == 0 || out.count > most || out.index >= out.count)
    return std::nullopt;
  return out;
}

} // namespace tc::runtime
