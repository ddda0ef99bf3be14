#include "runtime/program/injected_crashes.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace tc::runtime {

namespace {

std::uint64_t crash_every() {
  const auto* text = std::getenv("TRACE_CONTROLLER_CRASH_EVERY");
  return text ? std::strtoull(text, nullptr, 10) : 0;
}

/// Throws each time that it has been called so often.
class bomb {
public:
  explicit bomb(std::uint64_t every) : every_(every) {}
  void count() {
    if (++calls_ % every_ == 0)
      throw std::runtime_error{"a crash that the environment asked for"};
  }

private:
  std::uint64_t every_;
  std::atomic<std::uint64_t> calls_{0};
};

} // namespace

void inject_crashes(actors::trace_events& into) {
  auto every = crash_every();
  if (every == 0)
    return;
  into.stopwatch = [before = into.stopwatch, due = std::make_shared<bomb>(every)] {
    due->count();
    return before ? before() : std::int64_t{0};
  };
  into.progressed = [before = into.progressed, due = std::make_shared<bomb>(every)](
                        const trace_resource& spec, const actors::trace_horizon& horizon) {
    if (before)
      before(spec, horizon);
    due->count();
  };
}

} // namespace tc::runtime
