// Reads the table of docs/exporting.md and asks resolve_endpoint() for each of its examples: what users are
// told is what happens.

#include "export/endpoint.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

namespace tc::exporting {
namespace {

struct table_row {
  std::size_t line = 0;
  std::vector<std::string> cells;
};

/// Returns the rows of the table whose head begins with "| type | address |", without head and rule.
std::vector<table_row> rows_of_the_table() {
  std::ifstream in{TC_SOURCE_DIR "/docs/exporting.md"};
  std::vector<table_row> out;
  bool is_inside = false;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("| type | address |"))
      is_inside = true;
    else if (!line.starts_with('|'))
      is_inside = false;
    else if (is_inside && !line.starts_with("| ---")) {
      table_row row{number, {}};
      for (std::size_t from = 1, to = 0; (to = line.find('|', from)) != std::string::npos; from = to + 1)
        row.cells.push_back(line.substr(from, to - from));
      out.push_back(std::move(row));
    }
  }
  return out;
}

/// Returns what stands between backticks, in order.
std::vector<std::string> quoted_in(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t from = 0; (from = text.find('`', from)) != std::string::npos;) {
    auto to = text.find('`', from + 1);
    if (to == std::string::npos)
      break;
    out.push_back(text.substr(from + 1, to - from - 1));
    from = to + 1;
  }
  return out;
}

std::string without_blanks(const std::string& text) {
  auto from = text.find_first_not_of(' ');
  return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

TEST(endpoint_table, says_what_happens) {
  const std::map<std::string, std::string> protocols = {{"Zipkin v2 JSON", "zipkin"},
                                                        {"OTLP/gRPC", "grpc"},
                                                        {"OTLP/HTTP JSON", "http/json"},
                                                        {"OTLP/HTTP protobuf", "http/protobuf"}};
  auto rows = rows_of_the_table();
  EXPECT_GE(rows.size(), 10u) << "the table of docs/exporting.md was not found";
  for (const auto& row : rows) {
    SCOPED_TRACE("docs/exporting.md:" + std::to_string(row.line));
    ASSERT_EQ(row.cells.size(), 5u);
    auto types = quoted_in(row.cells[0]);
    auto wanted = without_blanks(row.cells[2]);
    auto examples = quoted_in(row.cells[4]);
    ASSERT_FALSE(types.empty());
    ASSERT_FALSE(examples.empty()) << "a row without an example cannot be checked";
    for (const auto& type : types) {
      if (wanted.starts_with("refused")) {
        for (const auto& address : examples)
          EXPECT_FALSE(resolve_endpoint(type, address)) << type << ' ' << address;
        continue;
      }
      auto known = protocols.find(wanted);
      ASSERT_NE(known, protocols.end()) << "no such protocol: " << wanted;
      ASSERT_EQ(examples.size() % 2, 0u) << "examples are pairs: `ADDRESS` → `URL`";
      for (std::size_t i = 0; i < examples.size(); i += 2) {
        auto found = resolve_endpoint(type, examples[i]);
        ASSERT_TRUE(found) << type << ' ' << examples[i] << ": " << found.error().message;
        EXPECT_EQ(to_string(found->transport), known->second) << type << ' ' << examples[i];
        EXPECT_EQ(found->url, examples[i + 1]) << type << ' ' << examples[i];
      }
    }
  }
}

} // namespace
} // namespace tc::exporting
