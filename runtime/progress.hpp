#pragma once

// One line that says how far a replay has come: rewritten in place on a terminal, else a line every tenth of
// the way. Where it goes and what time it is come in from outside.

#include "messages/time.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tc::runtime {

struct progress_state {
  std::uint64_t lines_read = 0;
  double fraction = 0;            ///< of the input, 0 to 1
  std::uint64_t changes_open = 0; ///< followed now
  std::uint64_t changes_settled = 0;
  timestamp virtual_time; ///< of the last line read; the epoch when nothing was read
};

/// Returns "38%  1,234 lines  2 changes open, 7 settled  at 2026-11-21 08:58:33Z".
std::string to_text(const progress_state& state);

class progress_line {
public:
  struct settings {
    bool is_terminal = false;
    std::size_t columns = 0;                     ///< longer lines are cut on a terminal; 0 = not known
    std::function<void(std::string_view)> write; ///< to standard error
    std::function<std::chrono::steady_clock::time_point()> now; ///< real time; nothing = show every update
  };

  explicit progress_line(settings with);

  /// Takes note of how far things are, and shows it if that is due (ten times a second on a terminal).
  void update(const progress_state& state);

  /// Wipes the line, so that something else can be printed; the next update shows it again at once.
  void clear();

  /// Shows the last state as a line that stays.
  void finish(const progress_state& state);

private:
  settings with_;
  bool is_shown_ = false;
  bool is_due_ = true;
  std::chrono::steady_clock::time_point shown_at_{};
  int shown_tenth_ = -1;
};

} // namespace tc::runtime
