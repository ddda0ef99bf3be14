#include "runtime/program/lease_identity.hpp"

#include "messages/ids.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <unistd.h>

namespace tc::runtime {

std::string lease_name(const run_options& options) {
  std::string out = "trace-controller-leader-election";
  if (!options.shard.is_whole())
    out += "-shard-" + std::to_string(options.shard.index) + "-of-" + std::to_string(options.shard.count);
  auto part = options.watch_namespace + '\n' + options.watch_label_selector;
  if (part.size() == 1)
    return out;
  span_id digest; // eight bytes of it are enough, and have a text form
  auto hash = sha256(part);
  std::copy_n(hash.begin(), digest.bytes.size(), digest.bytes.begin());
  return out + '-' + digest.to_hex();
}

std::string lease_identity() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0)
    host[0] = 0;
  std::random_device random;
  span_id number;
  for (auto& byte : number.bytes)
    byte = static_cast<std::uint8_t>(random());
  return std::string{host.data()} + '_' + number.to_hex();
}

} // namespace tc::runtime
