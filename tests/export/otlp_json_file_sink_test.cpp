// OTLP/JSON into files; and gzip and the null sink, which need no file of their own.

#include "export/gzip.hpp"
#include "export/otlp_encoder.hpp"
#include "export/otlp_json_file_sink.hpp"
#include "export/otlp_json_reader.hpp"
#include "tests/export/sample_traces.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tc::exporting {
namespace {

using ::testing::HasSubstr;

/// A folder that is gone when the test ends.
class file_sink : public ::testing::Test {
protected:
  file_sink() {
    auto pattern = (std::filesystem::temp_directory_path() / "tc-export-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~file_sink() override { std::filesystem::remove_all(folder_); }

  static attempt_result send(span_sink& sink, const completed_trace_ptr& trace) {
    attempt_result out;
    bool called = false;
    auto batch = std::make_shared<const encoded_batch>(sink.encoder()->encode(std::vector{trace}).at(0));
    sink.send(batch, [&](attempt_result result) {
      out = std::move(result);
      called = true;
    });
    EXPECT_TRUE(called);
    return out;
  }

  static std::string content(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::stringstream out;
    out << file.rdbuf();
    return out.str();
  }

  std::filesystem::path folder_;
};

TEST_F(file_sink, writes_a_line_for_each_request_at_once) {
  auto path = folder_ / "out.jsonl";
  auto sink = otlp_json_file_sink::open(path).value();
  EXPECT_EQ(send(*sink, testing::small_trace()).outcome, attempt_outcome::delivered);
  EXPECT_EQ(send(*sink, testing::random_trace(1, 5)).outcome, attempt_outcome::delivered);
  auto text = content(path); // while the file is still open
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(read_otlp_json_lines(text)->size(), 7U);
  EXPECT_EQ(sink->description(), path.string());
}

TEST_F(file_sink, starts_anew_or_appends_as_told) {
  auto path = folder_ / "out.jsonl";
  for (bool append : {false, true, true, false}) {
    auto sink = otlp_json_file_sink::open(path, append).value();
    send(*sink, testing::small_trace());
    EXPECT_EQ(read_otlp_json_lines(content(path))->size() > 2, append);
  }
}

TEST_F(file_sink, names_the_path_that_cannot_be_opened) {
  auto path = (folder_ / "missing" / "out.jsonl").string();
  auto sink = otlp_json_file_sink::open(path);
  ASSERT_FALSE(sink);
  EXPECT_THAT(sink.error().message, HasSubstr(path));
  EXPECT_THAT(sink.error().message, HasSubstr("No such file"));
}

TEST_F(file_sink, keeps_the_spans_when_the_disk_is_full) {
  auto sink = otlp_json_file_sink::open("/dev/full");
  if (!sink)
    GTEST_SKIP() << "no /dev/full: " << sink.error().message;
  auto result = send(**sink, testing::small_trace());
  EXPECT_EQ(result.outcome, attempt_outcome::retry);
  EXPECT_EQ(result.reason, "write");
  EXPECT_THAT(result.message, HasSubstr("/dev/full"));
}

TEST_F(file_sink, gives_up_on_a_pipe_without_a_reader) {
  auto path = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  auto reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  auto sink = otlp_json_file_sink::open(path).value();
  ::close(reader);
  auto before = std::signal(SIGPIPE, SIG_IGN); // as the process does
  auto result = send(*sink, testing::small_trace());
  std::signal(SIGPIPE, before);
  EXPECT_EQ(result.outcome, attempt_outcome::rejected);
}

TEST(null_sink, counts_what_it_takes) {
  null_sink sink{std::make_shared<otlp_protobuf_encoder>()};
  auto batch = std::make_shared<const encoded_batch>(
      sink.encoder()->encode(std::vector{testing::small_trace()}).at(0));
  int answered = 0;
  for (int i = 0; i < 3; ++i)
    sink.send(batch, [&](const attempt_result& result) {
      answered += result.outcome == attempt_outcome::delivered ? 1 : 0;
    });
  EXPECT_EQ(answered, 3);
  EXPECT_EQ(sink.batches(), 3U);
  EXPECT_EQ(sink.spans(), 6U);
  EXPECT_EQ(sink.bytes(), 3 * batch->body.size());
}

TEST(gzip, gives_back_what_it_took) {
  std::mt19937 random{3};
  for (std::size_t size : {0, 1, 1000, 300'000}) {
    std::string text(size, '\0');
    for (auto& c : text)
      c = static_cast<char>(random() % 7);
    auto packed = gzip(text);
    EXPECT_EQ(gunzip(packed, size), text);
    if (size > 0) {
      EXPECT_EQ(gunzip(packed, size - 1), std::nullopt) << "above the limit";
      EXPECT_EQ(gunzip(packed.substr(0, packed.size() - 1), size), std::nullopt) << "cut";
    }
  }
  EXPECT_EQ(gunzip("not gzip", 100), std::nullopt);
}

} // namespace
} // namespace tc::exporting
