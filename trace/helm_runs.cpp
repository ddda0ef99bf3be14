// How a HelmRelease's attempts are read off its status. helm-controller patches Reconciling "Running
// 'upgrade' action with timeout of 5m0s" with Ready Unknown before it acts, then
// lastAttempted{Revision,Generation, ConfigDigest}, then Ready and Released with the result, then history and
// lastAttemptedReleaseActionDuration. A remediation and a test are actions of their own, in the same attempt.

#include "trace/facts.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

/// "Running 'upgrade' action with timeout of 30s"
std::string_view action_in(std::string_view message) {
  constexpr std::string_view before = "Running '";
  if (!message.starts_with(before))
    return {};
  auto to = message.find('\'', before.size());
  return to == std::string_view::npos ? std::string_view{}
                                      : message.substr(before.size(), to - before.size());
}

/// The name of the phase in which that is done.
fact_text phase_of(std::string_view action) {
  for (const char* name : {"helm install", "helm upgrade", "helm test", "helm rollback", "helm uninstall"})
    if (std::string_view{name}.substr(5) == action)
      return name;
  return "helm " + std::string{action};
}

bool begins_attempt(std::string_view action) {
  return action == "install" || action == "upgrade";
}

/// A test or a remediation is a step of the attempt it follows; anything else (a corrected drift) is none.
bool follows_attempt(std::string_view action) {
  return action == "test" || action == "rollback" || action == "uninstall";
}

/// Results of a remediation stand in Ready too, but are not the attempt's outcome.
bool is_remediation(std::string_view reason) {
  return reason.starts_with("Rollback") || reason.starts_with("Uninstall");
}

/// The action is done, and Ready stays Unknown, since a later second, until the release's tests have run.
bool awaits_tests(const condition& ready) {
  return ready.status == "Unknown" && ready.reason == "AwaitingTests";
}

bool is_wait(const condition& ready) {
  return ready.is_false() && (ready.reason == "DependencyNotReady" || ready.reason == "SourceNotReady");
}

/// How long after it has said so helm-controller begins to deploy: it loads the chart and renders it before.
constexpr auto deploys_within = std::chrono::seconds{2};

class reader {
public:
  reader(const object_id& object, const std::string& uid) : object_(object), uid_(uid) {}

  void read(const observation& fact) {
    const auto& state = *fact.state;
    auto here = moment_of(fact);
    relisted_ = fact.relisted;
    const auto* ready = state.find_condition("Ready");
    const auto* reconciling = state.find_condition("Reconciling");
    if (fact.kind == observation_kind::deleted || state.deleted) {
      close_wait(here);
      read_dying(fact, ready, reconciling, here);
      last_version_ = here.version;
      return;
    }
    another_ = false;
    if (first_state_ && !here.live && !fact.relisted)
      ready = outcome_listed(state, ready);
    if (fact.relisted) {
      doubt_wait(ready, fact);
      find_missed(state, ready, reconciling, here);
    }
    auto action = reconciling && reconciling->is_true() && reconciling->reason == "Progressing"
                      ? action_in(reconciling->message)
                      : std::string_view{};
    if (ready && is_wait(*ready) && action.empty()) {
      if (running_)
        end_before_wait(state, reconciling, here);
      open_wait(*ready, here);
    } else {
      close_wait(here);
      if (first_state_ && !here.live && !fact.relisted && ready && !begins_attempt(action))
        find_cut_short(state, *ready, here);
      if (!action.empty())
        act(state, action, ready, *reconciling, here);
      if (ready && ready->status != "Unknown")
        conclude(state, *ready, reconciling, here);
      else if (!ready || !awaits_tests(*ready))
        note_releases(state); // those before the attempt
      end_remedy(state, here);
    }
    last_version_ = here.version;
    known_failures_ = state.failures;
    first_state_ = false;
  }

  run_history take() { return std::move(out_); }

private:
  attempt& current() { return out_.attempts.back(); }

  /// An action that is under way when the release is deleted goes on to its end. What the finalizer does
  /// after it is the pruning of it, not an attempt.
  void read_dying(const observation& fact, const condition* ready, const condition* reconciling,
                  const moment& here) {
    bool over =
        fact.kind == observation_kind::deleted || relisted_ || (ready && is_remediation(ready->reason));
    if (over) {
      if (running_)
        interrupt("Deleted");
      return;
    }
    if (!ready || ready->status == "Unknown")
      return;
    if (running_)
      conclude(*fact.state, *ready, reconciling, here);
    else if (concluded_ && ready->reason == concluded_->reason &&
             ready->last_transition == concluded_->last_transition)
      amend(*fact.state, reconciling, here);
  }

  /// Whether what a list after an outage shows can only be the attempt that was under way before.
  bool goes_on(const object_state& state, const condition* ready, const condition* reconciling) const {
    const auto& now = out_.attempts.back();
    if (!ready || is_remediation(ready->reason))
      return false;
    if (ready->status == "Unknown" && ready->last_transition == now.start_second)
      return true;
    if (reconciling && reconciling->last_transition == action_second_ &&
        action_in(reconciling->message) == now.action)
      return true;
    if (ready->status == "Unknown" && !awaits_tests(*ready) && !result_during(state, now))
      return false;
    const release_record* made = nullptr;
    for (const auto& each : state.releases)
      if (each.last_deployed > known_until_) {
        if (made)
          return false;
        made = &each;
      }
    // Helm notes when it began to deploy; later than at the start it was a retry.
    if (made)
      return made->last_deployed >= now.start_second &&
             made->last_deployed <= now.start_second + deploys_within;
    return state.last_attempted_revision == now.revision &&
           state.last_attempted_generation == now.generation &&
           state.last_attempted_config_digest == now.config_digest &&
           state.last_attempted_revision_digest == now.digest && state.failures <= known_failures_ + 1;
  }

  /// In the list after a restart Ready may still speak of an attempt that its controller, started anew, has
  /// left.
  void find_cut_short(const object_state& state, const condition& ready, const moment& here) {
    auto action = action_in(ready.message);
    if (ready.status != "Unknown" || !begins_attempt(action))
      return;
    start(here, false, fact_text::part(action));
    current().start_second = ready.last_transition;
    note_inputs(state);
  }

  /// In the list after a restart Ready may speak of a corrected drift, or may have been set anew after one:
  /// how and when the attempt before it ended stands in Released, or in the result of its tests.
  static const condition* outcome_listed(const object_state& state, const condition* ready) {
    const auto* reconciling = state.find_condition("Reconciling");
    auto action =
        reconciling && reconciling->is_true() ? action_in(reconciling->message) : std::string_view{};
    bool under_way = begins_attempt(action) || follows_attempt(action) ||
                     (ready && begins_attempt(action_in(ready->message)));
    if (!ready || under_way || ready->is_false() || awaits_tests(*ready))
      return ready;
    const auto* said = state.find_condition("TestSuccess");
    if (!said || said->status == "Unknown")
      said = state.find_condition("Released");
    bool same = said && said->is_true() && said->last_transition <= ready->last_transition &&
                (ready->status == "Unknown" || ready->reason == said->reason);
    return same ? said : ready;
  }

  /// Released, or the result of the tests, tells how the attempt ended, also when Ready speaks of what came
  /// after it: a corrected drift, or the next attempt. Returns nullptr when neither does.
  static const condition* result_during(const object_state& state, const attempt& now) {
    const auto* said = state.find_condition("TestSuccess");
    if (!said)
      said = state.find_condition("Released");
    return said && said->status != "Unknown" && said->last_transition >= now.start_second ? said : nullptr;
  }

  /// The latest release made during an outage of the watch, nullptr for none.
  const release_record* made_unseen(const object_state& state) const {
    const release_record* result = nullptr;
    for (const auto& each : state.releases)
      if (each.last_deployed > known_until_ && (!result || each.last_deployed > result->last_deployed))
        result = &each;
    return result;
  }

  /// A list after an outage: has the attempt ended meanwhile, and is what is shown of another one?
  void find_missed(const object_state& state, const condition* ready, const condition* reconciling,
                   const moment& here) {
    if (!running_) {
      const auto* made = made_unseen(state);
      another_ =
          made && (out_.attempts.empty() || made->last_deployed > current().outcome_second ||
                   (made->last_deployed == current().outcome_second && current().release_version != 0));
      return;
    }
    if (!goes_on(state, ready, reconciling)) {
      interrupt("NotSeen");
      another_ = true;
      return;
    }
    if (const auto* made = made_unseen(state)) {
      auto& now = current();
      bool noted = state.last_attempted_revision == made->chart_version &&
                   state.last_attempted_config_digest == made->config_digest;
      now.revision = made->chart_version;
      now.digest = made->oci_digest;
      now.config_digest = made->config_digest;
      now.generation = noted ? state.last_attempted_generation : std::max(now.generation, start_generation_);
    }
    if (awaits_tests(*ready) || ready->last_transition == current().start_second)
      return;
    const auto* said = result_during(state, current());
    if (said && (ready->status == "Unknown" ||
                 (ready->reason == said->reason && said->last_transition < ready->last_transition)))
      conclude(state, *said, reconciling, here);
  }

  void open_wait(const condition& ready, const moment& here) {
    if (waiting_ && out_.waits.back().reason == ready.reason)
      return;
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
    if (!waiting_)
      return;
    auto& now = out_.waits.back();
    bool same =
        ready && is_wait(*ready) && ready->reason == now.reason && ready->last_transition == now.begin_second;
    if (same)
      return;
    now.end_missed = true;
    close_wait({last_version_, fact.received_at, false});
  }

  /// Who waits works no more: how it ended was not seen, but Released may tell.
  void end_before_wait(const object_state& state, const condition* reconciling, const moment& here) {
    if (const auto* said = result_during(state, current()))
      conclude(state, *said, reconciling, here);
    else
      interrupt(relisted_ ? "NotSeen" : "Interrupted");
  }

  void close_wait(const moment& here) {
    if (waiting_)
      out_.waits.back().end = here;
    waiting_ = false;
  }

  void start(const moment& here, bool seen, fact_text action) {
    attempt made;
    made.object = object_;
    made.uid = uid_;
    made.action = std::move(action);
    made.first = made.last = here;
    made.start_seen = seen;
    made.not_before = seen ? here.version : last_version_;
    made.start_missed = relisted_;
    out_.attempts.push_back(std::move(made));
    running_ = true;
    another_ = false;
  }

  static fact_text action_noted(const object_state& state) {
    return state.last_action.empty() ? fact_text{"upgrade"} : fact_text{state.last_action};
  }

  void note_inputs(const object_state& state) {
    auto& now = current();
    now.revision = state.last_attempted_revision;
    now.digest = state.last_attempted_revision_digest;
    now.config_digest = state.last_attempted_config_digest;
    now.generation =
        state.last_attempted_generation != 0 ? state.last_attempted_generation : state.generation;
  }

  void act(const object_state& state, std::string_view action, const condition* ready,
           const condition& reconciling, const moment& here) {
    bool unknown = ready && ready->status == "Unknown";
    // Where the controller began from an older copy of its object than the API server had, its patch leaves
    // Ready as it was.
    bool kept = ready && !unknown && concluded_ && *concluded_ == *ready &&
                (running_ || reconciling.last_transition > action_second_);
    if (begins_attempt(action) && (unknown || kept)) {
      // Ready turns Unknown with the start; while it stays so with the same second it is the same attempt.
      bool tests_next = awaits_tests(*ready);
      bool by_action = tests_next || kept;
      bool same = running_ && current().action == action &&
                  (by_action ? action_second_ == reconciling.last_transition
                             : current().start_second == ready->last_transition);
      if (!same) {
        if (running_)
          interrupt("Interrupted");
        start(here, here.live && !tests_next, fact_text::part(action));
        current().start_second = by_action ? reconciling.last_transition : ready->last_transition;
        current().phases.push_back({phase_of(action), here, {}, {}, {}, {}});
        action_second_ = reconciling.last_transition;
        start_generation_ = state.generation;
      }
      current().last = here;
      note_inputs(state);
      if (tests_next)
        end_phase(here, "succeeded", ready->message);
      return;
    }
    if (follows_attempt(action) && another_) {
      start(here, false, action_noted(state));
      note_inputs(state);
      if (const auto* made = made_unseen(state))
        current().start_second = made->last_deployed;
    }
    bool tested = ready && ready->status != "Unknown" && ready->reason.starts_with("Test");
    if (action == "test" && tested && (!running_ || current().phases.empty()))
      return; // they were over when it was listed
    // After a restart: its tests run, so what they follow has been released.
    if (action == "test" && first_state_ && !here.live && ready && awaits_tests(*ready) && !running_) {
      start(here, false, action_noted(state));
      note_inputs(state);
    }
    if (!follows_attempt(action) || out_.attempts.empty())
      return;
    // A test or a remediation: a further phase of the attempt it follows.
    auto name = phase_of(action);
    auto& phases = current().phases;
    if (!phases.empty() && phases.back().name == name && phases.back().end.version == 0)
      return;
    if (!phases.empty() && phases.back().name == name && phases.back().begin.version != 0 &&
        reconciling.last_transition == action_second_)
      return;
    action_second_ = reconciling.last_transition;
    end_phase(here, {});
    phases.push_back({name, here, {}, {}, {}, {}});
    current().last = here;
  }

  void end_phase(const moment& here, fact_text how, fact_text message = {}) {
    auto& phases = current().phases;
    if (phases.empty() || phases.back().end.version != 0)
      return;
    phases.back().end = here;
    phases.back().outcome = std::move(how);
    phases.back().message = std::move(message);
  }

  void conclude(const object_state& state, const condition& ready, const condition* reconciling,
                const moment& here) {
    if (is_wait(ready))
      return;
    if (ready.reason ==
        "PendingRelease") { // its controller found the release of an attempt that was cut short
      if (running_)
        interrupt("Interrupted");
      concluded_ = &ready;
      return;
    }
    if (reconciling && begins_attempt(action_in(reconciling->message)))
      action_second_ = std::max(action_second_, reconciling->last_transition); // it is over
    bool news = !concluded_ || concluded_->status != ready.status || concluded_->reason != ready.reason ||
                concluded_->message != ready.message || concluded_->last_transition != ready.last_transition;
    if (news && is_remediation(ready.reason)) {
      if (out_.attempts.empty())
        historic_failure(state, here);
      if (!out_.attempts.empty()) {
        end_phase(here, ready.reason.ends_with("Succeeded") ? "succeeded" : "failed", ready.message);
        current().last = here;
      }
      concluded_ = &ready;
    } else if (news) {
      // Right after an action, or without one: values that cannot be read, a chart that cannot be loaded.
      bool was_running = running_;
      bool of_current = running_ || (!out_.attempts.empty() && ready.reason.starts_with("Test") && !another_);
      // Ready True without an attempt is what remains of one that is over, or of none (a corrected drift).
      if (!of_current && ready.is_true() && concluded_ && concluded_->is_true()) {
        concluded_ = &ready;
        amend(state, reconciling, here);
        return;
      }
      if (!of_current) {
        start(here, false, action_noted(state));
        current().historic = !here.live && first_state_;
        // Listed before its record is: an older one of the same chart and values is not it.
        if (current().historic && reconciling && begins_attempt(action_in(reconciling->message)))
          current().start_second = reconciling->last_transition;
        note_inputs(state);
        if (!ready.is_true()) // it may have failed before it could note what it attempted
          current().generation = std::max(current().generation, ready.observed_generation);
      }
      auto& now = current();
      end_phase(here, ready.is_true() ? "succeeded" : "failed", ready.message);
      now.result = ready.is_true()                         ? outcome::succeeded
                   : ready.reason == "HealthCheckCanceled" ? outcome::superseded
                                                           : outcome::failed;
      now.reason = ready.reason;
      now.message = ready.message;
      now.outcome_second = ready.last_transition;
      now.decided = now.last = here;
      if (was_running && !relisted_)
        note_inputs(state);
      running_ = false;
      known_before_ = known_until_;
      duration_before_ = known_duration_;
      concluded_ = &ready;
    }
    amend(state, reconciling, here);
  }

  /// How a remediation went stands in Remediated. Ready says it too, or keeps the failure that was remedied.
  void end_remedy(const object_state& state, const moment& here) {
    const auto* remediated = state.find_condition("Remediated");
    bool news = remediated && (!remediated_ || remediated_->status != remediated->status ||
                               remediated_->reason != remediated->reason ||
                               remediated_->last_transition != remediated->last_transition);
    remediated_ = remediated;
    if (!news || out_.attempts.empty() || current().phases.empty() || !is_remediation(remediated->reason))
      return;
    auto& last = current().phases.back();
    if ((last.name != "helm rollback" && last.name != "helm uninstall") || last.end.version != 0)
      return;
    end_phase(here, remediated->is_true() ? "succeeded" : "failed", remediated->message);
    current().last = here;
  }

  /// After a restart: only the remediation is left in Ready, but Released tells of the failure before it.
  void historic_failure(const object_state& state, const moment& here) {
    const auto* released = state.find_condition("Released");
    if (!released || !released->is_false())
      return;
    start(here, false, action_noted(state));
    auto& now = current();
    note_inputs(state);
    now.historic = !here.live && first_state_;
    now.result = outcome::failed;
    now.reason = released->reason;
    now.message = released->message;
    now.outcome_second = released->last_transition;
    now.decided = here;
    running_ = false;
  }

  /// The release that the attempt made: deployed after it began, not by a rollback, with its chart and
  /// values. Numbers start anew after an uninstall, times do not.
  const release_record* record_of(const attempt& now, const object_state& state) const {
    const release_record* result = nullptr;
    for (const auto& release : state.releases) {
      bool right_kind = now.result == outcome::succeeded
                            ? release.status == "deployed" || release.status == "superseded"
                            : release.status == "failed" || release.status == "uninstalled" ||
                                  release.status == "uninstalling" || // as a remediation leaves it
                                  (release.status == "deployed" && now.reason.starts_with("Test"));
      if (!right_kind || release.action == "rollback" || release.last_deployed <= taken_until_ ||
          release.last_deployed < now.start_second ||
          (!now.historic && release.last_deployed <= known_before_) ||
          release.config_digest != now.config_digest || release.chart_version != now.revision)
        continue;
      if (!result || release.last_deployed > result->last_deployed)
        result = &release;
    }
    return result;
  }

  void note_releases(const object_state& state) {
    for (const auto& release : state.releases)
      known_until_ = std::max(known_until_, release.last_deployed);
  }

  /// Takes what later patches of the same outcome add.
  void amend(const object_state& state, const condition* reconciling, const moment& here) {
    note_releases(state);
    if (out_.attempts.empty() || running_)
      return;
    auto& now = current();
    const auto* stalled = state.find_condition("Stalled");
    now.retry_due = now.result == outcome::failed && !state.suspended && !(stalled && stalled->is_true()) &&
                    reconciling && reconciling->is_true();
    if (now.release_version == 0)
      if (const auto* release = record_of(now, state)) {
        now.release_version = release->version;
        now.deployed_second = taken_until_ = release->last_deployed;
        if (release->last_deployed >= known_until_) // what was measured last is it, then
          now.reported = state.last_action_duration;
        now.last = here;
      }
    // A release that was never made leaves no record; its duration is noted all the same.
    if (now.release_version == 0 && !now.reported && !now.historic && state.last_action_duration &&
        state.last_action_duration != duration_before_)
      now.reported = state.last_action_duration;
    known_duration_ = state.last_action_duration;
  }

  void interrupt(fact_text reason) {
    running_ = false;
    auto& now = current();
    now.result = outcome::incomplete;
    now.reason = std::move(reason);
    now.end_missed = relisted_;
    end_phase(now.last, "incomplete");
  }

  const object_id& object_;
  fact_text uid_;
  run_history out_;
  bool first_state_ = true;
  bool running_ = false;
  bool waiting_ = false;
  bool relisted_ = false; ///< the state comes from a list after an outage
  bool another_ = false;  ///< and what it shows is of another attempt than the latest that is known
  std::int64_t start_generation_ = 0; ///< of the spec when the current attempt began
  std::uint64_t last_version_ = 0;
  std::int64_t known_failures_ = 0;
  timestamp known_until_;  ///< of the latest release seen
  timestamp known_before_; ///< the same before the current attempt's outcome
  timestamp taken_until_;  ///< of the latest release that is an attempt's
  std::optional<duration> known_duration_;
  std::optional<duration> duration_before_;
  timestamp action_second_; ///< since when Reconciling names the latest action
  const condition* concluded_ = nullptr;
  const condition* remediated_ = nullptr; ///< as the state before had it
};

} // namespace

run_history helm_history(const object_id& object, std::span<const observation_ptr> states) {
  run_history result;
  auto take = [&](reader& from) {
    auto part = from.take();
    std::move(part.attempts.begin(), part.attempts.end(), std::back_inserter(result.attempts));
    std::move(part.waits.begin(), part.waits.end(), std::back_inserter(result.waits));
  };
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
