#include "trace/shedding.hpp"

#include "messages/kinds.hpp"

#include <functional>
#include <string>
#include <utility>

namespace tc::trace {

namespace {

/// Mixes values into one; the order counts.
class mixture {
public:
  template <class T>
  mixture& with(const T& value) {
    // As boost::hash_combine does it for 64 bits.
    value_ ^= std::hash<T>{}(value) + 0x9e3779b97f4a7c15ULL + (value_ << 6U) + (value_ >> 2U);
    return *this;
  }
  mixture& with(timestamp at) { return with(at.time_since_epoch().count()); }
  std::uint64_t value() const { return value_; }

private:
  std::uint64_t value_ = 0;
};

/// A failure, or what ends in one: never left out.
bool tells_failure(const object_state& state) {
  for (const auto& each : state.conditions)
    if ((each.type == "Ready" && each.is_false()) || (each.type == "Stalled" && each.is_true()) ||
        each.type == "TestSuccess" || each.type == "Remediated")
      return true;
  return state.deleted.has_value();
}

/// Steps of a run: what it is doing is said by the message.
bool is_step(const condition& what) {
  return what.type == "Reconciling" || what.status == "Unknown";
}

/// Whether the step is of a run that applies nothing: at the revision that the object has, or before any
/// action.
bool is_idle(const condition& step, const object_state& state) {
  if (state.last_applied_revision.empty())
    return step.message.find("' action") == std::string::npos;
  return step.message.find("revision ") == std::string::npos ||
         step.message.find(state.last_applied_revision) != std::string::npos;
}

/// Whether all that was asked of it is there: only then can a run be one that applies nothing.
bool is_at_rest(const observation& fact) {
  const auto& state = *fact.state;
  if (state.observed_generation != state.generation)
    return false;
  if (fact.object.kind == "Kustomization")
    return state.last_attempted_revision == state.last_applied_revision;
  return fact.object.kind == "HelmRelease" && !state.releases.empty() &&
         state.releases.front().status == "deployed";
}

bool is_rolled_out(const object_state& state) {
  const auto& pods = *state.workload;
  return state.observed_generation == state.generation && pods.updated >= pods.desired &&
         pods.available >= pods.desired && pods.current <= pods.updated;
}

/// What somebody asked for, and what was reached by it.
void mix_result(mixture& into, const object_state& state) {
  into.with(state.generation).with(state.observed_generation).with(state.suspended);
  into.with(state.applied_at).with(state.edited_at).with(state.requested_at).with(state.last_handled_at);
  into.with(state.last_attempted_revision).with(state.last_applied_revision);
  into.with(state.last_attempted_generation).with(state.last_attempted_revision_digest);
  into.with(state.last_attempted_config_digest).with(state.last_action).with(state.failures);
  into.with(state.observed_source_revision).with(state.last_push_commit).with(state.inventory.size());
  if (state.artifact)
    into.with(state.artifact->revision).with(state.artifact->digest);
  if (!state.applies.empty())
    into.with(state.applies.front().digest)
        .with(state.applies.front().last_status)
        .with(state.applies.size());
  for (const auto& each : state.releases)
    into.with(each.version).with(each.status).with(each.chart_version).with(each.config_digest);
  if (state.workload) {
    into.with(is_rolled_out(state));
    for (const auto& image : state.workload->images)
      into.with(image);
  }
}

} // namespace

std::string_view text_of(shed_level level) {
  switch (level) {
  case shed_level::nothing:
    return "";
  case shed_level::repeated:
    return "repeated";
  case shed_level::phases:
    return "phases";
  case shed_level::idle_runs:
    return "idle-runs";
  }
  return "";
}

shedding::marks shedding::marks_of(const observation& fact) {
  const auto& state = *fact.state;
  mixture result;
  mix_result(result, state);
  auto all = result;
  auto without_steps = result;
  auto at_rest = result;
  std::uint64_t step = 0;
  for (const auto& each : state.conditions) {
    all.with(each.type).with(each.status).with(each.reason).with(each.last_transition);
    // A workload's says how many of its pods are there, at each of them.
    if (!state.workload)
      all.with(each.message).with(each.observed_generation);
    without_steps.with(each.type).with(each.status);
    if (!is_step(each))
      without_steps.with(each.reason).with(each.last_transition);
    if (each.type == "Reconciling")
      step = mixture{}.with(each.message).value();
    if (is_step(each) ? !is_idle(each, state) : each.type != "Ready" && each.type != "Healthy")
      at_rest.with(each.type).with(each.status).with(each.reason);
  }
  return {all.value(), without_steps.value(), at_rest.value(), step, 0};
}

std::optional<shed_level> shedding::leaves_out(const observation& fact, shed_level most) {
  if (most == shed_level::nothing || !fact.state)
    return std::nullopt;
  auto key = mixture{}.with(fact.object).with(fact.uid).value();
  if (fact.kind == observation_kind::deleted) {
    kept_.erase(key);
    return std::nullopt;
  }
  auto now = marks_of(fact);
  auto [place, is_new] = kept_.try_emplace(key, now);
  now.first_step = is_new || place->second.step == 0 ? now.step : place->second.first_step;
  auto before = std::exchange(place->second, now);
  bool is_back = !is_new && now.step != 0 && now.step != before.step && now.step == before.first_step;
  if (is_new || is_back || fact.initial || fact.relisted || tells_failure(*fact.state))
    return std::nullopt;
  auto level = now.of_all == before.of_all                 ? shed_level::repeated
               : now.without_steps == before.without_steps ? shed_level::phases
               : now.at_rest == before.at_rest             ? shed_level::idle_runs
                                                           : shed_level::nothing;
  // What a source is fetching is no run, and a return to what it had says so only on its way.
  if (level == shed_level::idle_runs && !is_at_rest(fact))
    level = shed_level::nothing;
  if (level == shed_level::nothing || level > most)
    return std::nullopt;
  place->second = before;
  return level;
}

} // namespace tc::trace
