#include "runtime/signals.hpp"

#include <csignal>
#include <cstdlib>
#include <future>
#include <gtest/gtest.h>
#include <stdexcept>
#include <sys/resource.h>
#include <unistd.h>

using namespace tc::runtime;

TEST(signals, the_first_calls_back_once) {
  for (auto signal : {SIGTERM, SIGINT}) {
    std::promise<int> got;
    signal_watch watch{[&](int number) { got.set_value(number); }};
    std::raise(signal);
    EXPECT_EQ(got.get_future().get(), signal);
  }
}

TEST(signals, without_a_signal_nothing_is_called) {
  bool was_called = false;
  {
    signal_watch watch{[&](int) { was_called = true; }};
  }
  EXPECT_FALSE(was_called);
}

TEST(signals, the_handlers_before_come_back) {
  struct sigaction before {};
  sigaction(SIGTERM, nullptr, &before);
  {
    signal_watch watch{[](int) {}};
    struct sigaction during {};
    sigaction(SIGTERM, nullptr, &during);
    EXPECT_NE(during.sa_handler, before.sa_handler);
    EXPECT_THROW(signal_watch{[](int) {}}, std::logic_error);
  }
  struct sigaction after {};
  sigaction(SIGTERM, nullptr, &after);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
}

namespace {

void ask_twice() {
  std::promise<void> never;
  std::promise<void> begun;
  signal_watch watch{[&](int) {
    begun.set_value();
    never.get_future().wait();
  }};
  std::raise(SIGTERM);
  begun.get_future().wait();
  std::raise(SIGINT);
}

void write_to_a_closed_pipe() {
  ignore_broken_pipes();
  forbid_core_dumps();
  int ends[2];
  if (pipe(ends) != 0)
    std::_Exit(1);
  close(ends[0]);
  rlimit core{};
  getrlimit(RLIMIT_CORE, &core);
  std::_Exit(write(ends[1], "x", 1) == -1 && core.rlim_cur == 0 && core.rlim_max == 0 ? 0 : 2);
}

} // namespace

TEST(signals_death, the_second_ends_the_process_though_the_callback_hangs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(ask_twice(), testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(signals_death, broken_pipes_and_core_dumps) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(write_to_a_closed_pipe(), testing::ExitedWithCode(0), "");
}
