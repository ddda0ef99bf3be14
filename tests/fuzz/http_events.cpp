#include "runtime/program/event_intake.hpp"
#include "tests/fuzz/targets.hpp"

#include <filesystem>
#include <fstream>

namespace tc::fuzz {

namespace {

std::string key_file() {
  auto path = std::filesystem::temp_directory_path() / "trace-controller-fuzz-key";
  std::ofstream{path} << "a key";
  return path;
}

runtime::event_intake::settings settings(const std::string& key) {
  runtime::event_intake::settings out;
  out.hmac_key_file = out.token_file = key;
  out.clock = [] { return timestamp{std::chrono::seconds{1'800'000'000}}; };
  return out;
}

/// "POST /path\nname: value\n…\n\nbody"; what the server has taken apart when it asks the intake.
runtime::server_request as_request(std::string_view bytes) {
  runtime::server_request out;
  auto head = bytes.substr(0, bytes.find("\n\n"));
  out.body = bytes.substr(std::min(bytes.size(), head.size() + 2));
  auto first = head.substr(0, head.find('\n'));
  auto space = first.find(' ');
  out.method = first.substr(0, space);
  out.path = space == std::string_view::npos ? "" : first.substr(space + 1);
  while (head.size() > first.size()) {
    head.remove_prefix(first.size() + 1);
    first = head.substr(0, head.find('\n'));
    if (auto colon = first.find(": "); colon != std::string_view::npos)
      out.headers.emplace_back(first.substr(0, colon), first.substr(colon + 2));
  }
  return out;
}

} // namespace

void http_events(std::string_view bytes) {
  static runtime::event_intake trusting{settings("")};
  static runtime::event_intake asking{settings(key_file())};
  auto request = as_request(bytes);
  for (auto* intake : {&trusting, &asking}) {
    auto answer = intake->answer(request);
    expect(answer.status == 202 || (answer.status >= 400 && answer.status <= 503),
           "the answers of docs/events.md");
    if (answer.status == 202)
      expect(answer.body.empty(), "202 has no body");
    intake->take();
  }
}

} // namespace tc::fuzz
