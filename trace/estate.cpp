#include "trace/estate.hpp"

#include "messages/kinds.hpp"
#include "trace/analysis.hpp"
#include "trace/earlier_stays.hpp"
#include "trace/message_estate.hpp"
#include "trace/reach.hpp"
#include "trace/revision.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

constexpr std::size_t contents_kept_of_a_source = 32;

/// What an object hangs under: its source, its chart, who applies it, what it is made of, the values it
/// reads.
std::vector<object_id> above(const observation& fact) {
  std::vector<object_id> result;
  if (!fact.state)
    return result;
  const auto& state = *fact.state;
  for (const auto& reference : {state.source_ref, state.chart_ref})
    if (reference)
      result.push_back(*reference);
  for (const auto* list : {&state.sources, &state.values_from})
    result.insert(result.end(), list->begin(), list->end());
  if (auto slash = state.helm_chart.find('/'); slash != std::string::npos)
    result.push_back({"source.toolkit.fluxcd.io", "HelmChart", state.helm_chart.substr(0, slash),
                      state.helm_chart.substr(slash + 1)});
  for (const auto& by : labels_of_appliers)
    if (auto name = state.label(by.name); !name.empty())
      result.push_back({std::string{by.group}, std::string{by.kind},
                        std::string{state.label(by.namespace_name)}, std::string{name}});
  return result;
}

/// The ConfigMaps and Secrets that it applies: values of a release may be among them.
std::vector<object_id> values_applied(const observation& fact) {
  std::vector<object_id> result;
  if (fact.state)
    for (const auto& each : fact.state->inventory)
      if (each.kind == "ConfigMap" || each.kind == "Secret")
        result.push_back(each);
  return result;
}

/// An apply's change log.
bool is_change_log(const observation& fact) {
  if (!fact.message || fact.object.kind != "Kustomization")
    return false;
  auto line = std::string_view{fact.message->text}.substr(0, fact.message->text.find('\n'));
  return line.ends_with(" configured") || line.ends_with(" created") || line.ends_with(" deleted");
}

/// The only messages from which a change is concluded.
bool decides(const observation& fact) {
  return is_change_log(fact) || tells_of_earlier_content(fact) || tells_of_content_taken(fact);
}

/// Stands for a content: sources at the same one share a change.
std::optional<object_id> content_node(const observation& fact) {
  if (!fact.state || !fact.state->artifact)
    return {};
  auto key = change_key_of(fact.object, *fact.state->artifact);
  return key.empty() ? std::nullopt : std::optional{object_id{"", "", "", key}};
}

/// What must change for a fact to make a change known, or to open one again.
std::string signature_of(const observation& fact) {
  const auto& state = *fact.state;
  if (is_source_kind(fact.object.kind))
    return state.artifact ? state.artifact->revision + ' ' + state.artifact->origin_revision : std::string{};
  if (is_workload_kind(fact.object.kind))
    return "generation " + std::to_string(state.generation);
  if (state.deleted || fact.kind == observation_kind::deleted)
    return fact.kind == observation_kind::deleted ? "gone" : "going";
  std::string result = state.last_attempted_revision + ' ' + state.last_attempted_revision_digest + ' ' +
                       state.last_attempted_config_digest + ' ' +
                       std::to_string(state.last_attempted_generation);
  return result;
}

/// The same for how it went; nothing while that is not known.
std::optional<std::string> result_in(const observation& fact) {
  const auto* ready = fact.state->find_condition("Ready");
  if (!ready || ready->status == "Unknown" || is_workload_kind(fact.object.kind))
    return {};
  if (is_source_kind(fact.object.kind)) {
    if (!ready->is_false())
      return {};
    return "failing at generation " + std::to_string(fact.state->generation) + ' ' +
           fact.state->observed_source_revision;
  }
  return ready->is_true() ? "ready" : "not ready: " + ready->reason;
}

} // namespace

struct estate::impl {
  assembly_options options;
  estate_limits limits;

  struct object_memory {
    std::map<std::uint64_t, observation_ptr> states;
    std::map<std::string, observation_ptr> messages;
    std::string signature;
    std::string result;
    bool truncated = false; ///< earlier states are gone
    /// The first state left, where that is no creation; made when it is first asked for.
    mutable observation_ptr first_as_listed;
    std::set<std::uint64_t>
        content_states; ///< of a source: states in which it first had a content; kept longer
  };

  struct recent_fact {
    object_id object;
    std::uint64_t version = 0; ///< of a state
    std::string identity;      ///< of a message
    std::size_t bytes = 0;
  };

  std::unordered_map<object_id, object_memory> objects;
  std::deque<recent_fact> recent;
  std::size_t facts = 0;
  std::size_t bytes = 0;

  reach connections;
  std::set<std::string> reseeds;

  std::unordered_map<object_id, std::set<object_id>> values_appliers; ///< of each ConfigMap and Secret
  std::unordered_map<object_id, std::set<object_id>> sources_at;      ///< of each content
  std::unordered_map<object_id, std::set<object_id>> followers; ///< of each source: who has a history of it

  /// Takes the fact in; false when it was known.
  bool remember(const observation_ptr& fact) {
    auto& memory = objects[fact->object];
    recent_fact entry{fact->object, 0, {}, 0};
    bool state = fact->state.has_value();
    if (state) {
      entry.version = fact->resource_version;
      auto after = memory.states.lower_bound(entry.version);
      auto whole =
          with_last_state(fact, after == memory.states.begin() ? nullptr : std::prev(after)->second.get());
      auto [place, added] = memory.states.try_emplace(entry.version, whole);
      if (place == memory.states.begin())
        memory.first_as_listed.reset();
      if (!added)
        return improve(place->second, fact);
      entry.bytes = whole->byte_size();
      if (is_source_kind(fact->object.kind) && fact->state->artifact) {
        auto before = place == memory.states.begin() ? nullptr : std::prev(place)->second.get();
        if (!before || !before->state->artifact ||
            before->state->artifact->revision != fact->state->artifact->revision)
          memory.content_states.insert(entry.version);
      }
    } else {
      entry.identity = fact->identity();
      auto [place, added] = memory.messages.try_emplace(entry.identity, fact);
      if (!added)
        return improve(place->second, fact);
      entry.bytes = fact->byte_size();
    }
    ++facts;
    bytes += entry.bytes;
    recent.push_back(std::move(entry));
    evict();
    return true;
  }

  static bool improve(observation_ptr& known, const observation_ptr& fact) {
    bool better = known->initial != fact->initial     ? !fact->initial
                  : known->relisted != fact->relisted ? !fact->relisted
                                                      : fact->received_at < known->received_at;
    if (better)
      known = fact;
    return better;
  }

  /// Forgets the oldest facts, but of each object its latest state, and of a source where its recent contents
  /// began.
  void evict() {
    std::size_t kept = 0;
    while (recent.size() > limits.facts || (bytes > limits.bytes && recent.size() > kept + 1)) {
      auto oldest = std::move(recent.front());
      recent.pop_front();
      auto found = objects.find(oldest.object);
      if (found == objects.end())
        continue;
      auto& memory = found->second;
      if (oldest.identity.empty()) {
        bool latest = !memory.states.empty() && memory.states.rbegin()->first == oldest.version &&
                      memory.states.rbegin()->second->kind != observation_kind::deleted;
        while (memory.content_states.size() > contents_kept_of_a_source) {
          auto version = *memory.content_states.begin();
          memory.content_states.erase(memory.content_states.begin());
          if (auto known = memory.states.find(version);
              version < oldest.version && known != memory.states.end())
            drop_state(memory, version, known->second->byte_size());
        }
        if (memory.content_states.contains(oldest.version))
          continue; // leaves the window, stays in memory
        if (latest) {
          pinned_.push_back(oldest);
          continue;
        }
        drop_state(memory, oldest.version, oldest.bytes);
      } else if (memory.messages.erase(oldest.identity) > 0) {
        --facts;
        bytes -= std::min(bytes, oldest.bytes);
      }
      if (memory.states.empty() && memory.messages.empty()) {
        objects.erase(found);
        ++gone_;
      }
    }
    // What was kept as the latest state is dropped once it no longer is.
    if (pinned_.size() > objects.size() + 64) {
      std::vector<recent_fact> still;
      for (auto& each : pinned_) {
        auto found = objects.find(each.object);
        if (found == objects.end() || !found->second.states.contains(each.version))
          continue;
        if (found->second.states.rbegin()->first == each.version)
          still.push_back(std::move(each));
        else
          drop_state(found->second, each.version, each.bytes);
      }
      pinned_ = std::move(still);
    }
    if (gone_ > objects.size() + 1024)
      rebuild();
  }

  void drop_state(object_memory& memory, std::uint64_t version, std::size_t held) {
    auto found = memory.states.find(version);
    if (found == memory.states.end())
      return;
    --facts;
    bytes -= std::min(bytes, held);
    memory.states.erase(found);
    memory.truncated = true;
    memory.first_as_listed.reset();
  }

  /// Draws the connections anew from what is still known, so that names of long gone objects do not pile up.
  void rebuild() {
    gone_ = 0;
    connections.clear_links();
    values_appliers.clear();
    sources_at.clear();
    followers.clear();
    for (const auto& [object, memory] : objects)
      for (const auto& [version, fact] : memory.states)
        note_connections(*fact);
    connections.take_grown(); // the ledgers have had it
  }

  /// All that is known of one object; on demand only those messages that may decide. Where earlier states
  /// were forgotten, the first one left is no creation.
  void add_facts_of(const object_id& object, bool deciding_only, std::vector<observation_ptr>& to) const {
    auto found = objects.find(object);
    if (found == objects.end())
      return;
    bool first = found->second.truncated;
    for (const auto& [version, fact] : found->second.states) {
      if (first && !fact->initial) {
        auto& listed = found->second.first_as_listed;
        if (!listed) {
          auto copy = std::make_shared<observation>(*fact);
          copy->initial = true;
          listed = std::move(copy);
        }
        to.push_back(listed);
      } else {
        to.push_back(fact);
      }
      first = false;
    }
    for (const auto& [identity, fact] : found->second.messages)
      if (!deciding_only || decides(*fact))
        to.push_back(fact);
  }

  /// The seed of a change's ledger; of what only decides who takes it, the states and the messages that do.
  std::vector<observation_ptr> facts_around(const std::string& key) const {
    std::vector<observation_ptr> result;
    for (const auto& [object, takes] : connections.members(key))
      add_facts_of(object, !takes, result);
    return result;
  }

  /// The objects that decide which change the object has a part in: those above it, the sources with the same
  /// content, and, while a source has shown one content only, who applies it (their history may show
  /// another).
  std::vector<observation_ptr> facts_above(const object_id& object) {
    std::vector<observation_ptr> result;
    std::set<object_id> seen{object};
    std::vector<object_id> due{object};
    auto visit = [&](const object_id& other) {
      if (seen.insert(other).second)
        due.push_back(other);
    };
    while (!due.empty()) {
      auto here = std::move(due.back());
      due.pop_back();
      add_facts_of(here, true, result);
      if (auto appliers = values_appliers.find(here); appliers != values_appliers.end())
        for (const auto& each : appliers->second)
          visit(each);
      auto found = objects.find(here);
      if (found == objects.end() || found->second.states.empty())
        continue;
      const auto& memory = found->second;
      for (const auto& other : above(*memory.states.rbegin()->second))
        visit(other);
      if (!is_source_kind(here.kind))
        continue;
      for (auto version : memory.content_states)
        if (auto state = memory.states.find(version); state != memory.states.end())
          if (auto content = content_node(*state->second))
            for (const auto& other : sources_at[*content])
              visit(other);
      bool listed = memory.states.begin()->second->initial;
      if (memory.content_states.size() <= 1 || listed)
        for (const auto& follower : followers[here])
          if (auto known = objects.find(follower); known != objects.end() && !known->second.states.empty()) {
            if (listed) {
              result.push_back(known->second.states.begin()->second);
              for (const auto& [identity, fact] : known->second.messages)
                if (tells_of_content_taken(*fact))
                  result.push_back(fact);
            }
            result.push_back(known->second.states.rbegin()->second);
          }
    }
    return result;
  }

  /// The changes in which the object has a part now.
  std::set<std::string> changes_of(const object_id& object, bool relisted) {
    ledger around;
    for (auto& fact : facts_above(object))
      around.add(std::move(fact));
    analysis all{around, options, {nullptr, true}};
    std::set<std::string> result;
    // A source that fails has no new part in the change whose content it holds still.
    for (auto each = all.fetch_failures.rbegin(); each != all.fetch_failures.rend(); ++each)
      if (each->source == object && each->end.version == no_version)
        return each->change.empty() ? result : std::set{each->change};
    if (auto found = all.contents_of.find(object); found != all.contents_of.end())
      for (auto index : found->second)
        if (index == found->second.back())
          result.insert(all.contents[index].change);
    // A list after an outage may also show how the attempt before ended.
    if (auto found = all.attempts_of.find(object); found != all.attempts_of.end())
      for (std::size_t back = 1; back <= std::min<std::size_t>(found->second.size(), relisted ? 2 : 1);
           ++back)
        result.insert(all.attempts[found->second[found->second.size() - back]].key);
    for (auto each = all.rollouts.rbegin(); each != all.rollouts.rend(); ++each)
      if (each->object == object) {
        result.insert(all.attempts[each->cause].key);
        break;
      }
    for (const auto& each : all.removals)
      if (each.object == object)
        result.insert(all.attempts[each.cause].key);
    result.erase(std::string{});
    return result;
  }

  /// A corrected drift shows in a change log at an interval: each of the two may come first.
  static bool may_show_drift(const observation& fact) {
    if (fact.message)
      return is_change_log(fact);
    const auto* ready = fact.state ? fact.state->find_condition("Ready") : nullptr;
    return ready && ready->is_true();
  }

  /// Notes what `fact` shows of its surroundings.
  void note_connections(const observation& fact) {
    if (!fact.state)
      return;
    const auto& state = *fact.state;
    for (const auto& other : above(fact))
      connections.link(fact.object, other);
    for (const auto& other : state.depends_on)
      connections.look(fact.object, other);
    for (const auto& each : values_applied(fact)) {
      connections.link(each, fact.object);
      values_appliers[each].insert(fact.object);
    }
    if (auto content = content_node(fact)) {
      connections.content(fact.object, content->name);
      sources_at[*content].insert(fact.object);
    }
    if (!state.source_ref)
      return;
    if (!state.applies.empty())
      followers[*state.source_ref].insert(fact.object);
    // Its source may have had contents before it was listed that other sources have still (recall.cpp).
    if (fact.initial || fact.relisted)
      for (const auto& record : state.applies)
        if (auto key = change_key_of(*state.source_ref, record.revision, record.origin_revision);
            !key.empty())
          connections.recorded(*state.source_ref, key);
  }

  /// What has come to have to do with an open change is added to its ledger, but for a first fact, which
  /// observe() hands out itself.
  void reseed_what_grew(const observation& latest) {
    for (auto& [key, object] : connections.take_grown()) {
      auto found = objects.find(object);
      if (found == objects.end())
        continue;
      auto count = found->second.states.size() + found->second.messages.size();
      if (count > 1 || object != latest.object)
        reseeds.insert(std::move(key));
    }
  }

  std::vector<recent_fact> pinned_;
  std::size_t gone_ = 0;
  std::optional<message_estate> messages; ///< instead of all of the above
};

estate::estate(assembly_options options, estate_limits limits) : impl_(std::make_unique<impl>()) {
  impl_->options = std::move(options);
  impl_->limits = limits;
  if (impl_->options.messages_only)
    impl_->messages.emplace(impl_->options, limits.facts, limits.bytes);
}

estate::~estate() = default;
estate::estate(estate&&) noexcept = default;
estate& estate::operator=(estate&&) noexcept = default;

std::vector<std::string> estate::observe(const observation_ptr& fact) {
  if (fact && impl_->messages)
    return impl_->messages->observe(fact);
  if (!fact || !impl_->remember(fact))
    return {};
  impl_->note_connections(*fact);
  if (fact->state) {
    auto signature = signature_of(*fact);
    auto& memory = impl_->objects[fact->object];
    // States of one object arrive in their order, save that a list may repeat an old one.
    bool latest = !memory.states.empty() && memory.states.rbegin()->first == fact->resource_version;
    auto result = result_in(*fact);
    if (latest && (signature != memory.signature || (result && *result != memory.result))) {
      memory.signature = signature;
      if (result)
        memory.result = *result;
      if (!signature.empty() || result)
        for (const auto& key : impl_->changes_of(fact->object, fact->relisted))
          impl_->connections.open(key, fact->object);
    }
  }
  bool drift =
      impl_->options.include_drift && fact->object.kind == "Kustomization" && impl_->may_show_drift(*fact);
  if (drift || tells_of_earlier_content(*fact))
    for (const auto& key : impl_->changes_of(fact->object, fact->relisted))
      impl_->connections.open(key, fact->object);
  impl_->reseed_what_grew(*fact);
  return impl_->connections.changes_of(fact->object);
}

std::vector<std::string> estate::take_reseeds() {
  std::vector<std::string> result;
  for (const auto& key : impl_->reseeds)
    if (impl_->connections.is_open(key))
      result.push_back(key);
  impl_->reseeds.clear();
  return result;
}

std::vector<observation_ptr> estate::evidence(const std::string& key) const {
  return impl_->messages ? impl_->messages->evidence() : impl_->facts_around(key);
}

void estate::forget(const std::string& key) {
  if (impl_->messages)
    return impl_->messages->forget(key);
  impl_->connections.close(key);
}

std::size_t estate::size() const {
  return impl_->messages ? impl_->messages->size() : impl_->facts;
}

std::size_t estate::byte_size() const {
  return impl_->messages ? impl_->messages->byte_size() : impl_->bytes;
}

} // namespace tc::trace
