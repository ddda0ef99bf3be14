#include "runtime/progress.hpp"

#include "runtime/utf8.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace tc::runtime {

namespace {

std::string with_commas(std::uint64_t number) {
  auto out = std::to_string(number);
  for (auto at = static_cast<int>(out.size()) - 3; at > 0; at -= 3)
    out.insert(static_cast<std::size_t>(at), 1, ',');
  return out;
}

} // namespace

std::string to_text(const progress_state& state) {
  auto out = fmt::format("{:3.0f}%  {} lines  {} changes open, {} settled",
                         std::clamp(state.fraction, 0.0, 1.0) * 100, with_commas(state.lines_read),
                         with_commas(state.changes_open), with_commas(state.changes_settled));
  if (is_known(state.virtual_time)) {
    auto time = to_rfc3339(std::chrono::floor<std::chrono::seconds>(state.virtual_time));
    time[10] = ' ';
    out += "  at " + time;
  }
  return out;
}

progress_line::progress_line(settings with) : with_(std::move(with)) {
  // nop
}

void progress_line::update(const progress_state& state) {
  if (!with_.is_terminal) {
    auto tenth = static_cast<int>(std::clamp(state.fraction, 0.0, 1.0) * 10);
    if (tenth <= shown_tenth_)
      return;
    shown_tenth_ = tenth;
    with_.write(to_text(state) + '\n');
    return;
  }
  if (with_.now) {
    auto now = with_.now();
    if (!is_due_ && now - shown_at_ < std::chrono::milliseconds{100})
      return;
    shown_at_ = now;
  }
  is_due_ = false;
  is_shown_ = true;
  auto text = to_text(state);
  // The last column stays free: some terminals wrap when it is written.
  if (with_.columns > 1)
    text = shorten_end(text, with_.columns - 1, "");
  with_.write("\r" + text + "\x1b[K");
}

void progress_line::clear() {
  if (is_shown_)
    with_.write("\r\x1b[K");
  is_shown_ = false;
  is_due_ = true;
}

void progress_line::finish(const progress_state& state) {
  clear();
  if (with_.is_terminal || shown_tenth_ < 10)
    with_.write(to_text(state) + '\n');
  shown_tenth_ = 10;
}

} // namespace tc::runtime
