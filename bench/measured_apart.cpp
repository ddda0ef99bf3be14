#include "bench/measured_apart.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tc::bench {

namespace {

/// A figure in kB of a file of /proc, in MiB.
double mib_in(const char* file, std::string_view name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(name))
      return std::atof(line.c_str() + name.size()) / 1024;
  return 0;
}

[[noreturn]] void run_child(const std::function<figures()>& measure, int to) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    std::ostringstream out;
    out.precision(17);
    for (const auto& [name, value] : measure())
      out << name << ' ' << value << '\n';
    auto text = out.str();
    if (::write(to, text.data(), text.size()) == static_cast<ssize_t>(text.size()))
      ::_exit(0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  ::_exit(1);
}

} // namespace

figures measured_apart(const std::function<figures()>& measure) {
  int ends[2];
  if (::pipe(ends) != 0)
    throw std::runtime_error("pipe");
  std::fflush(nullptr);
  auto process = ::fork();
  if (process < 0)
    throw std::runtime_error("fork");
  if (process == 0)
    run_child(measure, ends[1]);
  ::close(ends[1]);
  std::string text;
  char piece[4096];
  for (;;) {
    auto got = ::read(ends[0], piece, sizeof(piece));
    if (got > 0)
      text.append(piece, static_cast<std::size_t>(got));
    else if (got == 0 || errno != EINTR)
      break;
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(process, &status, 0);
  if (status != 0)
    throw std::runtime_error("a measurement did not end well");
  figures out;
  std::istringstream in(text);
  std::string name;
  for (double value = 0; in >> name >> value;)
    out[name] = value;
  return out;
}

double resident_mib() {
  return mib_in("/proc/self/status", "VmRSS:");
}

double available_mib() {
  return mib_in("/proc/meminfo", "MemAvailable:");
}

} // namespace tc::bench
