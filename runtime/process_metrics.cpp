#include "runtime/process_metrics.hpp"

#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace tc::runtime {

namespace {

std::string content_of(const char* path) {
  std::ifstream in{path, std::ios::binary};
  return std::string{std::istreambuf_iterator<char>{in}, {}};
}

/// The second at which the machine came up, from /proc/stat's "btime" line.
double boot_time() {
  auto text = content_of("/proc/stat");
  auto at = text.find("\nbtime ");
  long long out = 0;
  if (at != std::string::npos)
    std::from_chars(text.data() + at + 7, text.data() + text.size(), out);
  return static_cast<double>(out);
}

} // namespace

std::optional<process_figures> parse_process_stat(std::string_view text, long ticks_per_second,
                                                  long page_bytes) {
  // The second field is the program's name in parentheses and may hold anything, parentheses too.
  auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos || ticks_per_second <= 0)
    return std::nullopt;
  std::vector<double> fields; // from the third, the state, which stays 0
  auto rest = text.substr(name_end + 1);
  while (!rest.empty()) {
    auto begin = rest.find_first_not_of(" \n");
    if (begin == std::string_view::npos)
      break;
    rest.remove_prefix(begin);
    auto word = rest.substr(0, rest.find_first_of(" \n"));
    rest.remove_prefix(word.size());
    double value = 0;
    std::from_chars(word.data(), word.data() + word.size(), value);
    fields.push_back(value);
  }
  // Numbered as in proc(5), where the state is field 3.
  constexpr std::size_t first_field = 3;
  auto field = [&](std::size_t number) { return fields[number - first_field]; };
  if (fields.size() < 24 - first_field + 1)
    return std::nullopt;
  process_figures out;
  auto ticks = static_cast<double>(ticks_per_second);
  out.cpu_seconds = (field(14) + field(15)) / ticks;
  out.threads = field(20);
  out.start_time_seconds = field(22) / ticks; // since boot, until the caller adds that
  out.virtual_bytes = field(23);
  out.resident_bytes = field(24) * static_cast<double>(page_bytes);
  return out;
}

std::optional<process_figures> read_process_figures() {
  auto out = parse_process_stat(content_of("/proc/self/stat"), sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE));
  if (!out)
    return out;
  auto booted = boot_time();
  out->start_time_seconds = booted > 0 ? booted + out->start_time_seconds : 0;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry{"/proc/self/fd", failure}, end; !failure && entry != end;
       entry.increment(failure))
    ++out->open_files;
  if (out->open_files > 0)
    --out->open_files; // the directory itself
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    out->most_files = static_cast<double>(limit.rlim_cur);
  return out;
}

std::size_t resident_bytes() {
  auto text = content_of("/proc/self/statm"); // in pages: all, resident, …
  std::size_t pages = 0;
  if (auto at = text.find(' '); at != std::string::npos)
    std::from_chars(text.data() + at + 1, text.data() + text.size(), pages);
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::string to_metrics_text(const process_figures& figures) {
  std::string out;
  auto add = [&out](std::string_view name, std::string_view type, std::string_view help, double value) {
    out += fmt::format("# HELP process_{0} {1}\n# TYPE process_{0} {2}\nprocess_{0} {3}\n", name, help, type,
                       value);
  };
  add("cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
      figures.cpu_seconds);
  add("resident_memory_bytes", "gauge", "Resident memory size in bytes.", figures.resident_bytes);
  add("virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", figures.virtual_bytes);
  add("threads", "gauge", "Number of operating system threads.", figures.threads);
  add("open_fds", "gauge", "Number of open file descriptors.", figures.open_files);
  if (figures.most_files > 0)
    add("max_fds", "gauge", "Maximum number of open file descriptors.", figures.most_files);
  if (figures.start_time_seconds > 0)
    add("start_time_seconds", "gauge", "Start time of the process since the Unix epoch in seconds.",
        figures.start_time_seconds);
  return out;
}

} // namespace tc::runtime
