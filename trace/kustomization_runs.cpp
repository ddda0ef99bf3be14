// How a Kustomization's attempts are read off its status. kustomize-controller patches, in this order:
// Reconciling "Fetching manifests for revision R" with Ready Unknown; "Building manifests";
// lastAttemptedRevision; "Detecting drift"; (apply, prune); "Running health checks"; Ready True or False; and
// in one more patch lastAppliedRevision and history. The Ready condition's transition times are the second of
// the start and the second of the outcome.

#include "trace/facts.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

/// "Fetching manifests for revision <R> with a timeout of 30s" and its like.
std::string_view revision_in(std::string_view message) {
  constexpr std::string_view before = " for revision ";
  constexpr std::string_view after = " with a timeout of ";
  auto from = message.find(before);
  if (from == std::string_view::npos)
    return {};
  from += before.size();
  auto to = message.find(after, from);
  return message.substr(from, to == std::string_view::npos ? to : to - from);
}

/// "Applied revision: <R>"
std::string_view applied_revision_in(std::string_view message) {
  constexpr std::string_view before = "Applied revision: ";
  return message.starts_with(before) ? message.substr(before.size()) : std::string_view{};
}

/// The steps in their order; a step back means that the controller has started anew.
int step_of(std::string_view message) {
  if (message.starts_with("Fetching"))
    return 0;
  if (message.starts_with("Building"))
    return 1;
  if (message.starts_with("Detecting drift") || message.starts_with("Applying"))
    return 2;
  if (message.starts_with("Running health checks"))
    return 3;
  return -1;
}

/// A controller at work. Where it began from an older copy of its object than the API server had, its patch
/// leaves Ready as it was; after a failure the reason is ProgressingWithRetry.
bool is_step(const condition& reconciling) {
  return reconciling.is_true() && reconciling.reason == "Progressing" && step_of(reconciling.message) >= 0;
}

const char* phase_name(int step) {
  static constexpr const char* names[] = {"fetch", "build", "apply", "health check"};
  return names[std::clamp(step, 0, 3)];
}

/// Not an outcome: the controller has not begun. Where the source or its artifact is missing, that is; a path
/// that is not in it ("kustomization path not found") is a failure.
bool is_wait(const condition& ready) {
  if (!ready.is_false())
    return false;
  return ready.reason == "DependencyNotReady" ||
         (ready.reason == "ArtifactFailed" && !ready.message.starts_with("kustomization path") &&
          ready.message.find("not found") != std::string::npos);
}

bool same_transition(const condition& left, const condition& right) {
  return left.status == right.status && left.reason == right.reason && left.message == right.message &&
         left.last_transition == right.last_transition;
}

/// The reader goes through the states of one UID in the order of their versions.
class reader {
public:
  reader(const object_id& object, const std::string& uid) : object_(object), uid_(uid) {}

  void read(const observation& fact) {
    const auto& state = *fact.state;
    auto here = moment_of(fact);
    relisted_ = fact.relisted;
    if (fact.kind == observation_kind::deleted) {
      close_wait(here);
      if (running_)
        interrupt(here, "Deleted");
      last_version_ = here.version;
      return;
    }
    if (first_state_) {
      at_revision_ = state.last_attempted_revision;
      succeeded_at_ = !at_revision_.empty() && state.last_applied_revision == at_revision_;
    }
    const auto* ready = state.find_condition("Ready");
    const auto* reconciling = state.find_condition("Reconciling");
    if (fact.relisted)
      doubt_wait(ready, fact);
    bool at_work = ready && reconciling && is_step(*reconciling) && ready->status != "Unknown";
    if (at_work && first_state_ && !here.live && ready->is_true()) {
      // A list that shows both how the attempt before went and the one that is under way.
      conclude(state, *ready, nullptr, here);
      progress(state, *ready, *reconciling, here);
    } else if (at_work && previous_ready_ && same_transition(*previous_ready_, *ready)) {
      close_wait(here);
      progress(state, *ready, *reconciling, here);
    } else if (ready && is_wait(*ready)) {
      if (running_ && !(relisted_ && recover(state)))
        interrupt(here, ready->reason);
      open_wait(*ready, here);
    } else if (ready && ready->status == "Unknown" && reconciling && reconciling->is_true()) {
      close_wait(here);
      progress(state, *ready, *reconciling, here);
    } else if (ready && ready->status != "Unknown") {
      close_wait(here);
      conclude(state, *ready, reconciling, here);
    }
    first_state_ = false;
    last_version_ = here.version;
    previous_ = &state;
    previous_ready_ = ready;
  }

  run_history take() { return std::move(out_); }

private:
  attempt& current() { return out_.attempts.back(); }

  void open_wait(const condition& ready, const moment& here) {
    if (waiting_ && out_.waits.back().reason == ready.reason)
      return; // the same wait; its message may name another dependency now
    close_wait(here);
    out_.waits.push_back({object_,
                          uid_,
                          ready.reason,
                          ready.message,
                          here,
                          ready.last_transition,
                          {no_version, {}, false},
                          false});
    waiting_ = true;
  }

  /// What ended a wait during an outage has not been seen: it is only known to have lasted until the outage.
  void doubt_wait(const condition* ready, const observation& fact) {
    bool same =
        waiting_ && ready && is_wait(*ready) && previous_ready_ && same_transition(*previous_ready_, *ready);
    if (waiting_ && !same) {
      out_.waits.back().end_missed = true;
      close_wait({last_version_, fact.received_at, false});
    }
  }

  void close_wait(const moment& here) {
    if (waiting_)
      out_.waits.back().end = here;
    waiting_ = false;
  }

  void start(const moment& here, bool seen) {
    attempt made;
    made.object = object_;
    made.uid = uid_;
    made.action = "reconcile";
    made.first = made.last = here;
    made.start_seen = seen;
    made.not_before = seen ? here.version : last_version_;
    made.start_missed = relisted_;
    out_.attempts.push_back(std::move(made));
    running_ = true;
    step_ = -1;
    before_ = previous_ ? &previous_->applies : nullptr;
  }

  /// Whether the revision is new to the object: it has not been at it successfully since it came to it.
  void note_revision(attempt& of) {
    if (of.revision != at_revision_) {
      at_revision_ = of.revision;
      succeeded_at_ = false;
    }
    of.moved = !succeeded_at_;
    if (of.result == outcome::succeeded)
      succeeded_at_ = true;
  }

  void progress(const object_state& state, const condition& ready, const condition& reconciling,
                const moment& here) {
    auto revision = fact_text::part(revision_in(reconciling.message));
    auto step = step_of(reconciling.message);
    // Ready stays as it is when a crashed controller starts anew: then only the step back tells.
    bool anew = !running_ || (step >= 0 && step < step_) || ready.last_transition != ready_second_ ||
                (!revision.empty() && !current().revision.empty() && revision != current().revision);
    if (anew) {
      if (running_)
        recover_or_interrupt(state, here);
      else if (relisted_ && concluded_ && !amended_)
        take_record(state); // its last patch was missed
      // A list, or a watch that was interrupted, may show an attempt in its midst.
      start(here, here.live && step <= 0);
      // After a crash Ready has kept the second of the attempt that was cut short.
      bool kept = ready.status != "Unknown" || (started_ && ready.last_transition == ready_second_);
      current().start_second = kept ? reconciling.last_transition : ready.last_transition;
      ready_second_ = ready.last_transition;
      started_ = true;
    }
    auto& now = current();
    if (now.revision.empty())
      now.revision = revision.empty() ? fact_text{state.last_attempted_revision} : revision;
    now.generation =
        std::max(now.generation, std::max(ready.observed_generation, reconciling.observed_generation));
    now.last = here;
    if (step >= 0 && (anew || step != step_)) {
      end_phase(here);
      now.phases.push_back({phase_name(step), here, {}, {}, {}, {}});
    }
    step_ = std::max(step, step_);
    // The health check is over before the last patches are.
    if (const auto* healthy = state.find_condition("Healthy");
        healthy && step_ == 3 && healthy->status != "Unknown")
      end_phase(here, fact_text::part(to_string(result_of(*healthy))), healthy->message);
  }

  /// A health check that a newer revision cancelled has not failed.
  static outcome result_of(const condition& said) {
    return said.is_true()                         ? outcome::succeeded
           : said.reason == "HealthCheckCanceled" ? outcome::superseded
                                                  : outcome::failed;
  }

  void end_phase(const moment& here, fact_text how = {}, fact_text message = {}) {
    auto& phases = current().phases;
    if (phases.empty() || phases.back().end.version != 0)
      return;
    phases.back().end = here;
    phases.back().outcome = std::move(how);
    phases.back().message = std::move(message);
  }

  void conclude(const object_state& state, const condition& ready, const condition* reconciling,
                const moment& here) {
    if (!running_ && concluded_ && same_transition(*concluded_, ready)) {
      amend(state, ready, reconciling, here);
      return;
    }
    auto revision =
        fact_text::part(ready.is_true() ? applied_revision_in(ready.message) : std::string_view{});
    if (revision.empty() && reconciling)
      revision = fact_text::part(revision_in(reconciling->message));
    if (revision.empty())
      revision = state.last_attempted_revision;
    if (running_ && !current().revision.empty() && revision != current().revision && !revision.empty())
      recover_or_interrupt(state, here); // of another attempt, whose start was not seen
    if (!running_) {
      start(here, false);
      current().historic = !here.live && !concluded_;
      current().revision = revision;
    }
    auto& now = current();
    if (now.revision.empty())
      now.revision = revision;
    now.result = result_of(ready);
    end_phase(here, fact_text::part(to_string(now.result)),
              ready.is_true() ? fact_text{} : fact_text{ready.message});
    now.last = now.decided = here;
    now.outcome_second = ready.last_transition;
    now.generation = std::max(now.generation, ready.observed_generation);
    now.reason = ready.reason;
    now.message = ready.message;
    running_ = false;
    amended_ = false;
    concluded_ = &ready;
    note_revision(now);
    amend(state, ready, reconciling, here);
  }

  /// Takes what later patches of the same outcome add: history, and whether a retry is due.
  void amend(const object_state& state, const condition& ready, const condition* reconciling,
             const moment& here) {
    if (out_.attempts.empty())
      return;
    auto& now = current();
    const auto* stalled = state.find_condition("Stalled");
    now.retry_due = ready.is_false() && !state.suspended && !(stalled && stalled->is_true()) &&
                    !state.deleted && (!reconciling || reconciling->is_true());
    if (amended_)
      return;
    if (take_record(state))
      now.last = here;
  }

  /// Looks for the history record of the attempt that has an outcome. Returns whether it is there.
  bool take_record(const object_state& state) {
    auto& now = current();
    const apply_record* record = nullptr;
    for (const auto& entry : state.applies)
      if (entry.revision == now.revision && entry.last_status == now.reason &&
          std::chrono::abs(entry.last_reconciled - now.outcome_second) <= std::chrono::seconds{1})
        record = &entry;
    bool fresh = record && (!before_ || *before_ != state.applies);
    bool applied = now.result == outcome::succeeded && state.last_applied_revision == now.revision &&
                   state.applies.empty();
    if (!fresh && !applied)
      return false;
    amended_ = true;
    if (record) {
      if (!relisted_ || counts_one_more(*record))
        now.reported = record->last_duration;
      now.digest = record->digest;
      now.origin_revision = record->origin_revision;
      now.recorded_second = record->last_reconciled;
      now.first_recorded = record->first_reconciled;
      now.recorded_total = record->total;
      note_changes(now);
    }
    if (now.origin_revision.empty() && state.last_applied_revision == now.revision)
      now.origin_revision = state.last_applied_origin_revision;
    return true;
  }

  /// Whether nothing but the attempt was counted since it began: what is measured is it, then.
  bool counts_one_more(const apply_record& record) const {
    if (before_)
      for (const auto& entry : *before_)
        if (entry.digest == record.digest && entry.last_status == record.last_status)
          return record.total == entry.total + 1;
    return record.total == 1;
  }

  /// The same manifests as at the last success: nothing to apply.
  void note_changes(attempt& now) {
    if (now.result == outcome::succeeded) {
      if (applied_digest_)
        now.changed = *applied_digest_ != now.digest;
      else if (before_ && !before_->empty())
        now.changed = last_success(*before_) != now.digest;
      else if (before_)
        now.changed = true; // it had never applied anything
      applied_digest_ = now.digest;
    }
  }

  static std::string_view last_success(const std::vector<apply_record>& records) {
    for (const auto& entry : records)
      if (entry.last_status == "ReconciliationSucceeded")
        return entry.digest;
    return {};
  }

  void recover_or_interrupt(const object_state& state, const moment& here) {
    if (!recover(state))
      interrupt(here, "Interrupted");
  }

  /// The states between may have been missed: then history tells how the attempt ended.
  bool recover(const object_state& state) {
    auto& now = current();
    for (const auto& entry : state.applies) {
      if (entry.revision != now.revision || entry.last_reconciled < now.start_second)
        continue;
      // A record counts on: its last reconciliation may be a later one, and the first this.
      bool later = entry.last_reconciled - entry.last_duration > now.start_second + std::chrono::seconds{2};
      if (later && (entry.total <= 1 || entry.first_reconciled < now.start_second))
        continue;
      if (before_ && std::find(before_->begin(), before_->end(), entry) != before_->end())
        continue;
      now.result = entry.last_status == "ReconciliationSucceeded" ? outcome::succeeded
                   : entry.last_status == "HealthCheckCanceled"   ? outcome::superseded
                                                                  : outcome::failed;
      now.reason = entry.last_status;
      now.outcome_second = later ? entry.first_reconciled : entry.last_reconciled;
      if (!later)
        now.reported = entry.last_duration;
      now.digest = entry.digest;
      now.origin_revision = entry.origin_revision;
      end_phase(now.last);
      running_ = false;
      note_revision(now);
      note_changes(now);
      return true;
    }
    return false;
  }

  void interrupt(const moment& here, fact_text reason) {
    running_ = false;
    auto& now = current();
    if (step_ <= 0 && reason != "Interrupted" && reason != "Deleted" && !relisted_) {
      out_.attempts.pop_back(); // it found its artifact or dependency gone: it waits again
      return;
    }
    now.result = outcome::incomplete;
    now.reason = std::move(reason);
    now.end_missed = relisted_;
    note_revision(now);
    (void)here;
    end_phase(now.last, "incomplete");
  }

  const object_id& object_;
  fact_text uid_;
  run_history out_;
  bool first_state_ = true;
  bool running_ = false;   ///< current() has no outcome yet
  bool waiting_ = false;   ///< the last wait lasts
  bool started_ = false;   ///< ready_second_ is set
  timestamp ready_second_; ///< of Ready Unknown in the current attempt
  bool amended_ = false;   ///< current() has its history record
  int step_ = -1;
  bool relisted_ = false; ///< the state comes from a list after an outage
  std::uint64_t last_version_ = 0;
  fact_text at_revision_;
  bool succeeded_at_ = false;
  std::optional<fact_text> applied_digest_;
  const condition* concluded_ = nullptr;
  const object_state* previous_ = nullptr;
  const condition* previous_ready_ = nullptr;
  const std::vector<apply_record>* before_ = nullptr; ///< history before the current attempt
  friend run_history tc::trace::kustomization_history(const object_id&, std::span<const observation_ptr>);
  void finish() {
    // Still under way: whether it moves the object is known all the same.
    if (running_) {
      auto& now = current();
      if (now.revision != at_revision_)
        now.moved = true;
      else
        now.moved = !succeeded_at_;
    }
  }
};

} // namespace

std::string_view to_string(outcome value) {
  switch (value) {
  case outcome::open:
  case outcome::incomplete:
    return "incomplete";
  case outcome::succeeded:
    return "succeeded";
  case outcome::failed:
    return "failed";
  case outcome::superseded:
    return "superseded";
  }
  return "incomplete";
}

run_history kustomization_history(const object_id& object, std::span<const observation_ptr> states) {
  run_history result;
  auto take = [&](reader& from) {
    from.finish();
    auto part = from.take();
    std::move(part.attempts.begin(), part.attempts.end(), std::back_inserter(result.attempts));
    std::move(part.waits.begin(), part.waits.end(), std::back_inserter(result.waits));
  };
  // Another UID is another object, though it has the name of one that is gone.
  std::optional<reader> reading;
  std::string_view uid;
  for (const auto& fact : states) {
    if (!reading || fact->uid != uid) {
      if (reading)
        take(*reading);
      uid = fact->uid;
      reading.emplace(object, fact->uid);
    }
    reading->read(*fact);
  }
  if (reading)
    take(*reading);
  return result;
}

} // namespace tc::trace
