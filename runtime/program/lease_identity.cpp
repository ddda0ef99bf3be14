#include "runtime/program/lease_identity.hpp"

#include "messages/ids.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <unistd.h>

namespace tc::runtime {

namespace {

/// "" where all Traces are followed, else a hyphen and a hash of which are.
std::string part_watched(const run_options& options) {
  auto part = options.watch_namespace + '\n' + options.watch_label_selector;
  if (part.size() == 1)
    return {};
  span_id digest; // eight bytes of it are enough, and have a text form
  auto hash = sha256(part);
  std::copy_n(hash.begin(), digest.bytes.size(), digest.bytes.begin());
  return '-' + digest.to_hex();
}

} // namespace

std::string lease_name(const run_options& options) {
  std::string out = "trace-controller-leader-election";
  if (!options.shard.is_whole())
    out += "-shard-" + std::to_string(options.shard.index) + "-of-" + std::to_string(options.shard.count);
  return out + part_watched(options);
}

shard_lease_names shard_leases(const run_options& options) {
  return {"trace-controller", part_watched(options)};
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
