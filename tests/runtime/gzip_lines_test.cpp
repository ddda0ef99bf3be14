#include "runtime/gzip_lines.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

using namespace tc::runtime;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

std::string packed(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

struct gzip_lines : testing::Test {
  std::filesystem::path folder;

  void SetUp() override {
    auto form = (std::filesystem::temp_directory_path() / "tc-lines-XXXXXX").string();
    ASSERT_NE(mkdtemp(form.data()), nullptr);
    folder = form;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string file(const std::string& content, const std::string& name = "s.jsonl") const {
    auto path = (folder / name).string();
    std::ofstream{path, std::ios::binary} << content;
    return path;
  }
};

/// The lines of a file as "number:text", then the error, if one came.
std::vector<std::string> read_all(const std::string& path, line_reader::settings with = {}) {
  auto reader = line_reader::open(path, with);
  if (!reader)
    return {reader.error()};
  std::vector<std::string> out;
  while (true) {
    auto line = reader->next();
    if (!line) {
      out.push_back(line.error());
      EXPECT_FALSE(reader->next()->has_value()) << "after an error there is nothing";
      return out;
    }
    if (!*line)
      return out;
    // The bytes behind a line can be read; the address sanitizer watches.
    volatile char behind = (*line)->text.data()[(*line)->text.size() + line_reader::padding - 1];
    (void)behind;
    out.push_back(std::to_string((*line)->number) + ':' + std::string{(*line)->text});
  }
}

const std::vector<std::string> three{"1:{\"a\":1}", "3:{\"b\":2}", "4:last"};
const std::string three_text = "{\"a\":1}\n\n{\"b\":2}\r\nlast";

} // namespace

TEST_F(gzip_lines, plain) {
  EXPECT_EQ(read_all(file(three_text)), three);
  EXPECT_EQ(read_all(file(three_text + '\n')), three);
  EXPECT_TRUE(read_all(file("")).empty());
  EXPECT_TRUE(read_all(file("\n\r\n\n")).empty());
}

TEST_F(gzip_lines, gzip_whatever_its_name) {
  EXPECT_EQ(read_all(file(packed(three_text))), three);
  EXPECT_EQ(read_all(file(packed(three_text)), {1000, true}), three);
  EXPECT_TRUE(read_all(file(packed(""))).empty());
}

TEST_F(gzip_lines, gzip_members_one_after_the_other) {
  EXPECT_EQ(read_all(file(packed("{\"a\":1}\n\n{\"b\"") + packed("") + packed(":2}\nlast"))), three);
}

TEST_F(gzip_lines, a_plain_file_that_fills_its_page) {
  auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  EXPECT_EQ(read_all(file(std::string(page, 'x'))),
            (std::vector<std::string>{"1:" + std::string(page, 'x')}));
}

TEST_F(gzip_lines, many_lines_of_all_lengths_come_out_as_they_went_in) {
  std::mt19937 random{11};
  std::string text;
  std::vector<std::string> expected;
  for (std::size_t i = 1; i <= 3000; ++i) {
    std::string line(random() % (i % 100 == 0 ? 400'000 : 300) + 1, 'x');
    for (auto& c : line)
      c = static_cast<char>('a' + random() % 26);
    text += line + '\n';
    expected.push_back(std::to_string(i) + ':' + line);
  }
  EXPECT_EQ(read_all(file(text)), expected);
  EXPECT_EQ(read_all(file(packed(text))), expected);
  EXPECT_EQ(read_all(file(packed(text)), {std::size_t{64} << 20, true}), expected);
}

TEST_F(gzip_lines, held_lines_stay_valid) {
  std::string text;
  for (int i = 0; i < 100'000; ++i)
    text += std::to_string(i) + '\n';
  for (const auto& content : {text, packed(text)}) {
    auto reader = line_reader::open(file(content), {1000, true});
    ASSERT_TRUE(reader);
    std::vector<std::string_view> lines;
    for (auto line = reader->next(); line && *line; line = reader->next())
      lines.push_back((*line)->text);
    auto moved = std::move(*reader);
    ASSERT_EQ(lines.size(), 100'000u);
    EXPECT_EQ(lines.front(), "0");
    EXPECT_EQ(lines.back(), "99999");
  }
}

TEST_F(gzip_lines, errors_name_the_file_and_the_line) {
  EXPECT_EQ(read_all("/nowhere/s.jsonl"),
            std::vector<std::string>{"/nowhere/s.jsonl: No such file or directory"});
  EXPECT_THAT(read_all(folder.string()).back(), EndsWith(": is a directory; name a file"));
  std::string text;
  std::mt19937 random{1};
  for (int i = 0; i < 20'000; ++i)
    text += std::to_string(random()) + '\n';
  auto whole = packed(text);
  auto path = file(whole.substr(0, whole.size() / 2));
  auto lines = read_all(path);
  EXPECT_THAT(lines.back(),
              StartsWith(path + ":" + std::to_string(lines.size()) + ": the gzip data ends early"));
  EXPECT_THAT(read_all(path, {1000, true}).back(), StartsWith(path + ": the gzip data ends early"));
  EXPECT_THAT(read_all(file(whole.substr(0, whole.size() - 4))).back(), HasSubstr("ends early"))
      << "no checksum";
  EXPECT_THAT(read_all(file(whole.substr(0, 5))).back(), HasSubstr("ends early"));
  EXPECT_THAT(read_all(file(whole + "tail")).back(),
              HasSubstr("there is something after the end of the gzip data"));
  whole[whole.size() / 2] = static_cast<char>(~whole[whole.size() / 2]);
  EXPECT_THAT(read_all(file(whole)).back(), HasSubstr("the gzip data is damaged ("));
}

TEST_F(gzip_lines, a_line_too_long_is_an_error) {
  auto text = "short\n" + std::string(1001, 'x') + "\nshort\n";
  for (const auto& content : {text, packed(text)}) {
    auto path = file(content);
    auto lines = read_all(path, {1000, false});
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_THAT(lines[1], StartsWith(path + ":2: the line is longer than 1000 bytes"));
  }
  EXPECT_EQ(read_all(file("short\n" + std::string(1000, 'x') + "\n"), {1000, false}).size(), 2u);
  EXPECT_THAT(read_all(file(packed(std::string(5'000'000, 'x'))), {1000, false}).back(),
              HasSubstr("is longer than"));
}

TEST_F(gzip_lines, a_pipe_is_read_too) {
  auto path = (folder / "pipe").string();
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  auto writer = std::async(std::launch::async, [&] {
    std::ofstream{path, std::ios::binary} << packed(three_text);
  });
  EXPECT_EQ(read_all(path), three);
}

TEST_F(gzip_lines, progress_in_bytes) {
  std::string text;
  for (int i = 0; i < 1000; ++i)
    text += std::to_string(i) + '\n';
  for (const auto& content : {text, packed(text)})
    for (auto hold : {false, true}) {
      auto reader = line_reader::open(file(content), {1000, hold});
      ASSERT_TRUE(reader);
      EXPECT_EQ(reader->bytes_total(), content.size());
      std::uint64_t before = 0;
      for (auto line = reader->next(); line && *line; line = reader->next()) {
        EXPECT_GE(reader->bytes_read(), before);
        before = reader->bytes_read();
      }
      EXPECT_EQ(reader->bytes_read(), content.size());
    }
}
