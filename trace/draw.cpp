#include "trace/draw.hpp"

#include "messages/kinds.hpp"
#include "trace/parents.hpp"
#include "trace/revision.hpp"
#include "trace/span_ids.hpp"
#include "trace/span_messages.hpp"
#include "trace/span_words.hpp"
#include "trace/timing.hpp"

#include <algorithm>

namespace tc::trace {

namespace {

/// Draws one change. Members that draw a thing place it under its parent, whose ID can be derived before it
/// is drawn.
class painter {
public:
  painter(const drawing_context& context, const std::string& key, const change_facts& change)
      : context_(context), all_(context.all), change_(change), key_(key), parents_(context.all, key, change) {
    for (auto index : change.contents)
      contents_of_[all_.contents[index].source].push_back(index);
    for (auto index : change.attempts)
      if (const auto& source = all_.attempts[index].source)
        takers_of_[*source].push_back(index);
    for (auto index : change.fetch_failures)
      failures_of_[all_.fetch_failures[index].source].push_back(&all_.fetch_failures[index]);
    out_.change_key = key;
    out_.trace_namespace = context.options.trace_namespace;
    out_.trace_name = context.options.trace_name;
    if (context.options.scope == trace_scope::trace)
      prefix_ = context.options.trace_uid + ':';
    out_.id = derive_trace_id(key, prefix_);
    first_id_ = derive_trace_id(base_key(key), prefix_);
    out_.root = root_of(all_, key, change);
    out_.revision = revision_of(all_, out_.root, change);
    out_.outcome = outcome_of(all_, change);
  }

  completed_trace paint() {
    choose();
    draw_source(out_.root);
    for (auto index : change_.attempts)
      if (wanted_.contains(index))
        draw_attempt(index);
    for (const auto& each : change_.waits)
      if (all_.selected(each.object))
        draw_waiting(each);
    for (auto index : change_.removals)
      if (all_.selected(all_.removals[index].object))
        draw_removal(all_.removals[index]);
    for (auto index : change_.rollouts)
      if (wanted_.contains(all_.rollouts[index].cause))
        draw_rollout(all_.rollouts[index]);
    // Sources that something hangs under, and those that the Trace names.
    for (auto index : change_.contents)
      if (all_.selected(all_.contents[index].source))
        draw_source(all_.contents[index].source);
    for (const auto& [source, failures] : failures_of_)
      draw_source(source);
    draw_commits();
    finish();
    return std::move(out_);
  }

private:
  /// What the Trace selects, and the ancestors of it.
  void choose() {
    for (auto index : change_.attempts)
      if (all_.selected(all_.attempts[index].object))
        choose(index);
    for (const auto& each : change_.waits)
      if (all_.selected(each.object))
        if (auto above = parents_.of_waiting(each).attempt)
          choose(*above);
    for (auto index : change_.removals)
      if (all_.selected(all_.removals[index].object))
        choose(all_.removals[index].cause);
    for (auto index : change_.rollouts)
      if (all_.selected(all_.rollouts[index].object))
        choose(all_.rollouts[index].cause);
    for (auto index : change_.fetch_failures)
      if (auto cause = all_.fetch_failures[index].cause)
        choose(*cause);
    std::map<object_id, int> numbers;
    for (auto index : change_.attempts)
      numbers_[index] = ++numbers[all_.attempts[index].object];
  }

  void choose(std::size_t index) {
    while (wanted_.insert(index).second) {
      auto above = parents_.of_attempt(index).attempt;
      if (!above)
        return;
      index = *above;
    }
  }

  /// The contents of a source in this change, in their order.
  const std::vector<std::size_t>& contents_of(const object_id& source) const {
    static const std::vector<std::size_t> none;
    auto found = contents_of_.find(source);
    return found == contents_of_.end() ? none : found->second;
  }

  span_id attempt_id(std::size_t index) const {
    const auto& run = all_.attempts[index];
    return derive_span_id(out_.id, run.object, run.discriminator);
  }

  span_id source_id(const object_id& source) const { return derive_span_id(out_.id, source, "source"); }

  span_id place(const parent_ref& at) {
    if (at.attempt)
      return attempt_id(*at.attempt);
    if (at.source) {
      draw_source(*at.source);
      return source_id(*at.source);
    }
    return source_id(out_.root);
  }

  span make(const object_id& object, const char* span_kind_word, std::string name) const {
    span made;
    made.name = std::move(name);
    made.service = controller_of(object);
    made.attributes.push_back({"flux.span.kind", std::string{span_kind_word}});
    made.attributes.push_back({"k8s.resource.group", object.group});
    made.attributes.push_back({"k8s.resource.kind", object.kind});
    made.attributes.push_back({"k8s.resource.name", object.name});
    made.attributes.push_back({"k8s.namespace.name", object.namespace_name});
    return made;
  }

  void draw_source(const object_id& source) {
    if (!drawn_.insert(source).second)
      return;
    bool is_root = source == out_.root;
    std::vector<const occurrence*> held;
    for (auto index : contents_of(source))
      held.push_back(&all_.contents[index]);
    auto made = make(source, "source",
                     source.kind.empty() ? std::string{"unknown source"}
                                         : "reconcile " + source.kind + ' ' + source.name);
    made.id = source_id(source);
    const auto* line = all_.find(source);
    // As it was when it had the content: another one may have its name by now.
    const auto* then = !line          ? nullptr
                       : held.empty() ? line->latest()
                                      : line->at(held.front()->begin.version);
    if (then)
      put(made, "k8s.resource.uid", then->uid);
    auto failed = failures_of_.find(source);
    if (!held.empty() || failed != failures_of_.end()) {
      auto asked_by = held.empty() ? failed->second.front()->cause : held.front()->cause;
      put(made, "flux.attribution", asked_by ? "owner-attempt" : "source-revision");
    }
    if (held.empty() && failed != failures_of_.end()) {
      const auto& last = *failed->second.back();
      bool never = last.fetched.version == 0;
      made.start = tried_at(*failed->second.front());
      made.end = never ? time_of(last.begin, last.second) : time_of(last.fetched, {});
      made.end = std::max(made.start, made.end);
      if (never) {
        put(made, "flux.outcome", "failed");
        put(made, "flux.reason", last.reason);
        made.status = span_status::error;
        made.status_message = last.message;
      }
    } else if (held.empty()) {
      if (all_.contents_of.find(source) == all_.contents_of.end()) {
        made.attributes.push_back({"flux.synthetic", true});
        inferred_ = true;
      }
      put(made, "flux.revision", revision_seen_by_takers(source));
      made.start = made.end = earliest_start();
    } else {
      const auto& first = *held.front();
      put(made, "flux.revision", first.revisions.front());
      put(made, "flux.origin_revision", first.origin_revision);
      made.end = there_by(source, first);
      made.start = first.fetch_begin.version != 0 && first.fetch_begin.live
                       ? std::min(first.fetch_begin.at, made.end)
                       : made.end;
      if (failed == failures_of_.end())
        fetched_ += made.end - made.start;
      for (const auto* each : held)
        for (auto& event : messages_of_content(all_, *each))
          made.events.push_back(std::move(event));
      for (const auto* each : held)
        for (const auto& fact : notifications_of_content(all_, *each))
          draw_notification(*fact, made.id);
      put_content(made, source, first, then);
    }
    if (is_root) {
      made.kind = span_kind::server;
    } else {
      auto above = parents_.of_source(source);
      if (above.attempt && !wanted_.contains(*above.attempt))
        above = {};
      made.parent = place(above);
      if (made.parent == made.id)
        made.parent = source_id(out_.root);
    }
    if (failed != failures_of_.end())
      draw_fetches(failed->second, held.empty() ? std::nullopt : std::optional{made.start}, made);
    out_.spans.push_back(std::move(made));
  }

  static timestamp tried_at(const fetch_failure& failure) {
    auto failed_at = time_of(failure.begin, failure.second);
    return failure.tried.version != 0 && failure.tried.live ? std::min(failure.tried.at, failed_at)
                                                            : failed_at;
  }

  /// The tries of a source, the last of which may have got what it should. Between them it waited.
  void draw_fetches(const std::vector<const fetch_failure*>& failures, std::optional<timestamp> succeeded,
                    span& source_span) {
    source_span.start = std::min(source_span.start, tried_at(*failures.front()));
    std::map<std::string, int> ordinals;
    duration worked{};
    auto draw = [&](const std::string& discriminator, timestamp from, timestamp to) -> span& {
      auto made = make_phase(failures.front()->source, "fetch");
      auto ordinal = ordinals[discriminator]++;
      made.id = derive_span_id(out_.id, failures.front()->source,
                               discriminator + (ordinal ? ' ' + std::to_string(ordinal) : std::string{}));
      made.parent = source_span.id;
      made.end = std::min(to, source_span.end);
      made.start = std::clamp(from, source_span.start, made.end);
      worked += made.end - made.start;
      out_.spans.push_back(std::move(made));
      return out_.spans.back();
    };
    for (const auto* each : failures) {
      auto& made = draw("fetch failed " + each->uid + ' ' + std::to_string(each->generation) + ' ' +
                            to_rfc3339(each->second) + ' ' + each->reason,
                        tried_at(*each), time_of(each->begin, each->second));
      put(made, "flux.outcome", "failed");
      put(made, "flux.reason", each->reason);
      made.status = span_status::error;
      made.status_message = each->message;
    }
    if (succeeded && *succeeded >= time_of(failures.back()->begin, failures.back()->second))
      put(draw("fetch", *succeeded, source_span.end), "flux.outcome", "succeeded");
    fetched_ += worked;
    waited_ += source_span.end - source_span.start - worked;
  }

  /// Since when a source has had a content. Each kind has a watch of its own, and that of the source may be
  /// behind: who took the content shows that it was there.
  timestamp there_by(const object_id& source, const occurrence& content) const {
    auto result = time_of(content.begin, content.updated);
    if (!content.begin.live || !is_known(content.updated))
      return result;
    auto was_there = [&](timestamp at) { result = std::min(result, std::max(at, content.updated)); };
    if (auto takers = takers_of_.find(source); takers != takers_of_.end())
      for (auto index : takers->second)
        if (const auto& run = all_.attempts[index];
            run.first.version > content.begin.version && !run.timed_by_seconds)
          was_there(run.start);
    for (const auto& each : change_.waits)
      if (each.source == source && each.begin.version > content.begin.version && each.begin.live)
        was_there(each.begin_at);
    return result;
  }

  std::string revision_seen_by_takers(const object_id& source) const {
    auto takers = takers_of_.find(source);
    return takers == takers_of_.end() ? out_.revision
                                      : std::string{all_.attempts[takers->second.front()].revision};
  }

  timestamp earliest_start() const {
    timestamp result;
    auto take = [&](timestamp at) {
      if (is_known(at) && (!is_known(result) || at < result))
        result = at;
    };
    for (auto index : change_.attempts)
      take(all_.attempts[index].start);
    for (const auto& each : change_.waits)
      take(each.begin_at);
    return result;
  }

  void draw_attempt(std::size_t index) {
    const auto& run = all_.attempts[index];
    auto made = make(run.object, "run", "reconcile " + run.object.kind + ' ' + run.object.name);
    made.id = attempt_id(index);
    auto above = parents_.of_attempt(index);
    made.parent = place(above);
    made.start = run.start;
    made.end = run.end;
    put(made, "k8s.resource.uid", run.uid);
    put(made, "flux.revision", run.revision);
    put(made, "flux.origin_revision", run.origin_revision);
    std::string how{to_string(run.result)};
    put(made, "flux.outcome", how);
    put(made, "flux.reason", run.reason);
    made.attributes.push_back({"flux.attempt", std::int64_t{numbers_.at(index)}});
    auto changed = all_.change_logs.contains(index) ? std::optional{true} : run.changed;
    if (run.object.kind == "HelmRelease" && run.result == outcome::succeeded)
      changed = true;
    if (changed)
      made.attributes.push_back({"flux.changed", *changed});
    put(made, "flux.action", run.action);
    put(made, "flux.attribution", run.attribution);
    if (run.timed_by_seconds || run.attribution == "time") {
      made.attributes.push_back({"flux.inferred", true});
      inferred_ = true;
    }
    if (run.object.kind == "HelmRelease")
      put(made, "oci.manifest.digest", run.digest);
    else if (auto read = parse_revision(run.revision); run.source && run.source->kind == "OCIRepository")
      put(made, "oci.manifest.digest", read.digest());
    describe_task(made, run.object, how);
    if (run.result == outcome::failed) {
      made.status = span_status::error;
      made.status_message = run.message;
    } else if (run.result == outcome::succeeded) {
      made.status = span_status::ok;
    }
    if (auto found = context_.messages.find(index); found != context_.messages.end())
      made.events = found->second;
    if (auto found = context_.notifications.find(index); found != context_.notifications.end())
      for (const auto& fact : found->second)
        draw_notification(*fact, made.id);
    link_dependencies(made, run);
    draw_wait_before(index, made);
    draw_phases(index, made);
    out_.spans.push_back(std::move(made));
  }

  /// The delivery of an event under what the event tells of. It may last longer than that.
  void draw_notification(const observation& fact, const span_id& under) {
    const auto& told = *fact.notification;
    auto made = make(fact.object, "notification", "notify of " + fact.object.kind + ' ' + fact.object.name);
    made.id = derive_span_id(out_.id, fact.object, "notification/" + fact.identity());
    made.parent = under;
    made.kind = span_kind::client;
    made.service = told.sender;
    made.start = told.began;
    made.end = std::max(told.began, told.ended);
    put(made, "flux.reason", told.reason);
    put(made, "flux.outcome", told.error.empty() ? "succeeded" : "failed");
    put(made, "flux.notification.receiver", told.receiver);
    made.attributes.push_back({"flux.notification.attempts", told.attempts});
    made.status = told.error.empty() ? span_status::ok : span_status::error;
    made.status_message = told.error;
    out_.spans.push_back(std::move(made));
  }

  void describe_task(span& made, const object_id& object, const std::string& how) const {
    put(made, "cicd.pipeline.task.name", object.kind + ' ' + object.name);
    put(made, "cicd.pipeline.task.run.id", made.id.to_hex());
    put(made, "cicd.pipeline.task.run.result", result_word(how));
  }

  /// dependsOn is no parent: a link to what the dependency did for the same change.
  void link_dependencies(span& made, const attempt& run) const {
    const auto* line = all_.find(run.object);
    const auto* then = line ? line->at(run.last.version) : nullptr;
    if (!then)
      return;
    for (const auto& dependency : then->state->depends_on) {
      std::optional<std::size_t> before;
      if (auto found = all_.attempts_of.find(dependency); found != all_.attempts_of.end())
        for (auto index : found->second)
          if (all_.attempts[index].key == key_ && wanted_.contains(index) &&
              all_.attempts[index].first.version < run.first.version)
            before = index;
      if (before)
        made.links.push_back({out_.id, attempt_id(*before), {{"flux.link", std::string{"dependsOn"}}}});
    }
  }

  /// The wait before the first attempt: for dependencies or a source that is not ready, or behind an earlier
  /// run.
  void draw_wait_before(std::size_t index, const span& run_span) {
    const auto& run = all_.attempts[index];
    if (numbers_.at(index) != 1)
      return;
    const auto& own = all_.attempts_of.at(run.object);
    auto here = std::lower_bound(own.begin(), own.end(), index);
    const attempt* before = here == own.begin() ? nullptr : &all_.attempts[*std::prev(here)];
    auto could = content_begin(run);
    const auto& since = could.seen;
    std::optional<timestamp> begin;
    std::string name;
    std::string message;
    if (auto found = all_.waits_of.find(run.object); found != all_.waits_of.end())
      for (auto each : found->second) {
        const auto& candidate = all_.waits[each];
        if (candidate.uid != run.uid || candidate.reason == "ArtifactFailed" ||
            candidate.end.version > run.first.version || candidate.end.version < since.version ||
            (before && candidate.end.version <= before->first.version))
          continue;
        auto from = candidate.begin.version < since.version
                        ? time_of(since, {})
                        : time_of(candidate.begin, candidate.begin_second);
        if (!begin || from < *begin)
          begin = from;
        if (name != "wait for dependencies")
          name = candidate.reason == "DependencyNotReady" ? "wait for dependencies" : "wait for source";
        message = candidate.message;
      }
    if (!begin && since.version != 0) {
      bool busy = before && before->first.version < since.version && before->last.version > since.version;
      if (busy || queued(run, could)) {
        begin = time_of(since, {});
        name = "wait in queue";
      }
    }
    if (!begin)
      return;
    auto made = make_phase(run.object, name);
    made.id = derive_span_id(out_.id, run.object, run.discriminator + "/wait");
    made.parent = run_span.parent;
    made.end = run_span.start;
    made.start = std::min(*begin, made.end);
    put(made, "flux.message", message);
    made.links.push_back({out_.id, run_span.id, {{"flux.link", std::string{"waitedFor"}}}});
    waited_ += made.end - made.start;
    out_.spans.push_back(std::move(made));
  }

  /// From when on an object could have begun with a change: seen, and the second that was written.
  struct chance {
    moment seen;
    timestamp second;
  };

  /// Whether its controller took longer to begin than a watch takes to tell it, though nothing held the
  /// object back: all workers were busy, or the controller was down. Decided by what was written, so that a
  /// late arrival makes no queue.
  bool queued(const attempt& run, const chance& since) const {
    constexpr auto at_once = std::chrono::seconds{1};
    if (!since.seen.live || !is_known(since.second) || !run.start_seen || !is_known(run.start_second) ||
        run.start_second - since.second <= at_once)
      return false;
    const auto& states = all_.find(run.object)->states;
    auto before = std::partition_point(states.begin(), states.end(), [&](const observation_ptr& each) {
      return each->resource_version <= since.seen.version;
    });
    if (before == states.begin())
      return false; // it was made later
    for (--before; before != states.end() && (*before)->resource_version < run.first.version; ++before)
      if ((*before)->uid != run.uid || !(*before)->state || (*before)->state->suspended)
        return false;
    return true;
  }

  /// Its spec was changed, or its source had the content.
  chance content_begin(const attempt& run) const {
    if (run.cause && all_.attempts[*run.cause].key == key_ && run.attribution != "source-revision") {
      if (auto changes = all_.spec_changes_of.find(run.object); changes != all_.spec_changes_of.end())
        for (const auto& each : changes->second)
          if (each.cause == run.cause && each.uid == run.uid && each.version != 0)
            if (const auto* state = all_.find(run.object)->at(each.version);
                state->resource_version == each.version)
              return {moment_of(*state), each.applied_at};
      return {all_.attempts[*run.cause].first, {}};
    }
    if (run.source)
      for (auto index : contents_of(*run.source))
        if (const auto& each = all_.contents[index]; each.begin.version != 0)
          return {each.begin, each.updated};
    return {};
  }

  span make_phase(const object_id& object, std::string name) const {
    span made;
    made.name = std::move(name);
    made.service = controller_of(object);
    made.attributes.push_back({"flux.span.kind", std::string{"phase"}});
    return made;
  }

  void draw_phases(std::size_t index, const span& run_span) {
    const auto& run = all_.attempts[index];
    std::map<std::string, int> ordinals;
    auto from = run_span.start;
    bool none = true;
    for (const auto& each : run.phases) {
      auto ordinal = ordinals[each.name]++;
      if (!each.begin.live)
        continue; // when it began is not known
      none = false;
      auto made = make_phase(run.object, each.name);
      made.id = derive_span_id(out_.id, run.object,
                               run.discriminator + '/' + each.name +
                                   (ordinal ? ' ' + std::to_string(ordinal) : std::string{}));
      made.parent = run_span.id;
      // The first patch comes a little after the start; after a restart the first step seen is a later one.
      bool first = &each == &run.phases.front() && each.begin.version <= run.first.version;
      made.start = first ? run_span.start : std::clamp(each.begin.at, from, run_span.end);
      made.end = each.end.version != 0 && each.end.live ? std::clamp(each.end.at, made.start, run_span.end)
                 : &each == &run.phases.back()          ? run_span.end
                                                        : made.start;
      from = made.end;
      put(made, "flux.outcome", each.outcome);
      if (each.outcome == "failed") {
        made.status = span_status::error;
        made.status_message = each.message;
      }
      auto lasted = made.end - made.start;
      if (each.name == "fetch")
        fetched_ += lasted;
      else if (each.name == "health check")
        checked_ += lasted;
      else
        applied_ += lasted;
      out_.spans.push_back(std::move(made));
    }
    if (none)
      applied_ += run_span.end - run_span.start;
  }

  /// Objects may follow each other under one name: when each was created tells them apart, also where nothing
  /// shows the one before any more.
  std::string with_creation(const object_id& object, const std::string& uid, const std::string& text) const {
    const auto* line = all_.find(object);
    const observation* own = nullptr;
    bool another = false; // in the same second
    for (const auto& fact : line ? line->states : std::vector<observation_ptr>{})
      if (fact->uid == uid && fact->state && is_known(fact->state->created)) {
        own = fact.get();
        break;
      }
    if (!own)
      return text;
    for (const auto& fact : line->states)
      another = another || (fact->uid < uid && fact->state && fact->state->created == own->state->created);
    return text + ' ' + to_rfc3339(own->state->created) + (another ? ' ' + uid : std::string{});
  }

  void draw_waiting(const lingering& waiting) {
    auto made = make(waiting.object, "run", "reconcile " + waiting.object.kind + ' ' + waiting.object.name);
    made.id = derive_span_id(out_.id, waiting.object, with_creation(waiting.object, waiting.uid, "waited"));
    made.parent = place(parents_.of_waiting(waiting));
    made.start = waiting.begin_at;
    made.end = is_known(waiting.end_at) ? waiting.end_at : std::max(made.start, last_known());
    made.start = std::min(made.start, made.end);
    put(made, "k8s.resource.uid", waiting.uid);
    put(made, "flux.revision", out_.revision);
    std::string how = waiting.over ? "superseded" : "incomplete";
    put(made, "flux.outcome", how);
    put(made, "flux.reason", waiting.reason);
    made.attributes.push_back({"flux.attempt", std::int64_t{1}});
    made.attributes.push_back({"flux.changed", false});
    put(made, "flux.action", "reconcile");
    put(made, "flux.attribution", waiting.cause ? "owner-attempt" : "source-revision");
    describe_task(made, waiting.object, how);
    waited_ += made.end - made.start;
    out_.spans.push_back(std::move(made));
  }

  timestamp last_known() const {
    timestamp result;
    for (const auto& each : out_.spans)
      result = std::max(result, each.end);
    return result;
  }

  void draw_removal(const removal& gone) {
    const auto& by = all_.attempts[gone.cause];
    auto made = make(gone.object, "run", "delete " + gone.object.kind + ' ' + gone.object.name);
    made.id = derive_span_id(out_.id, gone.object, with_creation(gone.object, gone.uid, "delete"));
    made.parent = attempt_id(gone.cause);
    made.start = gone.begin.live ? gone.begin.at : by.end;
    bool over = gone.end.version != no_version;
    made.end = over && gone.end.live ? std::max(gone.end.at, made.start) : made.start;
    put(made, "k8s.resource.uid", gone.uid);
    put(made, "flux.revision", gone.revision);
    std::string how = over ? "succeeded" : "incomplete";
    put(made, "flux.outcome", how);
    put(made, "flux.reason", over ? "Deleted" : "Deleting");
    made.attributes.push_back({"flux.attempt", std::int64_t{1}});
    made.attributes.push_back({"flux.changed", true});
    put(made, "flux.action", "delete");
    put(made, "flux.attribution",
        all_.log_names(gone.cause, gone.object).value_or(false) ? "change-log" : "owner-attempt");
    describe_task(made, gone.object, how);
    out_.spans.push_back(std::move(made));
  }

  void draw_rollout(const rollout& rolled) {
    const auto& by = all_.attempts[rolled.cause];
    auto made = make(rolled.object, "workload", "roll out " + rolled.object.kind + ' ' + rolled.object.name);
    made.id = derive_span_id(
        out_.id, rolled.object,
        with_creation(rolled.object, rolled.uid, "generation " + std::to_string(rolled.generation)));
    made.parent = attempt_id(rolled.cause);
    made.start = time_of(rolled.begin, rolled.begin_second);
    bool over = rolled.end.version != no_version;
    // By the same clock as its begin, where arrivals are late or that of the host is ahead.
    made.end = !over ? by.end : rolled.end.live ? time_of(rolled.end, rolled.end_second) : rolled.end_second;
    made.end = std::max(made.start, made.end);
    put(made, "k8s.resource.uid", rolled.uid);
    auto result = rolled.result;
    auto reason = rolled.reason;
    if (result == outcome::open && by.result == outcome::failed) {
      result = outcome::failed;
      reason = by.reason;
    }
    std::string how{to_string(result)};
    put(made, "flux.outcome", how);
    put(made, "flux.reason", reason);
    if (rolled.images)
      put_images(made, *rolled.images);
    if (result == outcome::failed) {
      made.status = span_status::error;
      made.status_message = reason;
    }
    out_.spans.push_back(std::move(made));
  }

  void finish() {
    auto& root = *std::find_if(out_.spans.begin(), out_.spans.end(),
                               [](const span& each) { return each.parent.is_zero(); });
    put(root, "flux.change.key", key_);
    put(root, "flux.change.outcome", out_.outcome);
    put(root, "cicd.pipeline.name", out_.root.to_string());
    put(root, "cicd.pipeline.run.id", out_.id.to_hex());
    put(root, "cicd.pipeline.result", result_word(out_.outcome));
    put(root, "cicd.pipeline.action.name", "SYNC");
    // Sums over all objects, which may work at the same time.
    root.attributes.push_back({"flux.total.waited_seconds", seconds(waited_)});
    root.attributes.push_back({"flux.total.fetched_seconds", seconds(fetched_)});
    root.attributes.push_back({"flux.total.applied_seconds", seconds(applied_)});
    root.attributes.push_back({"flux.total.health_checked_seconds", seconds(checked_)});
    if (out_.outcome == "incomplete" || root.find("flux.synthetic"))
      root.attributes.push_back({"flux.incomplete", true});
    // What stands for a source nobody observed, and times and attributions that nothing says exactly.
    if (inferred_ && !root.find("flux.inferred"))
      root.attributes.push_back({"flux.inferred", true});
    if (out_.outcome == "failed") {
      root.status = span_status::error;
      root.status_message = failure_message();
    } else if (out_.outcome == "succeeded") {
      root.status = span_status::ok;
    }
    if (auto from = drifted_from(); !from.empty()) {
      auto of = derive_trace_id(from, prefix_);
      root.links.push_back(
          {of, derive_span_id(of, out_.root, "source"), {{"flux.link", std::string{"driftedFrom"}}}});
    }
    if (base_key(key_) != key_)
      root.links.push_back({first_id_,
                            derive_span_id(first_id_, out_.root, "source"),
                            {{"flux.link", std::string{"sameContent"}}}});
    for (auto& each : out_.spans)
      hide_credentials(each);
    out_.settled_at = last_known();
    std::sort(out_.spans.begin(), out_.spans.end(), [](const span& left, const span& right) {
      return std::tuple{!left.parent.is_zero(), left.start, left.id} <
             std::tuple{!right.parent.is_zero(), right.start, right.id};
    });
    if (!context_.options.cluster_name.empty())
      out_.resource_attributes.push_back({"k8s.cluster.name", context_.options.cluster_name});
    for (const auto& [name, value] : context_.options.attributes)
      out_.resource_attributes.push_back({name, value});
  }

  std::string drifted_from() const {
    for (auto index : change_.attempts)
      if (const auto& from = all_.attempts[index].drifted_from; !from.empty())
        return from;
    return {};
  }

  /// The push of an ImageUpdateAutomation that made the commit.
  void draw_commits() {
    auto commit = parse_revision(out_.revision).hex;
    if (auto read = parse_revision(base_key(key_)); read.is_sha1())
      commit = read.hex;
    for (const auto& [object, line] : all_.timelines) {
      if (object.kind != "ImageUpdateAutomation" || commit.empty())
        continue;
      for (const auto& fact : line.states) {
        if (fact->state->last_push_commit != commit)
          continue;
        auto made = make(object, "commit", "push commit");
        made.id = derive_span_id(out_.id, object, "commit");
        made.parent = source_id(out_.root);
        made.start = made.end =
            is_known(fact->state->last_push_time) ? fact->state->last_push_time : fact->received_at;
        put(made, "k8s.resource.uid", fact->uid);
        put(made, "vcs.ref.head.revision", commit);
        made.links.push_back({out_.id, made.parent, {{"flux.link", std::string{"caused"}}}});
        out_.spans.push_back(std::move(made));
        break;
      }
    }
  }

  std::string failure_message() const {
    std::map<object_id, const attempt*> last;
    for (auto index : change_.attempts)
      last[all_.attempts[index].object] = &all_.attempts[index];
    for (const auto& [object, run] : last)
      if (run->result == outcome::failed)
        return object.to_string() + ": " + run->message;
    for (const auto* each : unfetched(all_, change_))
      return each->source.to_string() + ": " + each->message;
    return {};
  }

  const drawing_context& context_;
  const analysis& all_;
  const change_facts& change_;
  const std::string& key_;
  parents parents_;
  completed_trace out_;
  std::string prefix_;
  trace_id first_id_;
  std::set<std::size_t> wanted_;
  std::map<std::size_t, int> numbers_;
  std::set<object_id> drawn_;
  std::map<object_id, std::vector<const fetch_failure*>> failures_of_;
  std::map<object_id, std::vector<std::size_t>> takers_of_;   ///< by source: its attempts
  std::map<object_id, std::vector<std::size_t>> contents_of_; ///< by source: to scan them all for each is n²
  duration waited_{};
  duration fetched_{};
  duration applied_{};
  duration checked_{};
  bool inferred_ = false;
};

} // namespace

completed_trace draw(const drawing_context& context, const std::string& key, const change_facts& change) {
  return painter{context, key, change}.paint();
}

} // namespace tc::trace
