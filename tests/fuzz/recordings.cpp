#include "runtime/gzip_lines.hpp"
#include "runtime/program/recording.hpp"
#include "tests/fuzz/targets.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace tc::fuzz {

void recordings(std::string_view bytes) {
  static const auto folder = std::filesystem::is_directory("/dev/shm")
                                 ? std::filesystem::path{"/dev/shm"}
                                 : std::filesystem::temp_directory_path();
  static const auto file = folder / ("trace-controller-fuzz-lines-" + std::to_string(::getpid()));
  static const bool registered = std::atexit([] { std::filesystem::remove(file); }) == 0;
  expect(registered, "the file will be removed");
  std::ofstream{file, std::ios::binary} << bytes;
  static kube::decoder decoder;
  runtime::initial_lines initial;
  for (bool first_pass : {true, false}) {
    auto lines = runtime::line_reader::open(file, {.longest_line = 1 << 16});
    if (!lines)
      return;
    for (auto line = lines->next(); line && *line; line = lines->next()) {
      auto text = (*line)->text;
      expect(!text.empty(), "no line is empty");
      if (first_pass) {
        initial.scan(text);
        continue;
      }
      auto head = runtime::read_line_head(text);
      if (!head)
        continue;
      if (head->type.empty())
        decoder.decode_post(head->body, head->received_at);
      else
        decoder.decode_watch(text, head->received_at, initial.is_initial(*head));
    }
  }
}

} // namespace tc::fuzz
