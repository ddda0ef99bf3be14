"""What kustomize-controller posted, against the runs of Kustomizations."""

from recording import MILLISECOND, SECOND
from traces import is_wait, named, object_of
from verdict import Rule, close

HEALTH = "health check"
FINISHED = "Reconciliation finished in"
NOT_POSTED = {"ArtifactFailed"}  # a missing artifact is only logged


def first_finishes(recording):
    """(post, decided) of the finish messages with which a Kustomization came to a revision: the one before was at another."""
    last = {}
    for states in recording.states.values():
        for state in states:
            if state.listed and state.raw["kind"] == "Kustomization":
                last.setdefault(state.uid, state.status.get("lastAppliedRevision"))
    for post in recording.posts_of("Kustomization"):
        if post.message.startswith(FINISHED):
            if last.get(post.uid) != post.revision:
                yield post
            last[post.uid] = post.revision


def by_hand_late(recording, post):
    """Made by hand after its content had been fetched: whether it joins that change depends on whether the change had settled."""
    states = [state for state in recording.states[post.object] if state.uid == post.uid]
    if not states or "kustomize.toolkit.fluxcd.io/name" in states[0].labels or states[0].listed:
        return False
    fetched = [each.at for each in recording.posts if each.reason == "NewArtifact" and each.revision == post.revision]
    return not fetched or min(fetched) < states[0].at


def durations(recording, traces):
    rule = Rule("durations", "a run that succeeded lasts what its own finish message says, and ends with it, at its revision")
    finishes = [post for post in recording.posts_of("Kustomization") if post.message.startswith(FINISHED)]
    for run in traces.attempts("Kustomization"):
        if run.outcome != "succeeded":
            continue
        own = [post for post in finishes if post.object == object_of(run)]
        nearest = min(own, key=lambda post: abs(post.at - run.end), default=None)
        if not rule.expect(nearest is not None and abs(nearest.at - run.end) <= SECOND, named(run), "a finish message at its end",
                           nearest and f"the nearest {(nearest.at - run.end) / SECOND:+.3f} s away"):
            continue
        rule.expect(nearest.revision == run.a.get("flux.revision"), named(run), f"revision {nearest.revision}", run.a.get("flux.revision"))
        said = nearest.duration(FINISHED)
        rule.expect(close(run.seconds, said), named(run), f"{said:.3f} s", f"{run.seconds:.3f} s")
    return rule


def arrivals(recording, traces):
    rule = Rule("arrivals", "the first finish message at a revision is that of a run")
    for post in first_finishes(recording):
        runs = [run for run in traces.around(post.object, post.at) if run.outcome == "succeeded" and run.a.get("flux.revision") == post.revision]
        if not runs and by_hand_late(recording, post):
            rule.leave_out()
            continue
        rule.expect(runs, post, "a succeeded run at that revision", [named(run) for run in traces.runs[post.object]])
    return rule


def failures(recording, traces):
    rule = Rule("failures", "a failed run has the revision, reason and message of its post, and a failure on the way to a revision is a run")
    posts = [post for post in recording.posts_of("Kustomization") if post.failed]
    for run in traces.attempts("Kustomization"):
        if run.outcome != "failed" or run.a.get("flux.reason") in NOT_POSTED:
            continue
        own = [post for post in posts if post.object == object_of(run) and post.reason == run.a.get("flux.reason")]
        nearest = min(own, key=lambda post: abs(post.at - run.end), default=None)
        if not rule.expect(nearest is not None and abs(nearest.at - run.end) <= SECOND, named(run), f"a post {run.a.get('flux.reason')} at its end",
                           nearest and f"the nearest {(nearest.at - run.end) / SECOND:+.3f} s away"):
            continue
        if nearest.revision:
            rule.expect(nearest.revision == run.a.get("flux.revision"), named(run), f"revision {nearest.revision}", run.a.get("flux.revision"))
        rule.expect(nearest.message.strip() == run.message.strip(), named(run), repr(nearest.message), repr(run.message))
    finished = {}
    for post in recording.posts_of("Kustomization"):
        if post.message.startswith(FINISHED):
            finished[post.uid] = post.revision
        elif post.failed and post.revision and finished.get(post.uid) != post.revision:
            runs = [run for run in traces.around(post.object, post.at) if run.outcome == "failed"]
            rule.expect(runs, post, "a failed run", [named(run) for run in traces.around(post.object, post.at)])
    return rule


def health_checks(recording, traces):
    rule = Rule("health checks", "the phase ends when and as the message says, and lasts what it says")
    wordings = (("Health check passed in", "succeeded"), ("health check failed after", "failed"))
    for post in recording.posts_of("Kustomization"):
        said, outcome = next(((post.duration(words), outcome) for words, outcome in wordings if post.message.startswith(words)), (None, None))
        if said is None:
            continue
        runs = [run for run in traces.around(post.object, post.at) if run.a.get("flux.revision") == post.revision]
        if not runs:  # a check at an interval, which is no run, or a run that is missing: that is for the rules above
            rule.leave_out()
            continue
        phases = [phase for phase in traces.phases(runs[0]) if phase.name == HEALTH]
        if not rule.expect(len(phases) == 1, named(runs[0]), "one health check", f"{len(phases)} of them"):
            continue
        phase = phases[0]
        rule.expect(phase.outcome == outcome, named(runs[0]), f"a health check that {outcome}", phase.outcome)
        rule.expect(close(phase.seconds, said), named(runs[0]), f"a health check of {said:.3f} s", f"{phase.seconds:.3f} s")
        rule.expect(abs(phase.end - post.at) <= recording.loose, named(runs[0]), "a health check that ends with its message",
                    f"{(phase.end - post.at) / SECOND:+.3f} s from it")
    return rule


def cancellations(recording, traces):
    rule = Rule("cancellations", "a run is superseded in its health check exactly where a post says so")
    posts = recording.posts_of("Kustomization", "HealthCheckCanceled")
    for post in posts:
        runs = [run for run in traces.around(post.object, post.at) if run.a.get("flux.revision") == post.revision]
        rule.expect(runs and runs[0].outcome == "superseded", post, "a superseded run", [(named(run), run.outcome) for run in runs])
        if not runs:
            continue
        last = traces.phases(runs[0])[-1:]
        rule.expect(last and last[0].name == HEALTH and last[0].outcome not in ("succeeded", "failed"), named(runs[0]),
                    "a health check that neither passed nor failed as its last phase", [(phase.name, phase.outcome) for phase in last])
    for run in traces.attempts("Kustomization"):
        if run.a.get("flux.reason") == "HealthCheckCanceled":
            near = [post for post in posts if post.object == object_of(run) and abs(post.at - run.end) <= SECOND]
            rule.expect(near, named(run), "a post HealthCheckCanceled at its end", "none")
    return rule


def waits(recording, traces):
    rule = Rule("waits", "DependencyNotReady on the way to a revision falls into a wait of that object")
    covered = {}
    for span in traces.spans:
        for link in span.raw.get("links", []) if is_wait(span) else []:
            run = traces.by_id.get((link["traceId"].lower(), link["spanId"].lower()))
            if run:
                covered.setdefault(object_of(run), []).append((span.start, span.end, run.a.get("flux.revision")))
    for each, runs in traces.runs.items():
        covered.setdefault(each, []).extend((run.start, run.end, run.a.get("flux.revision")) for run in runs
                                            if run.a.get("flux.reason") == "DependencyNotReady")
    finished = {}
    for post in recording.posts_of("Kustomization"):
        if post.message.startswith(FINISHED):
            finished[post.uid] = post.revision
        if post.reason != "DependencyNotReady" or not post.revision or finished.get(post.uid) == post.revision:
            continue
        if by_hand_late(recording, post):
            rule.leave_out()
            continue
        before, after = 700 * MILLISECOND, 300 * MILLISECOND  # the patch that shows the wait comes after the post: on a busy machine long after
        fits = [one for one in covered.get(post.object, []) if one[0] - before <= post.at <= one[1] + after and one[2] == post.revision]
        rule.expect(fits, f"{post} at {post.at / SECOND:.3f}", "a wait at that revision", covered.get(post.object))
    return rule


def available(recording, states, run):
    """When the source that the object followed then showed the run's revision, the last time before the run; None where that was not seen."""
    reference = [state for state in states if state.at <= run.end][-1].spec.get("sourceRef") or {}
    of = reference.get("kind"), reference.get("namespace") or object_of(run)[1], reference.get("name")
    shown, before = None, None
    for state in recording.states.get(of, []):
        revision = (state.status.get("artifact") or {}).get("revision")
        if state.at > run.start + recording.loose:
            break
        if revision == run.a.get("flux.revision") and revision != before:
            shown = None if state.listed else state.at
        before = revision
    return shown


def queues(recording, traces):
    rule = Rule("queues", "a first attempt that began late, though nothing held the object back, has a wait before it from when its source had the content")
    waits = {}
    for span in filter(is_wait, traces.spans):
        for link in span.raw.get("links", []):
            waits[link["traceId"].lower(), link["spanId"].lower()] = span
    for run in traces.attempts("Kustomization"):
        if run.a.get("flux.attempt") != 1 or run.a.get("flux.attribution") != "source-revision":
            continue
        states = [state for state in recording.states[object_of(run)] if state.uid == run.a.get("k8s.resource.uid")]
        since = available(recording, states, run) if states else None
        held = since is None or states[0].at > since or any(state.spec.get("suspend") for here, state in enumerate(states) if state.at <= run.start
                                                            and (here + 1 == len(states) or states[here + 1].at > since))
        if held or not since <= run.start:
            rule.leave_out()
            continue
        busy = any(state.at <= since and (here + 1 == len(states) or states[here + 1].at > since) and is_busy(state) for here, state in enumerate(states))
        late, wait = run.start - since, waits.get((run.trace_id, run.span_id))
        if late > (0.5 if busy else 2.2) * SECOND:
            rule.expect(wait, named(run), f"a wait of {late / SECOND:.3f} s before it", "none")
        if wait and wait.name == "wait in queue":
            rule.expect(abs(wait.start - since) <= recording.loose, named(wait), f"from {since / SECOND:.3f}, when its source had the content",
                        f"from {wait.start / SECOND:.3f}")
        if late < 0.5 * SECOND and not busy:
            rule.expect(not wait or wait.name != "wait in queue", named(run), "no wait in a queue", wait and named(wait))
    return rule


def is_busy(state):
    return any(one["type"] == "Ready" and one["status"] == "Unknown" for one in state.status.get("conditions", []))


RULES = [durations, arrivals, failures, health_checks, cancellations, waits, queues]
