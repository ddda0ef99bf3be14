#pragma once

// A measurement in a process of its own: its memory begins where every other one began, and ends with it.

#include <functional>
#include <map>
#include <string>

namespace tc::bench {

using figures = std::map<std::string, double>;

/// Returns what `measure` returns, which runs in a fork of this process; to be called before the first
/// thread. Throws std::runtime_error when it crashed or threw.
figures measured_apart(const std::function<figures()>& measure);

/// MiB of this process that are in memory, and how much the machine can still give.
double resident_mib();
double available_mib();

} // namespace tc::bench
