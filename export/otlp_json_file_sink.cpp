#include "export/otlp_json_file_sink.hpp"

#include "export/otlp_json.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace tc::exporting {

namespace {

/// Writes all of `text`; returns 0 or the error number.
int write_all(int file, std::string_view text) {
  while (!text.empty()) {
    auto written = ::write(file, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR)
        continue;
      return errno;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

} // namespace

tl::expected<std::unique_ptr<otlp_json_file_sink>, endpoint_error>
otlp_json_file_sink::open(const std::string& path, bool append, encoder_options options) {
  if (path == "-")
    return std::unique_ptr<otlp_json_file_sink>{
        new otlp_json_file_sink{STDOUT_FILENO, "standard output", std::move(options)}};
  auto file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0644);
  if (file < 0)
    return tl::unexpected{endpoint_error{"cannot write \"" + path + "\": " + std::strerror(errno)}};
  return std::unique_ptr<otlp_json_file_sink>{new otlp_json_file_sink{file, path, std::move(options)}};
}

otlp_json_file_sink::otlp_json_file_sink(int file, std::string path, encoder_options options)
    : file_(file), path_(std::move(path)), encoder_(std::make_shared<otlp_json_encoder>(std::move(options))) {
  // nop
}

otlp_json_file_sink::~otlp_json_file_sink() {
  if (file_ != STDOUT_FILENO)
    ::close(file_);
}

attempt_result otlp_json_file_sink::write_line(std::string_view body) {
  std::string line{body};
  line += '\n';
  std::lock_guard guard{mutex_};
  auto before = ::lseek(file_, 0, SEEK_CUR); // -1 on a pipe
  auto error = write_all(file_, line);
  attempt_result out;
  if (error == 0)
    return out;
  out.outcome = error == EPIPE ? attempt_outcome::rejected : attempt_outcome::retry;
  out.reason = "write";
  out.message = "cannot write to " + path_ + ": " + std::strerror(error);
  // Half a line would spoil the next one.
  if (before >= 0 && ::ftruncate(file_, before) == 0)
    ::lseek(file_, before, SEEK_SET);
  return out;
}

void otlp_json_file_sink::send(std::shared_ptr<const encoded_batch> batch, done_function done) {
  done(write_line(batch->body));
}

} // namespace tc::exporting
