#include "runtime/memory_limit.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace tc::runtime {

namespace {

/// Of the cgroup's limit, in percent: the page cache of the data directory and what the kernel keeps for us
/// count too.
constexpr std::size_t share_of_cgroup = 85;
constexpr std::size_t mebi = std::size_t{1} << 20;
/// cgroup v1 writes "no limit" as a number that no machine has.
constexpr std::size_t no_limit = std::size_t{1} << 60;
// What the bounded things take, about.
constexpr std::size_t bytes_of_sent_span = 64;
constexpr std::size_t bytes_of_observation = 2048;
/// The same with what JSON and messages between actors take beside it.
constexpr std::size_t bytes_of_unread = 6144;
constexpr std::size_t most_recent = 4096;
/// Of what a Trace remembers beside its changes, without a limit.
constexpr std::size_t most_remembered = std::size_t{64} << 20;

std::optional<std::size_t> limit_in(const std::string& path, const surroundings& outside) {
  auto text = outside.read_file(path);
  if (!text)
    return std::nullopt;
  const std::string& digits = *text;
  std::size_t out = 0;
  bool is_number =
      std::from_chars(digits.data(), digits.data() + digits.size(), out).ec == std::errc{}; // not "max"
  return is_number && out < no_limit ? std::optional{out} : std::nullopt;
}

/// The least limit in a folder and those above it; where the path is the host's and not ours, the top is
/// ours.
std::optional<std::size_t> least_limit(const std::string& top, std::string path, const char* file,
                                       const surroundings& outside) {
  std::optional<std::size_t> out;
  for (;;) {
    while (path.ends_with('/'))
      path.pop_back();
    if (auto found = limit_in(top + path + '/' + file, outside))
      out = std::min(out.value_or(*found), *found);
    if (path.empty())
      return out;
    path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

} // namespace

std::optional<std::size_t> cgroup_memory_limit(const surroundings& outside) {
  auto groups = outside.read_file("/proc/self/cgroup"); // lines of "hierarchy:controllers:path"
  if (!groups)
    return std::nullopt;
  std::optional<std::size_t> out;
  for (std::size_t at = 0; at < groups->size();) {
    auto end = std::min(groups->find('\n', at), groups->size());
    auto line = groups->substr(at, end - at);
    at = end + 1;
    auto first = line.find(':');
    auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos)
      continue;
    auto controllers = ',' + line.substr(first + 1, second - first - 1) + ',';
    auto path = line.substr(second + 1);
    std::optional<std::size_t> found;
    if (controllers == ",,")
      found = least_limit("/sys/fs/cgroup", path, "memory.max", outside);
    else if (controllers.find(",memory,") != std::string::npos)
      found = least_limit("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", outside);
    if (found)
      out = std::min(out.value_or(*found), *found);
  }
  return out;
}

memory_limits find_memory_limits(std::optional<std::size_t> asked, const surroundings& outside) {
  memory_limits out;
  out.source = "--memory-limit";
  if (asked) {
    out.process = *asked;
  } else if (auto found = cgroup_memory_limit(outside)) {
    out.process = *found / 100 * share_of_cgroup;
    if (out.process < least_memory_limit)
      out.problem = "--memory-limit=auto is " + std::to_string(share_of_cgroup) +
                    " % of the cgroup's memory limit of " + std::to_string(*found) +
                    " bytes, which is too small, it could not be held: the least is " +
                    std::to_string(least_memory_limit) + " bytes; give the pod or its cgroup at least " +
                    std::to_string(least_memory_limit / share_of_cgroup * 100 / mebi + 1) +
                    "Mi, or --memory-limit=0 for no limit";
    out.source = std::to_string(share_of_cgroup) + " % of the cgroup's " + std::to_string(*found) + " bytes";
  } else {
    out.source = "no limit: the cgroup has none";
  }
  out.sent_spans = std::size_t{1} << 20;
  out.unwritten = 65'536;
  out.unread = std::numeric_limits<std::size_t>::max();
  out.remembered = most_remembered;
  out.recent = most_recent;
  if (out.process != 0) {
    out.sent_spans = std::clamp(out.process / 8 / bytes_of_sent_span, std::size_t{1} << 16, out.sent_spans);
    out.unwritten = std::clamp(out.process / 16 / bytes_of_observation, std::size_t{1024}, out.unwritten);
    out.unread = std::max(out.process / 16 / bytes_of_unread, std::size_t{256});
    out.remembered = std::min(out.process / 8, most_remembered);
    out.recent = std::clamp(out.process / 8 / bytes_of_unread, std::size_t{256}, most_recent);
  }
  return out;
}

} // namespace tc::runtime
