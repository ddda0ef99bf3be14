#pragma once

// When a change is finished: the rules of DESIGN.md, section 5, "Settling". Pure: `now` comes from outside.

#include "trace/assemble.hpp"

#include <optional>

namespace tc::trace {

enum class settle_reason : std::uint8_t {
  open,       ///< not settled
  complete,   ///< every expected object has a terminal outcome, and it is quiet
  superseded, ///< a later change of the same source took over what was open
  timeout,    ///< incomplete
  unknown,    ///< the ledger does not show this change (any more)
};

struct settle_verdict {
  bool settled = false;
  settle_reason reason = settle_reason::open;
  timestamp ask_again;      ///< when a verdict can differ without new facts; the epoch: only with new facts
  timestamp first_activity; ///< of what is known of the change
  timestamp last_activity;  ///< tells history from what is to be exported
  bool unsure =
      false; ///< what seems superseded may not be: the watch of its kind is behind that of its source
  bool wanted = true; ///< false: a drift or an unused revision that the Trace does not ask for
};

/// Returns whether the change is settled at `now`.
settle_verdict judge(const ledger& facts, const std::string& key, const assembly_options& options,
                     timestamp now);

/// A verdict and the trace that goes with it, of one analysis.
struct judgement {
  settle_verdict verdict;
  std::optional<completed_trace> trace; ///< as assemble() draws it; of an open change only where wanted
};

/// Returns whether the change is settled at `now`, and its trace when it is, or when `draw_open`.
judgement judge_and_assemble(const ledger& facts, const std::string& key, const assembly_options& options,
                             timestamp now, bool draw_open);

} // namespace tc::trace
