#include "runtime/signals.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <stdexcept>
#include <sys/resource.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace tc::runtime {

namespace {

// A handler gets nothing but the signal's number, so what it needs has to be found here.
std::atomic<int> pipe_to_watcher{-1};
std::atomic<bool> was_asked{false};

extern "C" void take_signal(int signal) {
  auto saved = errno;
  if (was_asked.exchange(true))
    _exit(128 + signal);
  auto number = static_cast<char>(signal);
  // Cannot fail: the pipe is empty and a byte is all that ever gets in.
  [[maybe_unused]] auto written = write(pipe_to_watcher.load(), &number, 1);
  errno = saved;
}

constexpr std::array watched{SIGTERM, SIGINT};

} // namespace

class signal_watch::state {
public:
  explicit state(std::function<void(int)> on_request) {
    if (pipe_to_watcher.load() != -1)
      throw std::logic_error{"a second signal_watch while one lives"};
    if (pipe2(ends_.data(), O_CLOEXEC) != 0)
      throw std::system_error{errno, std::generic_category(), "pipe for signals"};
    was_asked = false;
    pipe_to_watcher = ends_[1];
    thread_ = std::thread{[in = ends_[0], callback = std::move(on_request)] {
      char number = 0;
      while (read(in, &number, 1) < 0 && errno == EINTR) {
        // nop
      }
      // 0 is the destructor's word.
      if (number != 0)
        callback(number);
    }};
    struct sigaction action {};
    action.sa_handler = take_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; i < watched.size(); ++i)
      sigaction(watched[i], &action, &before_[i]);
  }

  ~state() {
    for (std::size_t i = 0; i < watched.size(); ++i)
      sigaction(watched[i], &before_[i], nullptr);
    char end = 0;
    [[maybe_unused]] auto written = write(ends_[1], &end, 1);
    thread_.join();
    pipe_to_watcher = -1;
    close(ends_[0]);
    close(ends_[1]);
  }

  state(const state&) = delete;
  state& operator=(const state&) = delete;

private:
  std::array<int, 2> ends_{-1, -1};
  std::array<struct sigaction, watched.size()> before_{};
  std::thread thread_;
};

signal_watch::signal_watch(std::function<void(int)> on_request)
    : state_(std::make_unique<state>(std::move(on_request))) {
  // nop
}

signal_watch::~signal_watch() = default;

void ignore_broken_pipes() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN); // a file that may not grow is an error of the write, too
}

void forbid_core_dumps() {
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  // Where the kernel pipes cores to a handler the limit does not hold: then no memory is in them.
  if (auto filter = ::open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC); filter >= 0) {
    [[maybe_unused]] auto written = ::write(filter, "0", 1);
    ::close(filter);
  }
}

} // namespace tc::runtime
