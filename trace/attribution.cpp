// Who caused what. One rule for each kind of run, each in a function of its own; docs/attribution.md explains
// them. Causes precede their effects, so that one pass in the order of versions finds every cause already
// attributed.

#include "trace/analysis.hpp"
#include "trace/change_activity.hpp"
#include "trace/earlier_stays.hpp"
#include "trace/revision.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

class attributor {
public:
  explicit attributor(analysis& all) : all_(all) {}

  void run() {
    struct step {
      std::uint64_t version;
      int rank; // at the same version content comes first, releases after what applies them, failed fetches
                // last
      std::size_t index;
      auto operator<=>(const step&) const = default;
    };
    std::vector<step> steps;
    for (std::size_t index = 0; index < all_.contents.size(); ++index)
      steps.push_back({all_.contents[index].begin.version, 0, index});
    for (std::size_t index = 0; index < all_.fetch_failures.size(); ++index)
      steps.push_back({all_.fetch_failures[index].begin.version, 3, index});
    for (std::size_t index = 0; index < all_.attempts.size(); ++index) {
      // What was under way or over when it was listed began before anything that was seen.
      const auto& each = all_.attempts[index];
      auto version = each.start_seen ? each.first.version : each.not_before;
      steps.push_back({version, each.object.kind == "HelmRelease" ? 2 : 1, index});
    }
    std::sort(steps.begin(), steps.end());
    decided_contents_.resize(all_.contents.size());
    decided_attempts_.resize(all_.attempts.size());
    for (const auto& each : steps)
      if (each.rank == 0)
        decide_content(each.index);
      else if (each.rank == 3)
        attribute_failure(all_.fetch_failures[each.index]);
      else
        decide_attempt(each.index);
    for (auto& each : all_.fetches_due)
      attribute_failure(each);
  }

private:
  void decide_content(std::size_t index) {
    if (decided_contents_[index])
      return;
    decided_contents_[index] = true;
    auto& content = all_.contents[index];
    if (content.generated)
      join_what_it_was_made_of(index);
    else
      adopt(content);
    activity_of_[content.change].add_content(content);
  }

  /// Of what was listed, the versions do not tell which was before which: what it was made of is decided
  /// before it.
  void decide_attempt(std::size_t index) {
    if (decided_attempts_[index])
      return;
    decided_attempts_[index] = true;
    auto& run = all_.attempts[index];
    if (auto source = source_of(run))
      if (auto found = all_.contents_of.find(*source); found != all_.contents_of.end())
        for (auto content : found->second)
          if (all_.contents[content].begin.version == 0)
            decide_content(content);
    if (run.object.kind == "HelmRelease")
      attribute_release(index);
    else
      attribute_application(index);
    if (!run.key.empty())
      activity_of_[run.key].add_attempt(all_.attempts, index);
  }

  /// The apply behind an object's creation or latest new spec up to that version. What a HelmRelease makes
  /// (its HelmChart) was asked for by the apply behind the HelmRelease.
  std::optional<std::size_t> apply_behind(const object_id& object, std::uint64_t from, std::uint64_t to,
                                          bool unseen) const {
    auto owner = all_.owner_of(object);
    if (!owner)
      return {};
    const auto* change = spec_change_before(owner->kind == "HelmRelease" ? *owner : object, to);
    // A list shows the last write of the HelmRelease only: it may have changed before its chart did.
    if (change && unseen && owner->kind == "HelmRelease")
      if (const auto& all = all_.spec_changes_of.at(*owner); change != &all.back() && (change + 1)->relisted)
        return {};
    if (!change || (owner->kind != "HelmRelease" && change->version <= from))
      return {};
    return change->cause;
  }

  const spec_change* spec_change_before(const object_id& object, std::uint64_t version) const {
    auto found = all_.spec_changes_of.find(object);
    if (found == all_.spec_changes_of.end())
      return nullptr;
    const auto& list = found->second;
    auto after = std::partition_point(list.begin(), list.end(),
                                      [&](const spec_change& each) { return each.version <= version; });
    return after == list.begin() ? nullptr : &*std::prev(after);
  }

  /// A source that cannot fetch what a commit made it fetch, or a chart that cannot be packaged from what its
  /// own source has got, fails in the trace of that commit. Of a repository that is away nobody knows what
  /// it would have had: that is in no change.
  void attribute_failure(fetch_failure& failure) {
    std::optional<std::size_t> cause;
    if (failure.asked)
      cause = apply_behind(failure.source, failure.asked_after, failure.asked_by, failure.asked_unseen);
    else if (is_known(failure.asked_second))
      cause = apply_in(failure.source, failure.asked_second);
    if (cause)
      decide_attempt(*cause);
    if (cause && !all_.attempts[*cause].key.empty()) {
      failure.cause = cause;
      failure.change = all_.attempts[*cause].key;
      return;
    }
    if (const auto* content = packaged_from(failure);
        content && content->begin.version > failure.content_before)
      failure.change = content->change;
  }

  /// What the repository or bucket that a chart lies in had by then.
  const occurrence* packaged_from(const fetch_failure& failure) const {
    const auto* then = all_.find(failure.source)->at(failure.begin.version);
    if (failure.source.kind != "HelmChart" || !then->state->source_ref ||
        then->state->source_ref->kind == "HelmRepository")
      return nullptr;
    auto found = all_.contents_of.find(*then->state->source_ref);
    if (found == all_.contents_of.end())
      return nullptr;
    const occurrence* result = nullptr;
    for (auto index : found->second)
      if (all_.contents[index].begin.version <= failure.begin.version)
        result = &all_.contents[index];
    return result;
  }

  /// A chart or plain OCI artifact that is new because a commit created its source or changed its spec
  /// belongs to that commit. Content that is itself a commit never does: its key says what it is.
  void adopt(occurrence& content) {
    if (is_commit(content.source, content.key, content.origin_revision))
      return;
    if (is_known(content.asked_second))
      adopt_listed(content);
    if (!content.spec_moved || content.cause)
      return;
    auto cause = apply_behind(content.source, content.asked_after, content.asked_by, content.asked_unseen);
    if (!cause || all_.attempts[*cause].key.empty())
      return;
    // Fetched before that apply: for another one, which was missed. Or so late that it may be the second that
    // was fetched since: source-controller looks again after its interval.
    const auto* line = all_.find(content.source);
    auto asked = start_second_of(all_.attempts[*cause]);
    auto interval = line->latest()->state->interval.value_or(duration{});
    if (!content.begin.live &&
        (content.updated + std::chrono::seconds{1} < asked || content.updated > asked + interval))
      return;
    content.cause = cause;
    content.change = all_.attempts[*cause].key;
  }

  /// The same where a list showed the source first: who created it or changed its spec is known by the
  /// second, and the content is the first one fetched since.
  void adopt_listed(occurrence& content) {
    if (!content.begin.live && !first_since(content, content.asked_second))
      return;
    auto cause = apply_in(content.source, content.asked_second);
    if (!cause)
      return;
    decide_attempt(*cause);
    if (all_.attempts[*cause].key.empty())
      return;
    content.cause = cause;
    content.change = all_.attempts[*cause].key;
  }

  /// The apply behind the spec that a source had since that second.
  std::optional<std::size_t> apply_in(const object_id& source, timestamp second) const {
    auto owner = all_.owner_of(source);
    if (!owner)
      return {};
    auto found = all_.spec_changes_of.find(owner->kind == "HelmRelease" ? *owner : source);
    if (found == all_.spec_changes_of.end())
      return {};
    std::optional<std::size_t> result;
    for (const auto& each : found->second)
      if (is_known(each.applied_at) && each.applied_at <= second)
        result = each.cause;
    return result;
  }

  /// Whether it came soon after that second, and nothing tells of another content that came between.
  bool first_since(const occurrence& content, timestamp asked) {
    const auto& line = *all_.find(content.source);
    auto interval = line.latest()->state->interval.value_or(duration{});
    if (content.updated < asked || content.updated > asked + interval)
      return false;
    for (const auto& each : noted_contents(content.source, line))
      if (each.key != content.key && each.at >= asked && each.at < content.updated + std::chrono::seconds{1})
        return false;
    if (auto followers = all_.appliers.find(content.source); followers != all_.appliers.end())
      for (const auto* follower : followers->second)
        for (const auto& record : follower->latest()->state->applies)
          if (record.last_reconciled >= asked && record.last_reconciled <= content.updated &&
              !has_change_key(content.source, record.revision, record.origin_revision, content.key))
            return false;
    return true;
  }

  /// The content before it of the same source.
  const occurrence* previous_content(std::size_t index) const {
    const auto& list = all_.contents_of.at(all_.contents[index].source);
    auto here = std::lower_bound(list.begin(), list.end(), index);
    return here == list.begin() ? nullptr : &all_.contents[*std::prev(here)];
  }

  /// An ExternalArtifact is made of several sources: a new one belongs to what changed since the one before,
  /// which is the source that moved last, or the apply that changed its generator. The origin revision that
  /// it carries names only one of the sources, and may stand still. Decided by the seconds that were written,
  /// which a restart leaves as they are.
  void join_what_it_was_made_of(std::size_t index) {
    auto& made = all_.contents[index];
    const auto* before = previous_content(index);
    const auto& generator = *all_.find(made.source)->latest()->state->source_ref;
    const auto& line = *all_.find(generator);
    const occurrence* moved = nullptr;
    bool hidden = false; // a source has moved on, and what it had then is not known
    for (const auto& source : line.latest()->state->sources) {
      auto found = all_.contents_of.find(source);
      if (found == all_.contents_of.end() || found->second.empty())
        continue;
      const occurrence* latest = nullptr;
      for (auto each : found->second) {
        const auto& held = all_.contents[each];
        bool later = made.begin.version != 0 && held.begin.version > made.begin.version;
        if (held.updated <= made.updated && !later)
          latest = &held;
      }
      hidden = hidden || !latest;
      if (!latest || (before && latest->updated < before->updated))
        continue;
      auto order = [&](const occurrence& each) {
        return std::make_tuple(each.updated, each.key == made.key, each.begin.version);
      };
      if (!moved || order(*moved) < order(*latest))
        moved = latest;
    }
    const auto* asked =
        spec_change_before(generator, made.begin.version == 0 ? no_version : made.begin.version);
    bool by_spec = asked && asked->cause && asked->applied_at <= made.updated &&
                   (!moved || asked->applied_at > moved->updated) &&
                   (!before || asked->applied_at >= before->updated);
    if (by_spec && !all_.attempts[*asked->cause].key.empty()) {
      made.cause = asked->cause;
      made.change = all_.attempts[*asked->cause].key;
    } else if (moved && !hidden) {
      made.change = moved->change;
    } else if (hidden) {
      made.change.clear();
    }
  }

  /// Returns the content of `source` that `matches` and that an attempt of those versions took.
  template <class Matches>
  std::optional<std::size_t> content_at(const object_id& source, const attempt& taker,
                                        Matches matches) const {
    auto found = all_.contents_of.find(source);
    if (found == all_.contents_of.end())
      return {};
    auto by = taker.start_seen ? taker.first.version : taker.last.version;
    const auto& list = found->second;
    auto after = std::partition_point(
        list.begin(), list.end(), [&](std::size_t each) { return all_.contents[each].begin.version <= by; });
    for (auto here = after; here != list.begin();)
      if (--here; matches(all_.contents[*here]))
        return *here;
    // What a list showed may have been there before; what was seen live was not.
    for (auto here = after; here != list.end(); ++here)
      if (const auto& each = all_.contents[*here]; !each.begin.live && matches(each))
        return *here;
    return {};
  }

  std::optional<object_id> source_of(const attempt& of) const {
    const auto* line = all_.find(of.object);
    const auto* then = line ? line->at(of.last.version) : nullptr;
    if (!then)
      return {};
    return then->state->source_ref;
  }

  /// Whether no generation between it and the one before has been missed.
  static bool follows_by_one(const std::vector<spec_change>& list,
                             std::vector<spec_change>::const_iterator here) {
    return here == list.begin() || std::prev(here)->uid != here->uid ||
           std::prev(here)->generation + 1 >= here->generation;
  }

  const spec_change* latest_spec_change(const attempt& of, std::int64_t above) const {
    auto found = all_.spec_changes_of.find(of.object);
    if (found == all_.spec_changes_of.end())
      return nullptr;
    const auto& list = found->second;
    auto here = std::partition_point(
        list.begin(), list.end(), [&](const spec_change& each) { return each.version <= of.last.version; });
    while (here != list.begin()) {
      --here;
      if (here->uid != of.uid || here->generation <= above)
        break;
      if (here->generation > of.generation && !follows_by_one(list, here) &&
          std::prev(here)->generation < of.generation)
        break; // the one it took has not been seen
      if (here->generation <= of.generation && here->cause)
        return &*here;
      if (here->generation <= of.generation && here->missed)
        break; // by whom is not known
    }
    return nullptr;
  }

  /// The attempt before it of the same object and UID.
  const attempt* previous(std::size_t index) const {
    const auto& of = all_.attempts[index];
    const auto& list = all_.attempts_of.at(of.object);
    auto here = std::lower_bound(list.begin(), list.end(), index);
    if (here == list.begin())
      return nullptr;
    const auto& before = all_.attempts[*std::prev(here)];
    return before.uid == of.uid ? &before : nullptr;
  }

  void join(attempt& run, std::size_t cause, bool logged) {
    run.cause = cause;
    run.key = all_.attempts[cause].key;
    run.attribution = logged ? "change-log" : "owner-attempt";
  }

  /// Kustomizations, and what other makers' controllers apply from a Flux source.
  void attribute_application(std::size_t index) {
    auto& run = all_.attempts[index];
    run.source = source_of(run);
    const auto* before = previous(index);
    // Applied with another spec, though its own source stands still: the apply that changed it is the cause.
    const auto* asked = latest_spec_change(run, before ? before->generation : 0);
    if (!run.moved) {
      if (all_.change_logs.contains(index) && run.result == outcome::succeeded && !asked) {
        // It found its objects changed, and put them right.
        const auto& own = all_.attempts_of.at(run.object);
        for (auto here = std::lower_bound(own.begin(), own.end(), index); here != own.begin();)
          if (const auto& earlier = all_.attempts[*--here];
              earlier.moved && earlier.revision == run.revision) {
            run.drifted_from = earlier.key;
            break;
          }
        run.key = "drift:" + run.object.to_string() + '#' + to_rfc3339(run.outcome_second);
        run.attribution = "change-log";
        return;
      }
      if (before && asked && !all_.attempts[*asked->cause].key.empty() && run.generation > before->generation)
        join(run, *asked->cause, asked->logged);
      else if (!run.unplaced)
        run.unplaced = "it was at this revision already, and no apply had changed its spec";
      return;
    }
    run.unplaced = "what it applies is not known";
    if (!run.source)
      return;
    bool before_return = false;
    auto content = content_at(*run.source, run, [&](const occurrence& each) {
      if (!run.revision.empty() && !each.has_revision(run.revision))
        return false;
      bool of_earlier = began_before_return(run, each);
      before_return = before_return || of_earlier;
      return !of_earlier;
    });
    if (!content && before_return) {
      run.unplaced = "its source came back to this revision, and nothing tells in which stay there it began";
      return;
    }
    if (run.revision.empty() && content) { // it failed before it named one
      auto now = content_at(*run.source, run, [](const occurrence&) { return true; });
      content = now;
      run.revision = all_.contents[*content].revision;
    }
    if (content && returned_unseen(index, all_.contents[*content])) {
      run.unplaced = "it has left this revision and is at it again; that its source is so has not been seen";
      return;
    }
    if (content) {
      run.key = all_.contents[*content].change;
      if (run.origin_revision.empty())
        run.origin_revision = all_.contents[*content].origin_revision;
    } else {
      run.key = change_of_unseen(change_key_of(*run.source, run.revision, run.origin_revision), run);
    }
    run.attribution = "source-revision";
    if (asked)
      run.cause = asked->cause;
    if (before || run.key.empty())
      return;
    bool of_its_apply = asked && all_.attempts[*asked->cause].key == run.key;
    bool replaces = !of_its_apply && replaces_one_at_it(index);
    if (replaces || (!of_its_apply && created_after_settling(run))) {
      run.unplaced = replaces ? "it was made anew under the name of one that had applied this revision"
                              : "it was made after the change had settled";
      run.key.clear();
      run.attribution.clear();
      if (asked && !all_.attempts[*asked->cause].key.empty())
        join(run, *asked->cause, asked->logged);
    }
  }

  /// The object was at that content, then at other content, and is at it again: so is its source, though that
  /// has not been seen (its watch is behind, or was interrupted). In which incarnation of the change only the
  /// source can tell.
  bool returned_unseen(std::size_t index, const occurrence& content) const {
    const auto& run = all_.attempts[index];
    const auto& own = all_.attempts_of.at(run.object);
    bool was_elsewhere = false;
    for (auto here = std::lower_bound(own.begin(), own.end(), index); here != own.begin();) {
      const auto& earlier = all_.attempts[*--here];
      if (earlier.uid != run.uid || earlier.source != run.source ||
          earlier.first.version < content.begin.version)
        return false;
      bool same = earlier.revision.empty() || content.has_revision(earlier.revision);
      if (same && was_elsewhere)
        return true;
      if (same)
        return false;
      was_elsewhere = true;
    }
    return false;
  }

  const std::vector<std::size_t>& contents_with(const std::string& key) {
    if (contents_by_key_.empty())
      for (std::size_t index = 0; index < all_.contents.size(); ++index)
        contents_by_key_[all_.contents[index].key].push_back(index);
    return contents_by_key_[key];
  }

  /// The source does not show that content (any more): another source may.
  std::string change_of_unseen(const std::string& key, const attempt& run) {
    std::string result = key;
    std::uint64_t latest = 0;
    for (auto index : contents_with(key))
      if (const auto& each = all_.contents[index];
          each.begin.version >= latest && each.begin.version <= run.last.version) {
        latest = each.begin.version;
        result = each.change;
      }
    return result;
  }

  /// An object made anew under the name of one that had applied this revision does not take the change again.
  bool replaces_one_at_it(std::size_t index) const {
    const auto& run = all_.attempts[index];
    const auto& list = all_.attempts_of.at(run.object);
    auto here = std::lower_bound(list.begin(), list.end(), index);
    if (here == list.begin())
      return false;
    const auto& gone = all_.attempts[*std::prev(here)];
    return gone.uid != run.uid && gone.result == outcome::succeeded && gone.revision == run.revision;
  }

  /// An object made by hand once the change had settled does not take part in it.
  bool created_after_settling(const attempt& run) const {
    const auto* line = all_.find(run.object);
    const auto* latest = line ? line->latest() : nullptr;
    if (!latest)
      return false;
    timestamp created;
    for (const auto& fact : line->states)
      if (fact->uid == run.uid)
        created = fact->state->created;
    if (!is_known(created))
      return false;
    auto change = activity_of_.find(run.key);
    if (change == activity_of_.end())
      return false;
    auto busy = change->second.last_busy(all_.attempts, run.object, created);
    return busy && created > *busy + all_.options.settle_after;
  }

  void attribute_release(std::size_t index) {
    auto& run = all_.attempts[index];
    const auto* before = previous(index);
    run.source = chart_of(run);
    run.moved = false;
    if (before && before->result != outcome::succeeded && before->generation == run.generation &&
        before->config_digest == run.config_digest && before->revision == run.revision &&
        before->digest == run.digest) {
      // Nothing else than before: a retry.
      run.key = before->key;
      run.cause = before->cause;
      run.attribution = before->attribution;
      run.moved = !run.key.empty();
      return;
    }
    if (joins_by_spec(run, before) ||
        (!spec_moved_unseen(run, before) && (joins_by_values(run, before) || joins_by_chart(run, before))))
      run.moved = true;
  }

  /// Its spec changed during an outage of the watch: whoever did that may have caused the run.
  bool spec_moved_unseen(const attempt& run, const attempt* before) const {
    auto found = all_.spec_changes_of.find(run.object);
    if (found == all_.spec_changes_of.end())
      return false;
    auto above = before ? before->generation : 0;
    for (auto here = found->second.begin(); here != found->second.end(); ++here)
      if (here->uid == run.uid && here->version <= run.last.version && here->generation > above &&
          (here->missed || !follows_by_one(found->second, here)))
        return true;
    return false;
  }

  /// The release record before the attempt's own: what the release was, when no attempt before it is known.
  const release_record* record_before(const attempt& run) const {
    const auto* line = all_.find(run.object);
    const auto* then = line ? line->at(run.last.version) : nullptr;
    if (!then)
      return nullptr;
    const release_record* result = nullptr;
    for (const auto& each : then->state->releases) // in no order of versions once there was a rollback
      if (each.last_deployed < run.deployed_second && (!result || each.last_deployed > result->last_deployed))
        result = &each;
    return result;
  }

  /// An outage of the watch hid how it went on, and with that perhaps what it attempted.
  static bool inputs_missed(const attempt& of) {
    return of.result == outcome::incomplete && of.reason == "NotSeen";
  }

  /// Its metadata.generation moved while its owner was applying.
  bool joins_by_spec(attempt& run, const attempt* before) {
    const auto* asked = latest_spec_change(run, before ? before->generation : 0);
    if (!asked || all_.attempts[*asked->cause].key.empty())
      return false;
    // Without an earlier attempt, the record before tells whether the spec had been taken already.
    if (!before)
      if (const auto* record = record_before(run); record && record->last_deployed > asked->applied_at &&
                                                   (asked->version == 0 || is_known(asked->applied_at)))
        return false;
    join(run, *asked->cause, asked->logged);
    return true;
  }

  /// Returns the version by which the attempt had applied everything: from then on it only checks health.
  static std::uint64_t applied_by(const attempt& run) {
    for (const auto& each : run.phases)
      if (each.name == "health check")
        return each.begin.version;
    return run.last.version;
  }

  /// Whether the attempt can have applied something after that second.
  static bool reaches_past(const attempt& run, timestamp second) {
    for (const auto& each : run.phases)
      if (each.name == "health check" && each.begin.live)
        return std::chrono::floor<std::chrono::seconds>(each.begin.at) > second;
    return !is_known(run.outcome_second) || run.outcome_second > second;
  }

  /// The values digest moved, and an apply touched a ConfigMap or Secret that the release reads.
  bool joins_by_values(attempt& run, const attempt* before) {
    bool known = before && !inputs_missed(*before);
    const auto* record = known ? nullptr : record_before(run);
    auto earlier = known ? before->config_digest : record ? fact_text{record->config_digest} : fact_text{};
    if (earlier.empty() || earlier == run.config_digest)
      return false;
    const auto* line = all_.find(run.object);
    const auto* then = line->at(run.last.version);
    const auto& reads = then->state->values_from;
    if (reads.empty())
      return false;
    auto since = before ? before->first.version : 0;
    std::optional<std::size_t> named;
    std::optional<std::size_t> possible;
    for (const auto& values : reads)
      for (const auto& object : appliers_of(values)) {
        auto found = all_.attempts_of.find(object);
        if (found == all_.attempts_of.end())
          continue;
        const auto& list = found->second;
        auto here = std::partition_point(list.begin(), list.end(), [&](std::size_t each) {
          return all_.attempts[each].first.version <= run.first.version;
        });
        while (here != list.begin()) {
          auto index = *--here;
          const auto& apply = all_.attempts[index];
          if (apply.last.version < since)
            break;
          if (applied_by(apply) < since)
            continue; // it checks health still, but what it applied the release had read before
          if (apply.key.empty() || (record && !reaches_past(apply, record->last_deployed)) ||
              (is_known(run.deployed_second) && !(apply.start_seen && run.start_seen) && // else versions tell
               start_second_of(apply) > run.deployed_second))
            continue;
          auto log = all_.log_names(index, values);
          auto later = [&](const std::optional<std::size_t>& than) {
            return !than || all_.attempts[*than].first.version < apply.first.version;
          };
          if (log.value_or(false) && later(named))
            named = index;
          // Without a log of that apply: it applies the object, and it changed something.
          if (!log && apply.changed.value_or(true) && later(possible))
            possible = index;
        }
      }
    auto cause = named ? named : possible;
    if (!cause)
      return false;
    join(run, *cause, named.has_value());
    return true;
  }

  /// The Kustomizations that have the ConfigMap or Secret in their inventories.
  const std::vector<object_id>& appliers_of(const object_id& values) {
    if (!inventories_read_) {
      inventories_read_ = true;
      for (const auto& [object, line] : all_.timelines)
        if (const auto* latest = line.latest(); latest && object.kind == "Kustomization")
          for (const auto& each : latest->state->inventory)
            if (each.kind == "ConfigMap" || each.kind == "Secret")
              appliers_[each].push_back(object);
    }
    return appliers_[values];
  }

  std::optional<object_id> chart_of(const attempt& run) const {
    const auto* line = all_.find(run.object);
    const auto* then = line ? line->at(run.last.version) : nullptr;
    if (!then)
      return {};
    if (then->state->chart_ref)
      return then->state->chart_ref;
    const auto& named = then->state->helm_chart;
    auto slash = named.find('/');
    if (slash == std::string::npos)
      return {};
    return object_id{"source.toolkit.fluxcd.io", "HelmChart", named.substr(0, slash),
                     named.substr(slash + 1)};
  }

  bool applied_by_a_kustomization(const object_id& object) const {
    auto owner = all_.owner_of(object);
    return owner && owner->kind == "Kustomization";
  }

  /// A new chart version that no commit asked for; or the first one of a release that no apply made.
  bool joins_by_chart(attempt& run, const attempt* before) {
    if (!run.source)
      return false;
    const auto* record = before && !inputs_missed(*before) ? nullptr : record_before(run);
    // An apply made it, or changed it after the release before: that apply is the cause, known or not.
    if (!before && all_.owner_of(run.object)) {
      const auto* then = all_.find(run.object)->at(run.last.version);
      if (!record || record->last_deployed <= then->state->applied_at)
        return false;
    }
    if (before && inputs_missed(*before) && !record)
      return false;
    if (before && !inputs_missed(*before) && before->revision == run.revision && before->digest == run.digest)
      return false;
    if (record && record->chart_version == run.revision &&
        (run.digest.empty() || record->oci_digest == run.digest))
      return false;
    auto content = content_at(*run.source, run, [&](const occurrence& each) {
      if (!run.digest.empty() && each.source.kind != "HelmChart")
        return parse_revision(each.revision).digest() == run.digest ||
               std::any_of(each.revisions.begin(), each.revisions.end(), [&](const std::string& known) {
                 return parse_revision(known).digest() == run.digest;
               });
      return each.has_revision(run.revision);
    });
    // Fetched because its spec moved, and by whom is not known (yet): no change of its own.
    if (content && all_.contents[*content].spec_moved && !all_.contents[*content].cause &&
        applied_by_a_kustomization(run.object))
      return false;
    run.attribution = "chart";
    if (!content) {
      run.key = run.source->kind == "HelmChart" ? change_key_of(*run.source, run.revision, {})
                                                : std::string{run.digest};
      return !run.key.empty();
    }
    const auto& chart = all_.contents[*content];
    run.key = chart.change;
    // Packaged from a repository: the commit it was packaged from is the change.
    const auto* line = all_.find(chart.source);
    const auto* latest = line ? line->latest() : nullptr;
    if (chart.source.kind == "HelmChart" && latest && latest->state->source_ref &&
        latest->state->source_ref->kind != "HelmRepository") {
      const auto& origin = *latest->state->source_ref;
      auto commit = content_at(origin, run, [&](const occurrence& each) {
        return each.has_revision(chart.observed_source_revision);
      });
      run.key = commit ? all_.contents[*commit].change
                       : change_of_unseen(change_key_of(origin, chart.observed_source_revision, {}), run);
    }
    if (!before && !record && created_after_settling(run)) {
      run.unplaced = "it was made after the change had settled";
      run.key.clear();
      run.attribution.clear();
      return false;
    }
    return true;
  }

  analysis& all_;
  std::vector<bool> decided_contents_;
  std::vector<bool> decided_attempts_;
  std::map<std::string, change_activity> activity_of_;
  std::map<std::string, std::vector<std::size_t>> contents_by_key_;
  bool inventories_read_ = false;
  std::map<object_id, std::vector<object_id>> appliers_;
};

/// What a source that was made anew got belongs to the apply that made it. Where none did, it has what the
/// one before it had: that stay goes on.
void join_stays_of_new_objects(analysis& all) {
  for (const auto& [source, list] : all.contents_of) {
    occurrence* before = nullptr;
    for (auto index : list) {
      auto& content = all.contents[index];
      if (before && content.of_new_object && content.change == before->change) {
        before->end = content.end;
        before->latest = std::max(before->latest, content.latest);
        content.change.clear();
      } else {
        before = &content;
      }
    }
  }
}

} // namespace

void attribute_all(analysis& all) {
  attributor{all}.run();
  // A HelmChart that is packaged from a repository is no change of its own: it belongs to the commit.
  for (auto& content : all.contents) {
    if (content.source.kind != "HelmChart" || content.cause)
      continue;
    const auto* line = all.find(content.source);
    const auto* latest = line ? line->latest() : nullptr;
    if (!latest || !latest->state->source_ref || latest->state->source_ref->kind == "HelmRepository")
      continue;
    const auto& origin = *latest->state->source_ref;
    auto found = all.contents_of.find(origin);
    content.change.clear();
    if (found == all.contents_of.end()) {
      content.change = change_key_of(origin, content.observed_source_revision, {});
      continue;
    }
    for (auto index : found->second) {
      const auto& each = all.contents[index];
      if (each.begin.version <= content.begin.version && each.has_revision(content.observed_source_revision))
        content.change = each.change;
    }
  }
  join_stays_of_new_objects(all);
}

void name_attempts(analysis& all) {
  // IDs come from what controllers wrote: the outcome and its second, a release's number, or the second of
  // the start.
  std::map<std::pair<object_id, std::string>, int> ordinals;
  for (auto& each : all.attempts) {
    if (all.scope.change && each.key != *all.scope.change)
      continue;
    std::string text;
    if (each.release_version != 0)
      text = "release " + std::to_string(each.release_version) + ' ' + to_rfc3339(each.deployed_second);
    else if (is_known(each.recorded_second))
      text = std::string{each.reason} + ' ' + to_rfc3339(each.recorded_second);
    else if (is_known(each.outcome_second))
      text = std::string{each.reason} + ' ' + to_rfc3339(each.outcome_second);
    else
      text = "started " + to_rfc3339(each.start_second);
    auto ordinal = ordinals[{each.object, each.key + ' ' + text}]++; // an ID is of one trace
    each.discriminator = ordinal == 0 ? text : text + ' ' + std::to_string(ordinal);
  }
}

} // namespace tc::trace
