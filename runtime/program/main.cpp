// The entry point: reads the command line and hands over to the command.

#include "runtime/options.hpp"
#include "runtime/program/commands.hpp"

#include <cstdio>
#include <exception>

namespace {

template <class... Ts>
struct overloaded : Ts... {
  using Ts::operator()...;
};

template <class... Ts>
overloaded(Ts...) -> overloaded<Ts...>;

} // namespace

int main(int argc, char** argv) {
  using namespace tc::runtime;
  auto parsed = parse(argc, argv, surroundings::of_process(), {.explain = true});
  if (!parsed) {
    std::fprintf(stderr, "trace-controller: %s\n", parsed.error().message.c_str());
    return parsed.error().exit_code;
  }
  try {
    return std::visit(overloaded{[](const run_options& options) { return run(options); },
                                 [](const replay_options& options) { return replay(options); },
                                 [](const record_options& options) { return record(options); },
                                 [](const explain_options& options) { return explain(options); },
                                 [](const show_text& text) {
                                   std::fputs(text.text.c_str(), stdout);
                                   return 0;
                                 }},
                      *parsed);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trace-controller: %s\n", error.what());
    return 1;
  }
}
