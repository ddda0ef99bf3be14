"""What a user gets wrong: a Provider that is not there, a Trace that cannot be right."""

import copy
import os

from ..kubernetes import condition, manifests_of
from ..waiting import Refused, until
from ..world import NAMESPACE
from . import content
from .commits import push
from .recording import LIMIT


def missing_provider(world):
    """The Trace says what is missing; a change that settles meanwhile is kept and delivered once the Provider appears."""
    report = world.report
    world.admin.apply(content.trace("late", "tardy"))
    trace = until("Trace late to be not Ready", lambda: _ready_is(world, "late", "False"), 30, logs=[world.subject.child])
    ready = condition(trace, "Ready")
    report.check("the reason of Ready=False is one about the Provider", "Provider" in ready["reason"] or "NotFound" in ready["reason"], "a reason",
                 ready["reason"])
    report.check("the message names the Provider", "tardy" in ready["message"], "tardy", ready["message"])
    report.equal("observedGeneration is the generation all the same", trace["status"].get("observedGeneration"), trace["metadata"]["generation"])
    commit = push(world, content.files(web="200", frontend="3"), "feat: while a Provider is missing")
    world.await_applied("app", commit)
    main = world.await_trace(commit)  # the other Trace has settled it, so this one, with the same times, has too or is about to
    report.check("nothing went to the missing Provider's backend", not world.received("late").trace_ids(), "nothing", world.received("late").trace_ids())

    # The Provider appears, but names a Secret that does not exist yet.
    tardy = content.provider("tardy", world.collector.url("late"))
    tardy["spec"]["secretRef"] = {"name": "tardy-token"}
    world.admin.apply(tardy)
    trace = until("Trace late to name the missing Secret", lambda: _names(world, "late", "tardy-token"), 30, logs=[world.subject.child])
    report.equal("a Provider without its Secret is not Ready either", condition(trace, "Ready")["status"], "False")
    report.check("nothing is sent without the credentials", not world.received("late").trace_ids(), "nothing", world.received("late").trace_ids())
    world.admin.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tardy-token", "namespace": NAMESPACE},
                       "stringData": {"token": "not-a-real-one"}})
    until("Trace late to be Ready", lambda: _ready_is(world, "late", "True"), 60, logs=[world.subject.child])
    report.check("the Trace heals when Provider and Secret are there", True)
    late = world.await_trace(commit, file="late")
    report.equal("the change settled meanwhile is delivered, with the same spans as at the other backend",
                 {span.span_id: (span.parent_id, span.outcome) for span in late.spans}, {span.span_id: (span.parent_id, span.outcome) for span in main.spans})
    ids = {span.span_id: span for span in main.spans}
    moved = [span for span in late.spans if span.span_id in ids and (abs(span.start - ids[span.span_id].start) > LIMIT
                                                                      or abs(span.end - ids[span.span_id].end) > LIMIT)]
    report.check("both Traces tell the same times", not moved, f"within {LIMIT // 1_000_000} ms", moved)
    # A young change that had settled before the Trace came is within --backfill; it may be there, under its own ID.
    strangers = world.received("late").trace_ids() - {known.trace_id for known in world.commits}
    report.check("no trace went to the late backend but those of commits", not strangers, "none", strangers)
    world.admin.delete("Trace", NAMESPACE, "late")
    world.admin.delete("Provider", NAMESPACE, "tardy")
    world.admin.delete("Secret", NAMESPACE, "tardy-token")


def validation(world):
    """The API server itself refuses a wrong Trace, and its message names the field."""
    report = world.report
    good = content.trace("checked", "collector")

    def wrong(title, named, change):
        manifest = copy.deepcopy(good)
        change(manifest["spec"])
        try:
            world.admin.apply(manifest)
        except Refused as error:
            # 500 is how server-side apply answers a field that no schema has
            report.check(f"refused: {title}", error.status in (400, 422, 500) and named in error.body, f"a message that names {named}", error)
            return
        report.check(f"refused: {title}", False, "HTTP 422", "it was accepted")
        world.admin.delete("Trace", NAMESPACE, "checked")

    source = {"kind": "Kustomization", "name": "*"}
    wrong("no providerRef", "providerRef", lambda s: s.pop("providerRef"))
    wrong("an empty Provider name", "spec.providerRef.name", lambda s: s["providerRef"].update(name=""))
    wrong("no eventSources", "eventSources", lambda s: s.pop("eventSources"))
    wrong("an empty list of eventSources", "spec.eventSources", lambda s: s.update(eventSources=[]))
    wrong("an unknown kind without apiVersion", "kind must be one of", lambda s: s.update(eventSources=[{"kind": "Widget", "name": "*"}]))
    wrong("labels together with a name", "matchLabels",
          lambda s: s.update(eventSources=[{**source, "name": "app", "matchLabels": {"team": "a"}}]))
    wrong("a ratio above 1", "spec.sampling.ratio", lambda s: s.update(sampling={"ratio": 1.5}))
    wrong("a settleAfter that is no duration", "spec.settleAfter", lambda s: s.update(settleAfter="ten seconds"))
    wrong("a settleAfter as long as the timeout", "settleAfter", lambda s: s.update(settleAfter="1m", timeout="30s"))
    wrong("an unknown export mode", "spec.export", lambda s: s.update(export="Sometimes"))
    wrong("a regular expression that does not compile", "inclusionList", lambda s: s.update(inclusionList=["(unclosed"]))
    wrong("an unknown field", "eventSeverity", lambda s: s.update(eventSeverity="info"))

    for name in ("proposal-v1beta1.yaml", "proposal-v1.yaml"):
        for manifest in manifests_of(os.path.join(world.repository, "deploy", "examples", name)):
            try:
                world.admin.apply(manifest)
                report.check(f"accepted: {manifest['apiVersion']} {manifest['kind']} of {name}, unchanged", True)
            except Refused as error:
                report.check(f"accepted: {manifest['apiVersion']} {manifest['kind']} of {name}, unchanged", False, "HTTP 200", error)
    trace = until("the proposal's Trace to get a Ready condition", lambda: _with_ready(world.admin.get("Trace", "default", "webapp")), 30,
                  logs=[world.subject.child])
    ready = condition(trace, "Ready")
    report.check("the proposal's Trace says that its Provider's Secret is missing", ready["status"] == "False" and "jaeger-secret" in ready["message"],
                 "Ready=False naming jaeger-secret", ready)
    world.admin.delete("Trace", "default", "webapp")
    world.admin.delete("Provider", "default", "jaeger")
    report.check("the program is still running", world.subject.child.alive() and world.subject.healthz() == 200, "healthy", "not")


def _ready_is(world, name, status):
    trace = world.admin.get("Trace", NAMESPACE, name)
    return trace if condition(trace, "Ready").get("status") == status else None


def _names(world, name, text):
    trace = world.admin.get("Trace", NAMESPACE, name)
    return trace if text in condition(trace, "Ready").get("message", "") else None


def _with_ready(trace):
    return trace if condition(trace, "Ready") else None
