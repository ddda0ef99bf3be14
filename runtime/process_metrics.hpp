#pragma once

// The figures that Prometheus' client libraries give of every process, read from Linux' /proc.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tc::runtime {

struct process_figures {
  double cpu_seconds = 0;        ///< user and system
  double start_time_seconds = 0; ///< since 1970; 0 = not known
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double threads = 0;
  double open_files = 0;
  double most_files = 0; ///< the soft limit; 0 = not known
};

/// Reads /proc/PID/stat's text (proc(5)): times, sizes, threads. Nothing when it is not of that form.
std::optional<process_figures> parse_process_stat(std::string_view text, long ticks_per_second,
                                                  long page_bytes);

/// Reads the figures of this process; nothing where /proc is not mounted.
std::optional<process_figures> read_process_figures();

/// Returns the resident set of this process; 0 where /proc is not mounted. Cheap enough to be asked often.
std::size_t resident_bytes();

/// Returns the figures in Prometheus' text format.
std::string to_metrics_text(const process_figures& figures);

} // namespace tc::runtime
