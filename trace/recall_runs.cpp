// After a restart of ours: what histories tell of runs that were over before anything was seen.
//
// Is the success that a list shows the reconciliation that took the object to its revision, or one of the
// intervals after it? Its history tells, with the time since which the source has had the content. What has
// gone on since keeps a record of what it applied before: such a run is brought back where something hangs
// under it. In doubt it is no run: nothing is invented, and nothing hung elsewhere.

#include "messages/kinds.hpp"
#include "trace/analysis.hpp"
#include "trace/earlier_stays.hpp"
#include "trace/revision.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace tc::trace {

namespace {

const occurrence* content_of(const analysis& all, const object_id& source, const attempt& run) {
  auto found = all.contents_of.find(source);
  if (found == all.contents_of.end())
    return nullptr;
  for (auto here = found->second.rbegin(); here != found->second.rend(); ++here) {
    const auto& each = all.contents[*here];
    if (!each.recalled && each.begin.version <= run.last.version && each.has_revision(run.revision))
      return &each;
  }
  return nullptr;
}

/// What the sources' own Events tell of the contents they had; read once for each source.
class told_contents {
public:
  explicit told_contents(const analysis& all) : all_(all) {}

  /// Returns the stays of a source at a content; more than one where it came back to it.
  std::vector<noted_content> stays(const object_id& source, const std::string& key) {
    std::vector<noted_content> result;
    bool away = true;
    for (const auto& each : of(source)) {
      bool same = each.key == key;
      if (same && away)
        result.push_back(each);
      away = !same;
    }
    return result;
  }

  /// Returns the second in which a source left a content, the last time that it came back to it before
  /// `since`; the epoch where nothing tells.
  timestamp left_before(const object_id& source, const std::string& key, timestamp since) {
    timestamp result;
    for (bool there = false; const auto& each : of(source)) {
      auto second = std::chrono::floor<std::chrono::seconds>(each.at);
      if (second >= since)
        break;
      if (there && each.key != key)
        result = second;
      there = each.key == key;
    }
    return result;
  }

private:
  const std::vector<noted_content>& of(const object_id& source) {
    auto [known, added] = read_.try_emplace(source);
    if (const auto* line = all_.find(source); added && line)
      known->second = noted_contents(source, *line);
    return known->second;
  }

  const analysis& all_;
  std::map<object_id, std::vector<noted_content>> read_;
};

/// Whether those who apply the source have told of the content before that second: it had been there already.
bool was_taken_by(const analysis& all, const object_id& source, const std::string& key, timestamp second) {
  auto appliers = all.appliers.find(source);
  return appliers != all.appliers.end() &&
         std::any_of(appliers->second.begin(), appliers->second.end(), [&](const timeline* line) {
           const auto& state = *line->states.front()->state;
           return std::any_of(line->messages.begin(), line->messages.end(), [&](const observation_ptr& fact) {
             const auto& told = *fact->message;
             return tells_of_content_taken(*fact) && told.first < second && state.source_ref == source &&
                    had_this_spec_at(state, told.first) &&
                    has_change_key(source, told.revision, told.origin_revision, key);
           });
         });
}

/// The seconds in which the object has told of the end of a reconciliation, by the revision of that.
std::map<timestamp, std::set<std::string>> told_ends(const timeline& line, const attempt& run) {
  std::map<timestamp, std::set<std::string>> result;
  for (const auto& fact : line.messages)
    if (tells_of_content_taken(*fact) && (fact->uid.empty() || fact->uid == run.uid) &&
        fact->message->reason == run.reason)
      result[fact->message->first].insert(fact->message->revision);
  return result;
}

/// Whether the first reconciliation that a record counts was at the revision of the last one, as the object's
/// own Events tell: they come in its second, or in the next. Nothing where they do not tell: one of the last
/// one's second may be of that, while the first one's is lost.
std::optional<bool> first_is_of_the_same(const std::map<timestamp, std::set<std::string>>& ends,
                                         const attempt& run) {
  for (auto second : {run.first_recorded, run.first_recorded + std::chrono::seconds{1}})
    if (auto told = ends.find(second); told != ends.end()) {
      bool same = told->second.contains(run.revision);
      bool may_be_of_last = same && second >= run.recorded_second;
      return told->second.size() == 1 && !may_be_of_last ? std::optional{same} : std::nullopt;
    }
  return {};
}

/// Whether a success was the first with its content, where nothing tells since when the source had that: no
/// other record is of the same revision, its own is of this run alone, or of one more at another revision,
/// and the object had applied something before.
bool is_first_of_its_record(const object_state& state, const std::map<timestamp, std::set<std::string>>& ends,
                            const attempt& run) {
  bool older = run.recorded_total == 2 && !first_is_of_the_same(ends, run).value_or(true);
  if (run.recorded_total != 1 && !older)
    return false;
  for (const auto& other : state.applies) {
    if (other.digest == run.digest && other.last_status == run.reason)
      continue; // its own
    if (other.revision == run.revision && other.last_status == run.reason)
      return false;
    older = older || other.last_reconciled < run.first_recorded;
  }
  return older;
}

/// Whether the object's own Events tell of every reconciliation that its record counts before the last one,
/// each at another revision or before that second.
bool all_before_are_told(const object_state& state, const std::map<timestamp, std::set<std::string>>& ends,
                         const attempt& run, timestamp since) {
  for (const auto& other : state.applies)
    if (other.last_reconciled >= run.first_recorded &&
        (other.digest != run.digest || other.last_status != run.reason))
      return false; // of which record an Event tells is not known
  std::int64_t told = 0;
  for (auto here = ends.lower_bound(run.first_recorded);
       here != ends.end() && here->first <= run.recorded_second; ++here)
    for (const auto& revision : here->second)
      told += revision != run.revision || here->first < since ? 1 : 0;
  return told >= run.recorded_total - 1;
}

/// Whether something else than new content may have made the last reconciliation that a record counts: a
/// request; or it had been at the revision before, as its own Events tell.
bool may_be_a_repetition(const object_state& state, const std::map<timestamp, std::set<std::string>>& ends,
                         const attempt& run, timestamp since) {
  for (const auto& [second, revisions] : ends)
    if (second >= since && second < run.recorded_second && revisions.contains(run.revision))
      return true;
  if (state.last_handled_at.empty() || all_before_are_told(state, ends, run, since))
    return false;
  // When it was asked is what flux and most others write. Any other text may be as late as the API server
  // has noted for it; of one that another request has taken the place of nothing is known.
  if (auto asked = parse_rfc3339(state.last_handled_at)) {
    auto began = run.recorded_second + std::chrono::seconds{1} - run.reported.value_or(duration{});
    return *asked >= since && *asked < began;
  }
  return state.last_handled_at != state.requested_at || !is_known(state.requested_by) ||
         state.requested_by >= since;
}

/// Whether the object is known to have been at other content, since `left`, before the source came back to
/// this one: it would have nothing to take otherwise.
bool was_elsewhere(const object_state& state, const std::map<timestamp, std::set<std::string>>& ends,
                   const attempt& run, timestamp since, timestamp left = {}) {
  timestamp there = left; // last, before that
  for (const auto& [second, revisions] : ends)
    if (second < since && revisions.contains(run.revision))
      there = std::max(there, second);
  auto away = [&](timestamp second) { return second >= there && second <= run.recorded_second; };
  return std::any_of(
             ends.begin(), ends.end(),
             [&](const auto& each) { return away(each.first) && !each.second.contains(run.revision); }) ||
         std::any_of(state.applies.begin(), state.applies.end(), [&](const apply_record& each) {
           return each.revision != run.revision && away(each.last_reconciled);
         });
}

bool recall(const analysis& all, told_contents& told, attempt& run) {
  const auto& line = *all.find(run.object);
  const auto* fact = line.at(run.last.version);
  if (run.recorded_total == 0 || !fact || !fact->state->source_ref)
    return false;
  const auto& state = *fact->state;
  const auto& source = *state.source_ref;
  const auto* content = content_of(all, source, run);
  if (!content && !line.states.front()->initial)
    return false; // after an outage of the watch nobody asks for what is over
  // An image or a chart may have been asked for by a commit: without its source's state, who knows which.
  auto key = change_key_of(source, run.revision, run.origin_revision);
  if (!content && !is_commit(source, key, run.origin_revision))
    return false;
  auto ends = told_ends(line, run);
  auto began = run.recorded_second - run.reported.value_or(duration{});
  bool of_earlier =
      content && content->change != content->key && began + std::chrono::seconds{1} <= content->updated;
  auto stays = content && !of_earlier ? std::vector<noted_content>{} : told.stays(source, key);
  if (of_earlier) {
    std::erase_if(stays, [&](const noted_content& each) { return each.at >= content->updated; });
    content = nullptr;
    if (stays.empty())
      return false;
  }
  if (!content && stays.empty()) {
    run.changed = true;
    return is_first_of_its_record(state, ends, run);
  }
  auto since = content ? content->updated : std::chrono::floor<std::chrono::seconds>(stays.back().at);
  if (!content && (since > run.recorded_second || (stays.size() > 1 && since > began)))
    return false; // perhaps of an earlier stay
  if (!content && state.created > since)
    return false; // the change may have settled by then
  bool returned = content ? content->change != content->key : stays.size() > 1;
  // Of several that a record counts one may have begun at an earlier stay, and taken the content then.
  auto left = run.recorded_total > 1 ? told.left_before(source, key, since) : timestamp{};
  if (returned && !was_elsewhere(state, ends, run, since, left))
    return false;
  if (run.first_recorded >= since) {
    for (const auto& other : state.applies)
      if (other.revision == run.revision && other.first_reconciled < run.first_recorded &&
          other.first_reconciled >= since && other.last_status == run.reason)
        return false; // other manifests at the same revision came later
    // The first may have begun with the content before.
    auto same = run.recorded_total > 1 ? first_is_of_the_same(ends, run) : std::optional{true};
    if (!same)
      return false;
    if (*same) {
      run.changed = true;
      if (run.recorded_total > 1) { // the first of them was it
        run.outcome_second = run.recorded_second = run.first_recorded;
        run.reported.reset();
        run.last.live = run.decided.live = false;
      }
      return true;
    }
  }
  // Manifests it had applied before: its last reconciliation was the first at this revision unless an
  // interval has passed since the source got the content.
  auto interval = state.interval.value_or(duration{});
  return run.recorded_second < since + interval * 9 / 10 && !may_be_a_repetition(state, ends, run, since);
}

/// So much later than it is stored source-controller tells of an artifact at most.
constexpr auto stored_before_told = std::chrono::milliseconds{100};

/// Sources that have gone on had what is known to have been taken of them, as their own Events tell: of
/// several at one commit, which had it first decides where the trace begins.
void recall_contents(analysis& all, told_contents& told) {
  std::map<std::string, std::vector<std::size_t>> known;
  for (std::size_t index = 0; index < all.contents.size(); ++index)
    known[all.contents[index].key].push_back(index);
  auto is_known_to = [&](const attempt& run, const std::string& key) {
    auto found = known.find(key);
    return found != known.end() &&
           std::any_of(found->second.begin(), found->second.end(), [&](std::size_t index) {
             const auto& each = all.contents[index];
             return each.begin.version <= run.last.version && !began_before_return(run, each);
           });
  };
  std::set<std::string> taken;
  for (const auto& run : all.attempts)
    if (run.moved && !run.revision.empty() && run.object.kind != "HelmRelease" &&
        all.find(run.object)->states.front()->initial)
      if (const auto& source = all.find(run.object)->at(run.last.version)->state->source_ref)
        if (auto key = change_key_of(*source, run.revision, run.origin_revision);
            !is_known_to(run, key) && is_commit(*source, key, run.origin_revision))
          taken.insert(std::move(key));
  if (taken.empty())
    return;
  for (const auto& entry : all.timelines) {
    const auto& source = entry.first; // not bindings: a lambda captures them
    const auto& line = entry.second;
    if (!is_source_kind(source.kind) || line.states.empty() || !line.states.front()->initial)
      continue;
    std::vector<std::size_t> recalled;
    auto is_there = [&](const std::string& key, timestamp second) {
      auto same = known.find(key);
      return same != known.end() &&
             std::any_of(same->second.begin(), same->second.end(), [&](std::size_t index) {
               const auto& each = all.contents[index];
               return each.source == source && each.updated <= second + std::chrono::seconds{1};
             });
    };
    for (const auto& key : taken)
      for (bool first = true; const auto& stay : told.stays(source, key)) {
        if (is_there(key, std::chrono::floor<std::chrono::seconds>(stay.at)))
          break;
        occurrence made;
        made.source = source;
        made.key = made.change = key;
        made.revision = stay.revision;
        made.revisions.push_back(stay.revision);
        made.origin_revision = stay.origin_revision;
        made.updated = made.latest = std::chrono::floor<std::chrono::seconds>(stay.at);
        made.recalled = true;
        // An incarnation is named by the second in which the artifact was stored, a moment before the Event.
        if (!std::exchange(first, false) || was_taken_by(all, source, key, made.updated))
          made.change = stay.at - made.updated < stored_before_told ? std::string{}
                                                                    : incarnation_key(key, made.updated);
        recalled.push_back(all.contents.size());
        all.contents.push_back(std::move(made));
      }
    auto& list = all.contents_of[all.kept(source)];
    list.insert(list.begin(), recalled.begin(), recalled.end());
  }
}

/// Whether the object was at that revision by that version, in a run that is known.
bool has_run_at(const analysis& all, const object_id& object, const std::string& revision, std::uint64_t by) {
  auto own = all.attempts_of.find(object);
  return own != all.attempts_of.end() &&
         std::any_of(own->second.begin(), own->second.end(), [&](std::size_t index) {
           const auto& each = all.attempts[index];
           return each.moved && each.revision == revision && each.first.version <= by;
         });
}

/// By when what applies the object must have run, for a run of it to be of the same change: before the source
/// came back to the content.
std::uint64_t before_return(const analysis& all, const object_id& source, const attempt& run) {
  auto found = all.contents_of.find(source);
  if (found != all.contents_of.end())
    for (auto index : found->second)
      if (const auto& each = all.contents[index];
          each.begin.live && each.begin.version > run.first.version && each.has_revision(run.revision))
        return each.begin.version;
  return no_version;
}

/// What applies the object and takes the same source; nothing where that has not been seen.
const timeline* owner_with_its_source(const analysis& all, const attempt& run) {
  auto owner = all.owner_of(run.object);
  const auto* line = owner ? all.find(*owner) : nullptr;
  if (!line || line->states.empty() || owner->kind != "Kustomization")
    return nullptr;
  const auto& source = all.find(run.object)->at(run.last.version)->state->source_ref;
  return source && line->states.front()->state->source_ref == source ? line : nullptr;
}

/// A run that was over when its object was listed.
attempt of_listed(const observation& listed) {
  attempt made;
  made.object = listed.object;
  made.uid = listed.uid;
  made.action = "reconcile";
  made.first = made.last = made.decided = moment_of(listed);
  made.historic = true;
  return made;
}

/// The run that an older record is of: where it counts one only, or the source's Events tell since when the
/// revision was there.
std::optional<attempt> run_of_record(const analysis& all, told_contents& told, const observation& listed,
                                     const apply_record& record) {
  const auto& state = *listed.state;
  auto made = of_listed(listed);
  made.result = record.last_status == "ReconciliationSucceeded" ? outcome::succeeded
                : record.last_status == "HealthCheckCanceled"   ? outcome::superseded
                                                                : outcome::failed;
  made.reason = record.last_status;
  made.revision = record.revision;
  made.origin_revision = record.origin_revision;
  made.digest = record.digest;
  made.outcome_second = made.recorded_second = record.last_reconciled;
  made.first_recorded = record.first_reconciled;
  made.recorded_total = record.total;
  made.reported = record.last_duration;
  if (had_this_spec_at(state, record.first_reconciled))
    made.generation = state.generation;
  made.moved = made.result == outcome::succeeded ? recall(all, told, made) : record.total == 1;
  return made.moved ? std::optional{made} : std::nullopt;
}

/// What the object that a list shows had applied of that revision before it went on. Nothing where not all of
/// it is certain.
std::vector<attempt> earlier_runs(const analysis& all, told_contents& told, const observation& listed,
                                  const std::string& revision) {
  std::vector<attempt> result;
  for (const auto& record : listed.state->applies) {
    if (record.revision != revision)
      continue;
    auto made = run_of_record(all, told, listed, record);
    if (!made)
      return {};
    result.push_back(std::move(*made));
  }
  std::sort(result.begin(), result.end(), [](const attempt& left, const attempt& right) {
    return left.recorded_second < right.recorded_second;
  });
  return result;
}

/// Puts them before the other attempts of their objects.
void put_first(analysis& all, std::map<object_id, std::vector<attempt>>& found) {
  auto known = std::move(all.attempts);
  all.attempts.clear();
  for (auto& [object, list] : found)
    all.attempts_of[all.kept(object)];
  for (auto& entry : all.attempts_of) {
    std::vector<std::size_t> indexes;
    auto take = [&](attempt& each) {
      indexes.push_back(all.attempts.size());
      all.attempts.push_back(std::move(each));
    };
    if (auto earlier = found.find(entry.first); earlier != found.end())
      for (auto& each : earlier->second)
        take(each);
    for (auto index : entry.second)
      take(known[index]);
    entry.second = std::move(indexes);
  }
}

/// Brings back the runs under which others hang.
void recall_owners(analysis& all, told_contents& told) {
  std::map<object_id, std::vector<attempt>> found;
  auto look_above = [&](const attempt& start) {
    auto run = start;
    while (run.moved && run.object.kind != "HelmRelease") {
      const auto* owner = owner_with_its_source(all, run);
      if (!owner || !owner->states.front()->initial)
        return;
      const auto& listed = *owner->states.front();
      const auto& records = listed.state->applies;
      if (std::none_of(records.begin(), records.end(),
                       [&](const apply_record& each) { return each.revision == run.revision; }))
        return;
      auto& own = found[listed.object];
      bool known =
          has_run_at(all, listed.object, run.revision, before_return(all, *listed.state->source_ref, run)) ||
          std::any_of(own.begin(), own.end(),
                      [&](const attempt& each) { return each.revision == run.revision; });
      if (known)
        return;
      auto earlier = earlier_runs(all, told, listed, run.revision);
      if (earlier.empty())
        return;
      run = earlier.back();
      std::move(earlier.begin(), earlier.end(), std::back_inserter(own));
    }
  };
  for (const auto& each : all.attempts)
    look_above(each);
  std::erase_if(found, [](const auto& each) { return each.second.empty(); });
  for (auto& [object, list] : found)
    std::sort(list.begin(), list.end(), [](const attempt& left, const attempt& right) {
      return left.recorded_second < right.recorded_second;
    });
  if (!found.empty())
    put_first(all, found);
}

/// What was over before anything was seen, and would hang under a run that nothing tells of any more, is left
/// out.
void forget_orphans(analysis& all) {
  for (bool again = true; again;) {
    again = false;
    for (auto& each : all.attempts) {
      if (!each.historic || !each.moved || each.object.kind == "HelmRelease")
        continue;
      const auto* owner = owner_with_its_source(all, each);
      if (owner && owner->states.front()->initial &&
          !has_run_at(all, owner->latest()->object, each.revision,
                      before_return(all, *owner->states.front()->state->source_ref, each))) {
        each.moved = false;
        each.unplaced = "it was over when it was listed, and nothing shows any more what it hung under";
        again = true;
      }
    }
  }
}

} // namespace

void recall_histories(analysis& all) {
  told_contents told{all};
  bool any = false; // of what may have gone on before it was listed
  for (auto& each : all.attempts)
    if (each.historic && each.result == outcome::succeeded && each.object.kind != "HelmRelease") {
      each.moved = recall(all, told, each);
      if (!each.moved)
        each.unplaced =
            "it was over when it was listed, and nothing tells that it was the first at its revision";
    }
  for (const auto& [object, list] : all.attempts_of)
    any = any || all.find(object)->states.front()->initial;
  if (!any)
    return; // all has been seen
  recall_owners(all, told);
  forget_orphans(all);
  recall_contents(all, told);
}

} // namespace tc::trace
