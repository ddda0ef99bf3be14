#include "runtime/program/recording_source.hpp"

#include "runtime/program/spooled_file.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace tc::runtime {

namespace {

/// How many broken lines are told one by one.
constexpr std::size_t told_problems = 20;

} // namespace

void recording_source::problem(const std::string& file, std::size_t line, const std::string& what) {
  ++broken_;
  if (problems_.size() < told_problems)
    problems_.push_back(file + ':' + std::to_string(line) + ": " + what);
}

tl::expected<recording_source, std::string> recording_source::open(const std::string& stream_file,
                                                                   const std::string& posts_file) {
  // Read twice: what is in a list shows only further on. A pipe can be read once, so it goes into a file.
  std::optional<spooled_file> spooled;
  if (!std::filesystem::is_regular_file(stream_file)) {
    auto written = spooled_file::from(stream_file);
    if (!written)
      return tl::unexpected("--stream: " + written.error());
    spooled = std::move(*written);
  }
  line_reader::settings with;
  with.name = stream_file;
  const auto& path = spooled ? spooled->path() : stream_file;
  auto scan = line_reader::open(path, with);
  if (!scan)
    return tl::unexpected("--stream: " + scan.error());
  auto stream = line_reader::open(path, with);
  if (!stream)
    return tl::unexpected("--stream: " + stream.error());
  recording_source out(std::move(*stream));
  out.stream_name_ = stream_file;
  // An error in the file is told when it is reached in the second reading.
  for (auto line = scan->next(); line && *line; line = scan->next()) {
    out.initial_.scan((*line)->text);
    if (!out.messages_only_)
      continue;
    auto decoded = out.decoder_.decode_watch((*line)->text, {}, false);
    out.messages_only_ = !decoded || !*decoded || !(**decoded)->state;
  }
  if (posts_file.empty())
    return out;
  auto posts = line_reader::open(posts_file);
  if (!posts)
    return tl::unexpected("--posts: " + posts.error());
  auto line = posts->next();
  for (; line && *line; line = posts->next()) {
    auto head = read_line_head((*line)->text);
    if (!head || head->body.empty()) {
      out.problem(posts_file, (*line)->number, head ? "field 'body' is missing" : head.error());
      continue;
    }
    auto decoded = out.decoder_.decode_post(head->body, head->received_at);
    if (!decoded)
      out.problem(posts_file, (*line)->number, decoded.error().to_string());
    else if (*decoded)
      out.posts_.push_back({std::move(**decoded), head->received_at, 0});
  }
  if (!line)
    return tl::unexpected("--posts: " + line.error());
  std::stable_sort(out.posts_.begin(), out.posts_.end(),
                   [](const item& left, const item& right) { return left.received_at < right.received_at; });
  return out;
}

std::optional<recording_source::item> recording_source::next_of_stream() {
  auto line = stream_.next();
  for (; line && *line; line = stream_.next()) {
    ++lines_;
    auto head = read_line_head((*line)->text);
    if (!head) {
      problem(stream_name_, (*line)->number, head.error());
      continue;
    }
    auto at = head->received_at;
    auto initial = initial_.is_initial(*head);
    auto decoded = decoder_.decode_watch((*line)->text, at, initial);
    if (!decoded) {
      problem(stream_name_, (*line)->number, decoded.error().to_string());
      continue;
    }
    any_readable_ = true;
    if (*decoded)
      return item{std::move(**decoded), at, lines_};
  }
  if (!line)
    failure_ = line.error();
  return std::nullopt;
}

std::optional<recording_source::item> recording_source::next() {
  if (!pending_ && !ended_) {
    pending_ = next_of_stream();
    ended_ = !pending_;
  }
  if (next_post_ < posts_.size() && (!pending_ || posts_[next_post_].received_at < pending_->received_at)) {
    auto out = posts_[next_post_++];
    out.lines = lines_;
    return out;
  }
  return std::exchange(pending_, std::nullopt);
}

} // namespace tc::runtime
