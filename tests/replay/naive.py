#!/usr/bin/env python3
"""Two easier readings of a recording, kept to show what they are worth. check-truth can judge their output.

usage: tests/replay/naive.py events|flat RECORDING_DIR OUTPUT.jsonl

events  believes the revision that a core/v1 Event is annotated with: a run for each Event that tells an outcome, in the trace of that
        revision. All else is as good as it gets: durations from messages, parents from labels, sources from specs, no run for an
        outcome told twice.
flat    Flux's own `otel` provider: a span for each HTTP event it gets, from the event's whole second to its arrival, without a parent.
        In its favour the spans are put in the trace of their commit, where Flux takes an Alert's UID and any revision there is.
"""
import hashlib
import json
import re
import sys

from recording import BadInput, Recording, SECOND, go_seconds

SOURCES = {"GitRepository", "OCIRepository", "Bucket", "HelmChart", "ExternalArtifact"}
FETCHED = {"NewArtifact", "ChartPullSucceeded", "ChartPackageSucceeded"}
STEPS_OF_RELEASE = re.compile(r"(Install|Upgrade)(Succeeded|Failed)")


def key_of(object_, metadata):
    """The change that a message's own revision names."""
    kind, namespace, name = object_
    revision = metadata.get("originRevision") or metadata.get("revision", "")
    if metadata.get("oci-digest"):
        return metadata["oci-digest"]
    if kind == "HelmRelease":
        return f"chart:{namespace}/{namespace}-{name}@{revision}"
    if kind == "HelmChart":
        return f"chart:{namespace}/{name}@{revision}"
    return revision.rpartition("@")[2]


class Span:
    def __init__(self, kind, object_, begin, end, **attributes):
        self.kind, self.object, self.begin, self.end, self.attributes = kind, object_, begin, max(begin, end), attributes
        self.parent, self.id = None, ""

    def otlp(self, trace_id):
        attributes = {"flux.span.kind": self.kind, "k8s.resource.kind": self.object[0], "k8s.namespace.name": self.object[1],
                      "k8s.resource.name": self.object[2], **{"flux." + key.replace("__", "."): value for key, value in self.attributes.items()}}
        made = {"traceId": trace_id, "spanId": self.id, "name": f"{self.object[0]}: {self.object[1]}/{self.object[2]}", "kind": 1,
                "startTimeUnixNano": str(self.begin), "endTimeUnixNano": str(self.end),
                "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items() if value]}
        if self.parent:
            made["parentSpanId"] = self.parent.id
        return made


def write(traces, path):
    """`traces`: spans by change key. IDs are numbers, for nobody refers to them from elsewhere."""
    number = 0
    with open(path, "w", encoding="utf-8") as stream:
        for key, spans in traces.items():
            for span in spans:
                number += 1
                span.id = f"{number:016x}"
            trace_id = hashlib.sha256(key.encode()).hexdigest()[:32]
            scope = {"scope": {"name": "naive"}, "spans": [span.otlp(trace_id) for span in spans]}
            resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "naive"}}]}
            stream.write(json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}) + "\n")


def outcome_in(event):
    """(outcome, seconds) that the Event tells of its object, or None."""
    if event.object[0] == "Kustomization":
        if event.reason == "ReconciliationSucceeded":
            found = re.match(r"Reconciliation finished in ([^,]+),", event.message)
            return ("succeeded", go_seconds(found[1])) if found else None
        if event.reason == "HealthCheckCanceled":
            return "superseded", 0
        return ("failed", 0) if event.failed else None
    if event.object[0] == "HelmRelease" and STEPS_OF_RELEASE.fullmatch(event.reason):
        return ("failed" if event.failed else "succeeded"), 0
    return None


def source_of(recording, object_):
    """What the object's spec takes its content from."""
    for state in recording.states[object_]:
        if object_[0] == "HelmRelease" and not state.spec.get("chartRef"):
            return "HelmChart", object_[1], f"{object_[1]}-{object_[2]}"
        ref = state.spec.get("sourceRef") or state.spec.get("chartRef") or {}
        if ref:
            return ref["kind"], ref.get("namespace") or object_[1], ref["name"]
    return "GitRepository", object_[1], object_[2]


def owner_of(recording, object_):
    for state in recording.states[object_]:
        if "kustomize.toolkit.fluxcd.io/name" in state.labels:
            return "Kustomization", state.labels["kustomize.toolkit.fluxcd.io/namespace"], state.labels["kustomize.toolkit.fluxcd.io/name"]
    return None


def believe_events(recording):
    traces, told = {}, set()
    for event in recording.events:
        if not event.annotations.get("revision"):
            continue
        key, revision = key_of(event.object, event.annotations), event.annotations["revision"]
        spans = traces.setdefault(key, [])
        if event.object[0] in SOURCES and event.reason in FETCHED:
            spans.append(Span("source", event.object, event.at, event.at, revision=revision))
        outcome = outcome_in(event)
        if not outcome or (event.object, key) in told:
            continue
        if outcome[0] == "succeeded":
            told.add((event.object, key))
        spans.append(Span("run", event.object, event.at - int(outcome[1] * SECOND), event.at, revision=revision, outcome=outcome[0],
                          reason=event.reason))
    for key in [key for key, spans in traces.items() if not any(span.kind == "run" for span in spans)]:
        del traces[key]
    for key, spans in traces.items():
        connect(recording, key, spans)
    return traces


def connect(recording, key, spans):
    """Under the owner's run in the same trace, else under the source, else under the first source of the trace."""
    first = next(span for span in spans if span.kind == "run")
    sources = [span for span in spans if span.kind == "source"]
    if not sources:  # its message was lost
        sources = [Span("source", source_of(recording, first.object), first.begin, first.begin)]
        spans.insert(0, sources[0])
    root = sources[0]
    last = {span.object: span.attributes["outcome"] for span in spans if span.kind == "run"}
    root.attributes["change__key"] = key
    root.attributes["change__outcome"] = next((each for each in ("failed", "superseded") if each in last.values()), "succeeded")
    for span in spans:
        if span is root:
            continue
        wanted = [owner_of(recording, span.object), source_of(recording, span.object)] if span.kind == "run" else []
        span.parent = next((other for each in wanted for other in spans if other.object == each and other is not span), root)


def flat(recording):
    traces = {}
    for line in recording.posts:
        if line.object[0] == "HelmRepository" or line.metadata.get("commit_status") == "update":
            continue  # Flux does not hand these to the provider
        key = key_of(line.object, line.metadata) if line.revision else "unknown"
        kind = "source" if line.object[0] in SOURCES else "run"
        traces.setdefault(key, []).append(Span(kind, line.object, line.second, line.at, revision=line.revision,
                                               outcome="failed" if line.failed else "succeeded", reason=line.reason))
    return traces


READINGS = {"events": believe_events, "flat": flat}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in READINGS:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        write(READINGS[sys.argv[1]](Recording(sys.argv[2])), sys.argv[3])
    except (BadInput, OSError) as error:
        print(f"naive: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
