"""What helm-controller posted and wrote, against the runs of HelmReleases."""

import re

from recording import MILLISECOND, SECOND, go_seconds
from traces import named, object_of
from verdict import Rule, close

CLOSE = 250 * MILLISECOND  # a post leaves inside the action, before the patch that shows its end
ACTIONS = ("Install", "Upgrade")
STEPS = ("Install", "Upgrade", "Rollback", "Uninstall", "Test")
ENDS = re.compile(rf"({'|'.join(STEPS)})(Succeeded|Failed)")


def step_of(post):
    """("install", "succeeded") of a post that ends a Helm action, or None."""
    found = ENDS.fullmatch(post.reason)
    return (found[1].lower(), found[2].lower()) if found else None


def began(recording, post, action):
    """When the status said that the action was running: the last time before its post. None where no state shows it."""
    began_at, before = None, False
    for state in recording.states[post.object]:
        if state.at > post.at:
            break
        running = any(one["type"] == "Reconciling" and f"Running '{action}' action" in one.get("message", "")
                      for one in state.status.get("conditions", []))
        if running and not before:
            began_at = state.at
        before = running
    return began_at


def reported(recording, post):
    """Seconds that the status gives the last action soon after its post; None where it still says what it said before."""
    before = None
    for state in recording.states[post.object]:
        said = state.status.get("lastAttemptedReleaseActionDuration")
        if state.at < post.at:
            before = said
        elif said and said != before:
            return go_seconds(said) if state.at <= post.at + 2 * SECOND else None
    return None


def without_logs(message):
    """The cause; controllers append Helm's last log lines to the post and not to the condition."""
    return message.partition("\n\nLast Helm logs:")[0].strip()


def values_undone(recording, post):
    """Whether what the release takes its values from had been deleted by hand since the action before: the next to apply it makes it anew, though
    nobody had pruned it."""
    states = [state for state in recording.states[post.object] if state.uid == post.uid and state.at <= post.at]
    since = max((each.at for each in recording.posts_of("HelmRelease") if each.object == post.object and each.at < post.at and step_of(each)), default=0)
    for values in states[-1].spec.get("valuesFrom", []) if states else []:
        named_object = values["kind"], post.object[1], values["name"]
        verbs = [(each.at, change[3]) for each in recording.posts_of("Kustomization") for change in each.changes() if change[:3] == named_object]
        if any(at > since and verb == "created" and before != "deleted" for (_, before), (at, verb) in zip(verbs, verbs[1:])):
            return True
    return False


def actions(recording, traces):
    rule = Rule("helm actions", "each install, upgrade, rollback, uninstall or test that was posted is a phase that ends with its post")
    for post in recording.posts_of("HelmRelease"):
        step = step_of(post)
        if not step:
            continue
        removed = [run for run in traces.runs[post.object] if run.a.get("flux.action") == "delete"
                   and run.start - SECOND <= post.at <= run.end + SECOND]
        if step[0] == "uninstall" and removed:
            rule.expect(removed[0].outcome == "succeeded", post, "a removal that succeeded", removed[0].outcome)
            continue
        if step[0] == "uninstall" and any(state.metadata.get("deletionTimestamp") for state in recording.states[post.object]
                                          if state.uid == post.uid and state.at <= post.at):
            rule.leave_out()  # deleted by hand: in no trace
            continue
        runs = traces.around(post.object, post.at)
        if not runs and values_undone(recording, post):
            rule.leave_out()  # in no trace either
            continue
        if not rule.expect(runs, post, "a run around it", "none"):
            continue
        ends = [phase for phase in traces.phases(runs[0]) if phase.name == f"helm {step[0]}" and abs(phase.end - post.at) <= CLOSE]
        rule.expect(ends and ends[0].outcome == step[1], named(runs[0]), f"helm {step[0]} that {step[1]}, ending at {post.at / SECOND:.3f}",
                    [(phase.name, phase.outcome, phase.end / SECOND) for phase in traces.phases(runs[0])])
        if step[0].capitalize() in ACTIONS:
            rule.expect(runs[0].a.get("flux.action") == step[0], named(runs[0]), f"action {step[0]}", runs[0].a.get("flux.action"))
            rule.expect(runs[0].a.get("flux.revision") == post.revision, named(runs[0]), f"chart {post.revision}", runs[0].a.get("flux.revision"))
            if step[1] == "failed":
                rule.expect(runs[0].outcome == "failed", named(runs[0]), "failed", runs[0].outcome)
    return rule


def evidence(recording, traces):
    rule = Rule("helm evidence", "each phase and outcome of a HelmRelease's run has its post; a failure has its message")
    posts = [(post, step_of(post)) for post in recording.posts_of("HelmRelease") if step_of(post)]
    for run in traces.attempts("HelmRelease"):
        own = [(post, step) for post, step in posts if post.object == object_of(run)]
        for phase in traces.phases(run):
            step = phase.name.removeprefix("helm ")
            if phase.outcome in ("succeeded", "failed") and step.capitalize() in STEPS:
                near = [post for post, what in own if what == (step, phase.outcome) and abs(post.at - phase.end) <= CLOSE]
                rule.expect(near, f"{phase.name} of {named(run)}", f"a post that it {phase.outcome}", "none at its end")
        if run.outcome == "failed":
            own = [post for post in recording.posts_of("HelmRelease", run.a.get("flux.reason")) if post.object == object_of(run)
                   and run.start - CLOSE <= post.at <= run.end + SECOND]
            if rule.expect(own, named(run), f"a post {run.a.get('flux.reason')}", "none"):
                same = any(without_logs(post.message) == without_logs(run.message) for post in own)
                rule.expect(same, named(run), repr(own[0].message), repr(run.message))
    return rule


def durations(recording, traces):
    rule = Rule("helm durations", "an action lasts from when the status says that it runs to its post, and what the status says of it afterwards")
    for post in recording.posts_of("HelmRelease"):
        step = step_of(post)
        runs = traces.around(post.object, post.at) if step else []
        ends = [phase for run in runs[:1] for phase in traces.phases(run) if phase.name == f"helm {step[0]}" and abs(phase.end - post.at) <= SECOND]
        if not ends:
            continue
        lasted, start = ends[0].seconds, began(recording, post, step[0])
        if start is not None:
            said = (post.at - start) / SECOND
            rule.expect(close(lasted, said), named(runs[0]), f"{ends[0].name} of {said:.3f} s from status to post", f"{lasted:.3f} s")
        said = reported(recording, post) if step[0].capitalize() in ACTIONS else None
        if said is not None:
            rule.expect(close(lasted, said), named(runs[0]), f"{ends[0].name} of {said:.3f} s as the status says", f"{lasted:.3f} s")
    return rule


RULES = [actions, evidence, durations]
