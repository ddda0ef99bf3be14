"""Sources, removals and workloads: posts and the raw states of the objects, against their spans."""

from recording import MILLISECOND, SECOND
from traces import named, object_of
from verdict import Rule

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
OWNERS = (("Kustomization", "kustomize.toolkit.fluxcd.io"), ("HelmRelease", "helm.toolkit.fluxcd.io"))


def same_bytes(recording, span):
    """Whether the source came to that revision without other bytes: then nothing was posted, save perhaps at a later return."""
    artifacts = [state.status.get("artifact") or {} for state in recording.states[object_of(span)] if state.at <= span.end + MILLISECOND]
    at = len(artifacts) - 1
    while at > 0 and artifacts[at - 1].get("revision") == artifacts[at].get("revision"):
        at -= 1
    return at > 0 and artifacts[at].get("digest") == artifacts[at - 1].get("digest")


def sources(recording, traces):
    rule = Rule("sources", "a source span is around the post of the artifact that it is about")
    posts = [post for post in recording.posts if post.reason in ("NewArtifact", "ChartPullSucceeded", "ChartPackageSucceeded")]
    for span in traces.of_kind("source"):
        own = [post for post in posts if post.object == object_of(span) and post.revision == span.a.get("flux.revision")]
        if not own or same_bytes(recording, span):  # the digest stood still, or the artifact is older than the recording
            rule.leave_out()
            continue
        rule.expect(any(span.start - recording.loose <= post.at <= span.end + 500 * MILLISECOND for post in own), named(span),
                    f"around {[post.at / SECOND for post in own]}", f"{span.start / SECOND:.3f} .. {span.end / SECOND:.3f}")
    return rule


def failed_fetches(recording, traces):
    rule = Rule("failed fetches", "a fetch that failed is under its source, which ends no earlier, and has its post")
    for span in traces.of_kind("phase"):
        source = traces.parent(span)
        if span.name != "fetch" or not source or source.span_kind != "source" or span.a.get("flux.outcome") == "succeeded":
            continue
        own = [post for post in recording.posts_of(source.a["k8s.resource.kind"]) if post.failed and post.object == object_of(source)
               and post.reason == span.a.get("flux.reason")]
        rule.expect(span.a.get("flux.outcome") == "failed" and source.start <= span.start <= span.end <= source.end
                    and any(span.start - recording.loose <= post.at <= span.end + 500 * MILLISECOND for post in own), named(source),
                    f"a failure inside, with its post: {[post.at / SECOND for post in own]}", f"{span.start / SECOND:.3f} .. {span.end / SECOND:.3f}")
    # A chart that was asked for once has a HelmRelease, whose apply has a trace: its failures are in one.
    drawn = {(object_of(traces.parent(span)), span.a.get("flux.reason")) for span in traces.of_kind("phase")
             if span.name == "fetch" and traces.parent(span)}
    for post in recording.posts_of("HelmChart"):
        if post.failed and post.reason == "InvalidChartReference":
            rule.expect((post.object, post.reason) in drawn, post, "a fetch that failed", "none")
    return rule


def removals(recording, traces):
    rule = Rule("removals", "what an apply pruned is a run from its deletion timestamp to its end, under that apply, and nothing else is")
    pruned = set()
    told = set()
    for post in recording.posts_of("Kustomization"):
        by_finalizer = any(state.metadata.get("deletionTimestamp") for state in recording.states[post.object] if state.at <= post.at
                           and state.uid == post.uid)
        for kind, namespace, name, verb in post.changes():
            gone = kind, namespace, name
            if verb != "deleted" or kind not in ("Kustomization", "HelmRelease") or by_finalizer or gone not in recording.states:
                continue
            states = recording.states[gone]
            removed = [state for state in states if state.type == "DELETED" and state.at >= post.at - SECOND]
            if not removed:
                rule.leave_out()
                continue
            # While a finalizer works, each later apply says so again.
            if (gone, removed[0].uid) in told:
                continue
            told.add((gone, removed[0].uid))
            ends = [state.at for state in removed]
            begins = [state.at for state in states if state.metadata.get("deletionTimestamp") and state.uid == removed[0].uid]
            runs = [run for run in traces.runs[gone] if run.a.get("flux.action") == "delete" and abs(run.end - ends[0]) <= recording.near]
            parent = traces.parent(runs[0]) if runs else None
            pruned.update((run.trace_id, run.span_id) for run in runs)
            if rule.expect(len(runs) == 1, post, f"one removal of {'/'.join(gone)} that ends with it", [named(run) for run in traces.runs[gone]]):
                rule.expect(abs(runs[0].start - begins[0]) <= recording.near, named(runs[0]), f"start at {begins[0] / SECOND:.3f}",
                            f"{runs[0].start / SECOND:.3f}")
                rule.expect(parent and object_of(parent) == post.object and parent.a.get("flux.revision") == post.revision, named(runs[0]),
                            f"under {'/'.join(post.object)} at {post.revision}", parent and named(parent))
    for run in traces.of_kind("run"):
        if run.a.get("flux.action") == "delete":
            rule.expect((run.trace_id, run.span_id) in pruned, named(run), "a change log that says so", "none")
    return rule


def is_available(state):
    """As kubectl rollout status judges it."""
    spec, status = state.spec, state.status
    if status.get("observedGeneration", 0) < state.generation:
        return False
    if state.raw["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        return status.get("updatedNumberScheduled", 0) >= wanted and status.get("numberAvailable", 0) >= wanted
    wanted = spec.get("replicas", 1)
    if status.get("updatedReplicas", 0) < wanted or status.get("replicas", 0) > wanted:
        return False
    return status.get("availableReplicas", 0) >= wanted


class Rollout:
    """One generation of a workload from its first state to available, to the next generation, or to neither."""

    def __init__(self, states):
        self.start, self.generation, self.labels, self.uid = states[0].at, states[0].generation, states[0].labels, states[0].uid
        self.template = states[0].spec.get("template")
        self.listed = states[0].listed
        self.available = next((state.at for state in states if is_available(state)), None)
        self.images = {container["image"] for container in ((self.template or {}).get("spec") or {}).get("containers", [])}
        self.replaced = None


def rollouts_of(states):
    made = []
    for state in states:
        if state.type == "DELETED":
            continue
        if made and made[-1][0].uid == state.uid and made[-1][0].generation == state.generation:
            made[-1].append(state)
        else:
            made.append([state])
    found = [Rollout(group) for group in made]
    for one, after in zip(found, found[1:]):
        if one.uid == after.uid:
            one.replaced = after.start
    return found


def images_of(span):
    """Names of the images, as the span has them."""
    return set(span.a.get("container.image.name", []))


def name_of_image(image):
    bare = image.partition("@")[0]
    head, _, tail = bare.rpartition("/")
    return (head + "/" if head else "") + tail.partition(":")[0]


def check_times(rule, span, rollout, near):
    rule.expect(abs(span.start - rollout.start) <= near, named(span), f"start at {rollout.start / SECOND:.3f}", f"{span.start / SECOND:.3f}")
    if rollout.available is not None:
        rule.expect(span.outcome == "succeeded" and abs(span.end - rollout.available) <= near, named(span),
                    f"available at {rollout.available / SECOND:.3f}", f"{span.outcome} at {span.end / SECOND:.3f}")
    elif rollout.replaced is not None:
        rule.expect(span.outcome in ("superseded", "failed"), named(span), "superseded or failed", span.outcome)
        if span.outcome == "superseded":
            rule.expect(abs(span.end - rollout.replaced) <= near, named(span), f"end at {rollout.replaced / SECOND:.3f}", f"{span.end / SECOND:.3f}")
    else:
        rule.expect(span.outcome != "succeeded", named(span), "no success", span.outcome)
    rule.expect(images_of(span) == {name_of_image(image) for image in rollout.images}, named(span), sorted(rollout.images), sorted(images_of(span)))
    tags = {image.partition("@")[0].rpartition("/")[2].partition(":")[2] for image in rollout.images} - {""}
    rule.expect(set(span.a.get("container.image.tags", [])) == tags, named(span), sorted(tags), span.a.get("container.image.tags"))


def owner_of(rollout):
    """(kind, namespace, name) by the labels that the controllers set on what they apply."""
    for kind, group in OWNERS[::-1]:
        if f"{group}/name" in rollout.labels:
            return kind, rollout.labels.get(f"{group}/namespace", ""), rollout.labels[f"{group}/name"]
    return None


def workloads(recording, traces):
    rule = Rule("workloads", "a rollout lasts from its generation to available, has its images and is under the run that applied it; none is missing")
    for each, states in recording.states.items():
        if each[0] not in WORKLOADS:
            continue
        rollouts, unused = rollouts_of(states), list(traces.workloads[each])
        before = None
        for rollout in rollouts:
            same = [span for span in unused if span.a.get("k8s.resource.uid") == rollout.uid and abs(span.start - rollout.start) <= SECOND
                    and min(rollouts, key=lambda one, at=span.start: abs(one.start - at)) is rollout]
            owner = owner_of(rollout)
            during = [run for run in traces.around(owner, rollout.start, after=0)] if owner else []
            moved = before is None or before.uid != rollout.uid or before.template != rollout.template
            before = rollout
            if not same:
                if during and moved and not rollout.listed:
                    rule.expect(False, f"{'/'.join(each)} generation {rollout.generation}", f"a span under {named(during[0])}", "none")
                else:
                    rule.leave_out()
                continue
            unused.remove(same[0])
            check_times(rule, same[0], rollout, recording.near)
            parent = traces.parent(same[0])
            inside = parent and parent.start - recording.near <= rollout.start <= parent.end + recording.near
            rule.expect(inside and (owner is None or object_of(parent) == owner),
                        named(same[0]), f"under a run of {owner} at that time", parent and named(parent))
        for span in unused:
            rule.expect(False, named(span), "a generation that began then", [rollout.start / SECOND for rollout in rollouts])
    for each in set(traces.workloads) - set(recording.states):
        rule.expect(False, each, "a workload of the recording", "none")
    return rule


RULES = [sources, failed_fetches, removals, workloads]
