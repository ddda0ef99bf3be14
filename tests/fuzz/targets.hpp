#pragma once

// What is fuzzed: one function for each family of parsers of bytes that come from outside. A function takes
// any bytes; it must not crash, hang, leak or read what is not its own, and what it can check of the result
// it checks with expect(). libFuzzer drives them (fuzzer.cpp), and a test replays corpora and crashes
// (replay.cpp).

#include <array>
#include <string_view>

namespace tc::fuzz {

/// Ends the process when `holds` is false: a finding.
void expect(bool holds, const char* what);

void watch_lines(std::string_view bytes);     ///< a watch stream: lines, metadata, objects of every kind
void api_answers(std::string_view bytes);     ///< lists, Status, discovery, Leases, credential plugins
void http_events(std::string_view bytes);     ///< head and body of a post to the event intake
void providers(std::string_view bytes);       ///< Providers with their Secrets, Traces
void texts(std::string_view bytes);           ///< revisions, times, change logs, selectors, addresses, UTF-8
void kubeconfigs(std::string_view bytes);     ///< kubeconfig files and certificates
void options(std::string_view bytes);         ///< --config files, command lines, the environment
void recordings(std::string_view bytes);      ///< files of recorded lines, plain or gzip
void stored(std::string_view bytes);          ///< what the data directory gives back
void backend_answers(std::string_view bytes); ///< of OTLP/HTTP, OTLP/gRPC and Zipkin; OTLP/JSON

struct target {
  std::string_view name; ///< also of its folder of corpus/ and crashes/
  void (*run)(std::string_view bytes);
};

inline constexpr std::array<target, 10> all = {{
    {"watch_lines", watch_lines},
    {"api_answers", api_answers},
    {"http_events", http_events},
    {"providers", providers},
    {"texts", texts},
    {"kubeconfigs", kubeconfigs},
    {"options", options},
    {"recordings", recordings},
    {"stored", stored},
    {"backend_answers", backend_answers},
}};

} // namespace tc::fuzz
