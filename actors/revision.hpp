#pragma once

// The actor of one change: keeps its ledger, says whether it is settled and assembles its trace when asked.
// The rules are in trace/; when to ask is the trace actor's business.

#include "messages/actors.hpp"
#include "trace/assemble.hpp"
#include "trace/ledger.hpp"

#include <string>

namespace tc::actors {

/// What a revision actor is born with.
struct revision_setup {
  std::string key;
  trace::assembly_options options;
  /// Send what is finished of a change that has not settled yet (spec.export: Progressive).
  bool progressive = false;
  /// Measures how long assembly takes, without influencing it. Nanoseconds of a steady clock.
  std::function<std::int64_t()> stopwatch;
};

struct revision_state {
  static inline const char* name = "revision";

  explicit revision_state(revision_actor::pointer selfptr) : self(selfptr) {}

  revision_actor::behavior_type make_behavior();
  change_report_ptr judge(timestamp now) const;

  revision_actor::pointer self;
  revision_setup setup;
  trace::ledger ledger;
};

/// Returns what of a trace will not change any more although its change is open: the runs that have an
/// outcome, under runs that have one. The root comes last, when the change settles. `unsure`: what is
/// superseded may change too.
completed_trace finished_part(completed_trace trace, bool unsure);

/// Spawn linked to its trace actor, which gets the reports: every judge message is answered to its sender.
revision_actor::behavior_type revision(revision_actor::stateful_pointer<revision_state> self,
                                       revision_setup setup);

} // namespace tc::actors
