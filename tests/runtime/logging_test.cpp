#include "runtime/logging.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <spdlog/sinks/ostream_sink.h>
#include <sstream>

using namespace tc;
using namespace tc::runtime;
using namespace std::chrono_literals;

namespace {

struct logging : testing::Test {
  std::ostringstream out;

  logger make(log_encoding encoding, log_level level = log_level::info) {
    return logger{{level, encoding},
                  [] { return *parse_rfc3339("2026-11-21T08:06:38.7Z"); },
                  std::make_shared<spdlog::sinks::ostream_sink_mt>(out)};
  }

  std::string taken() {
    auto text = out.str();
    out.str({});
    return text;
  }
};

} // namespace

TEST_F(logging, json_lines_look_like_those_of_flux) {
  auto log = make(log_encoding::json).named("watcher").with({{"resource", "Kustomization"}});
  log.info("watch began",
           {{"resourceVersion", std::string{"12"}}, {"count", 3}, {"took", 1500ms}, {"again", false}});
  EXPECT_EQ(taken(),
            "{\"level\":\"info\",\"ts\":\"2026-11-21T08:06:38.700Z\",\"logger\":\"watcher\",\"msg\":\"watch "
            "began\",\"resource\":\"Kustomization\",\"resourceVersion\":\"12\",\"count\":3,\"took\":\"1.5s\","
            "\"again\":false}\n");
}

TEST_F(logging, console_lines_are_separated_by_tabs) {
  auto log = make(log_encoding::console).named("exporter").named("otlp");
  log.error("gave \"up\"", {{"attempts", 5u}});
  log.info("bare");
  EXPECT_EQ(taken(), "2026-11-21T08:06:38.700Z\terror\texporter.otlp\tgave \"up\"\t{\"attempts\":5}\n"
                     "2026-11-21T08:06:38.700Z\tinfo\texporter.otlp\tbare\n");
}

TEST_F(logging, below_the_level_nothing_is_written) {
  auto log = make(log_encoding::json, log_level::info);
  log.debug("no");
  EXPECT_FALSE(log.is_enabled(log_level::debug));
  EXPECT_EQ(taken(), "");
  make(log_encoding::json, log_level::trace).trace("yes");
  EXPECT_THAT(taken(), testing::HasSubstr("\"level\":\"trace\""));
  logger{}.error("a logger that was never set up is silent");
}

TEST_F(logging, nasty_texts_stay_one_line_of_valid_json) {
  std::mt19937 random{7};
  std::vector<std::string> texts{"\n\r\t\x1b[31mred\x7f",
                                 "\"}\\",
                                 "\xff\xfe",
                                 "\xc3",
                                 "\xed\xa0\x80",
                                 std::string("\0a", 2),
                                 "\xc2\x9b"
                                 "31m",
                                 "\xe2\x80\xa8",
                                 "žluťoučký 🐎"};
  for (int i = 0; i < 500; ++i) {
    std::string text;
    for (auto length = random() % 40; length > 0; --length)
      text += static_cast<char>(random());
    texts.push_back(text);
  }
  for (const auto& text : texts) {
    make(log_encoding::json).named(text).info(text, {{text, text}});
    auto line = taken();
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    for (unsigned char c : line.substr(0, line.size() - 1))
      EXPECT_TRUE(c >= 0x20 && c != 0x7f);
    auto parsed = nlohmann::json::parse(line, nullptr, false);
    ASSERT_FALSE(parsed.is_discarded()) << line;
    EXPECT_TRUE(parsed["msg"].is_string());
    make(log_encoding::console).info(text, {{text, text}});
    line = taken();
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
  make(log_encoding::json).info("žluťoučký 🐎\n");
  EXPECT_EQ(nlohmann::json::parse(taken())["msg"], "žluťoučký 🐎\n");
}

TEST_F(logging, numbers_that_json_lacks_are_texts) {
  make(log_encoding::json)
      .info("x", {{"a", std::numeric_limits<double>::infinity()},
                  {"b", std::numeric_limits<double>::quiet_NaN()},
                  {"c", 0.5},
                  {"d", std::numeric_limits<std::uint64_t>::max()},
                  {"e", *parse_rfc3339("2026-11-21T08:06:38Z")}});
  auto parsed = nlohmann::json::parse(taken());
  EXPECT_EQ(parsed["a"], "inf");
  EXPECT_EQ(parsed["c"], 0.5);
  EXPECT_EQ(parsed["d"], std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parsed["e"], "2026-11-21T08:06:38Z");
}

TEST_F(logging, settings_become_fields) {
  make(log_encoding::json).info("starting", effective_values(run_options{}));
  auto parsed = nlohmann::json::parse(taken());
  EXPECT_EQ(parsed["metrics-addr"], ":8080");
}
