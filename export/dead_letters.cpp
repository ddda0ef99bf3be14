#include "export/dead_letters.hpp"

#include "export/otlp_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace tc::exporting {

namespace {

constexpr std::string_view letter_end = ".otlp.json";
constexpr std::string_view reason_end = ".reason.json";
constexpr std::string_view unfinished = ".unfinished";

std::string problem(const std::string& what) {
  return what + ": " + std::strerror(errno);
}

/// Writes and syncs a file under another name first. Returns "" or what went wrong; then nothing is left.
std::string write_whole(const std::filesystem::path& path, std::string_view text) {
  auto temporary = path;
  temporary += unfinished;
  auto file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0)
    return problem("cannot create a file");
  std::string failure;
  while (!text.empty() && failure.empty()) {
    auto count = ::write(file, text.data(), text.size());
    if (count > 0)
      text.remove_prefix(static_cast<std::size_t>(count));
    else if (count == 0 || errno != EINTR)
      failure = problem("cannot write a file");
  }
  if (failure.empty() && ::fsync(file) != 0)
    failure = problem("cannot sync a file");
  if (::close(file) != 0 && failure.empty())
    failure = problem("cannot close a file");
  if (failure.empty() && ::rename(temporary.c_str(), path.c_str()) != 0)
    failure = problem("cannot rename a file");
  if (!failure.empty())
    ::unlink(temporary.c_str());
  return failure;
}

/// Makes new names survive a loss of power.
void sync_folder(const std::filesystem::path& path) {
  auto folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0)
    return;
  ::fsync(folder);
  ::close(folder);
}

std::string reason_text(const dead_letter& letter) {
  nlohmann::json out{{"provider", letter.provider},
                     {"reason", letter.reason},
                     {"message", letter.message},
                     {"refusedAt", to_rfc3339(letter.refused_at)},
                     {"trace", letter.trace->trace_namespace + '/' + letter.trace->trace_name},
                     {"changeKey", letter.trace->change_key},
                     {"traceID", letter.trace->id.to_hex()},
                     {"spans", letter.trace->spans.size()}};
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

} // namespace

dead_letter_folder::dead_letter_folder(std::filesystem::path folder, dead_letter_limits limits)
    : folder_(std::move(folder)), limits_(limits) {
  // nop
}

/// Looks at what is there. Returns "" or why the folder cannot be used.
std::string dead_letter_folder::open() {
  if (opened_)
    return {};
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error)
    return "cannot make the folder: " + error.message();
  std::map<std::string, std::size_t> found;
  for (std::filesystem::directory_iterator each{folder_, error}, end; !error && each != end;
       each.increment(error)) {
    auto name = each->path().filename().string();
    std::error_code ignored;
    if (name.ends_with(unfinished)) {
      std::filesystem::remove(each->path(), ignored); // of a process that was killed
      continue;
    }
    for (auto end_of_name : {letter_end, reason_end})
      if (name.ends_with(end_of_name)) {
        auto size = each->file_size(ignored);
        if (!ignored)
          found[name.substr(0, name.size() - end_of_name.size())] += static_cast<std::size_t>(size);
      }
  }
  if (error)
    return "cannot read the folder: " + error.message();
  // Names begin with the time, so their order is that of age.
  for (const auto& [stem, size] : found) {
    known_.push_back({stem, size});
    bytes_ += size;
  }
  opened_ = true;
  return {};
}

/// Returns whether the letter was still there: it may have been sent again and taken away.
bool dead_letter_folder::remove_oldest() {
  auto oldest = std::move(known_.front());
  known_.pop_front();
  bytes_ -= oldest.bytes;
  auto was_there = ::unlink((folder_ / (oldest.stem + std::string{letter_end})).c_str()) == 0;
  ::unlink((folder_ / (oldest.stem + std::string{reason_end})).c_str());
  return was_there;
}

dead_letter_folder::put_result dead_letter_folder::put(const dead_letter& letter) {
  put_result out;
  out.error = open();
  if (!out.error.empty())
    return out;
  auto encoded =
      otlp_json_encoder{}.encode(std::vector{letter.trace}, std::numeric_limits<std::size_t>::max());
  std::string text;
  for (const auto& batch : encoded)
    text += batch.body + '\n';
  auto reason = reason_text(letter);
  auto size = text.size() + reason.size();
  if (size > limits_.bytes || limits_.files == 0) {
    out.error = "the trace is larger than the whole folder may be";
    return out;
  }
  while (!known_.empty() && (known_.size() >= limits_.files || bytes_ + size > limits_.bytes))
    out.removed += remove_oldest() ? 1 : 0;
  auto stem = to_rfc3339(std::chrono::floor<std::chrono::seconds>(letter.refused_at));
  std::erase_if(stem, [](char c) { return c == ':' || c == '-'; });
  // A number keeps the order of those of one moment, and two of one trace apart.
  auto number = std::to_string(++number_);
  stem += '-' + std::string(number.size() < 6 ? 6 - number.size() : 0, '0') + number + '-' +
          letter.trace->id.to_hex();
  auto letter_path = folder_ / (stem + std::string{letter_end});
  auto reason_path = folder_ / (stem + std::string{reason_end});
  // The reason first: whoever sees a letter finds its reason.
  out.error = write_whole(reason_path, reason);
  if (out.error.empty()) {
    out.error = write_whole(letter_path, text);
    if (!out.error.empty())
      ::unlink(reason_path.c_str());
  }
  if (!out.error.empty()) {
    opened_ = std::filesystem::is_directory(folder_); // it may have been taken away
    if (!opened_) {
      known_.clear();
      bytes_ = 0;
    }
    return out;
  }
  sync_folder(folder_);
  known_.push_back({std::move(stem), size});
  bytes_ += size;
  return out;
}

} // namespace tc::exporting
