#pragma once

// Loads recordings of real runs (tests/recordings/README.md), plain or gzipped, as observations in the order
// of arrival. For tests and tools; the program's own reading of recordings is in runtime/.

#include "kube/decode/decode.hpp"
#include "messages/observation.hpp"

#include <simdjson.h>
#include <zlib.h>

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace tc::test {

/// Returns the lines of a file that may be gzipped. Throws when it cannot be read.
inline std::vector<std::string> read_lines(const std::string& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (!file)
    throw std::runtime_error{"cannot open " + path};
  std::vector<std::string> result;
  std::string line;
  char buffer[65536];
  for (int got = 0; (got = gzread(file, buffer, sizeof buffer)) > 0;)
    for (int at = 0; at < got; ++at)
      if (buffer[at] == '\n') {
        result.push_back(std::move(line));
        line.clear();
      } else {
        line += buffer[at];
      }
  if (!line.empty())
    result.push_back(std::move(line));
  gzclose(file);
  return result;
}

/// Reads a stream of watch events. What comes before a kind's initial bookmark is part of its list.
inline std::vector<observation_ptr> load_stream(const std::string& path) {
  std::vector<observation_ptr> result;
  kube::decoder decoder;
  simdjson::dom::parser parser;
  std::set<std::string> listed;
  for (const auto& line : read_lines(path)) {
    if (line.empty())
      continue;
    auto root = parser.parse(line);
    auto at = parse_rfc3339(std::string_view{root["receivedAt"]}).value();
    auto kind = std::string{std::string_view{root["object"]["kind"]}};
    bool initial = !listed.contains(kind);
    if (std::string_view{root["type"]} == "BOOKMARK") {
      listed.insert(kind);
      continue;
    }
    auto read = decoder.decode_watch(line, at, initial);
    if (!read)
      throw std::runtime_error{path + ": " + read.error().to_string()};
    if (*read)
      result.push_back(**read);
  }
  return result;
}

/// Reads HTTP events.
inline std::vector<observation_ptr> load_posts(const std::string& path) {
  std::vector<observation_ptr> result;
  kube::decoder decoder;
  simdjson::dom::parser parser;
  for (const auto& line : read_lines(path)) {
    if (line.empty())
      continue;
    auto root = parser.parse(line);
    auto at = parse_rfc3339(std::string_view{root["receivedAt"]}).value();
    auto body = simdjson::minify(simdjson::dom::element{root["body"]});
    auto read = decoder.decode_post(body, at);
    if (!read)
      throw std::runtime_error{path + ": " + read.error().to_string()};
    if (*read)
      result.push_back(**read);
  }
  return result;
}

} // namespace tc::test
