"""What must hold of every trace, whatever the recording: phases inside runs, sums on the root, links."""

from recording import MILLISECOND, SECOND
from traces import is_attempt, is_wait, named, object_of
from verdict import Rule

ROUNDING = MILLISECOND  # OTLP carries nanoseconds, the sums on the root are seconds as a double


def phases(_, traces):
    rule = Rule("phases", "phases lie inside their run, do not overlap and sum to no more than it")
    for run in traces.of_kind("run"):
        steps = sorted(traces.phases(run), key=lambda phase: (phase.start, phase.end))
        if not steps:
            continue
        for step in steps:
            rule.expect(run.start <= step.start <= step.end <= run.end, f"{step.name} of {named(run)}", "inside the run",
                        f"{(step.start - run.start) / SECOND:.3f} .. {(step.end - run.start) / SECOND:.3f} of {run.seconds:.3f} s")
        for one, next_one in zip(steps, steps[1:]):
            rule.expect(one.end <= next_one.start, named(run), f"{one.name} over before {next_one.name}",
                        f"{(one.end - next_one.start) / SECOND:.3f} s of overlap")
        total = sum(step.end - step.start for step in steps)
        rule.expect(total <= run.end - run.start, named(run), f"phases of {run.seconds:.3f} s at most", f"{total / SECOND:.3f} s")
    return rule


def outcomes(_, traces):
    rule = Rule("phase outcomes", "a run that succeeded has no failed phase, unless it was remediated")
    for run in traces.of_kind("run"):
        failed = [step.name for step in traces.phases(run) if step.outcome == "failed"]
        if run.outcome == "succeeded":
            rule.expect(not failed, named(run), "no failed phase", failed)
    return rule


def waits(_, traces):
    rule = Rule("waits before runs", "a wait ends where the run that it is linked to starts, under the same parent")
    for wait in filter(is_wait, traces.spans):
        ends = [traces.by_id.get((link["traceId"].lower(), link["spanId"].lower())) for link in wait.raw.get("links", [])]
        rule.expect(len(ends) == 1 and ends[0], named(wait), "one link to a run of the output", ends)
        for run in filter(None, ends):
            rule.expect(wait.end == run.start and wait.parent_id == run.parent_id and wait.trace_id == run.trace_id, named(wait),
                        f"to end at {run.start} beside {named(run)}", wait.end)
    return rule


def is_work(span):
    """A step that is neither a wait, nor a fetch, nor a health check."""
    return span.span_kind == "phase" and not is_wait(span) and span.name not in ("fetch", "health check")


def sums(_, traces):
    rule = Rule("sums", "the root says how long its change waited, fetched, applied and checked health")
    for root in traces.roots():
        # What came after the root was sent is not in its sums.
        inside = [span for span in traces.spans if span.trace_id == root.trace_id and span.request <= root.request]
        health = sum(span.end - span.start for span in inside if span.span_kind == "phase" and span.name == "health check")
        # A source that was tried several times waited between its tries.
        tried = [span for span in inside if span.span_kind == "source" and traces.phases(span)]
        fetched = sum(span.end - span.start for span in inside
                      if span.span_kind == "source" and span not in tried or span.span_kind == "phase" and span.name == "fetch")
        applied = sum(span.end - span.start for span in inside if is_work(span) or is_attempt(span) and not traces.phases(span))
        waited = sum(span.end - span.start for span in inside
                     if is_wait(span) or span.span_kind == "run" and span.a.get("flux.reason") == "DependencyNotReady")
        waited += sum(span.end - span.start - sum(each.end - each.start for each in traces.phases(span)) for span in tried)
        for name, expected in (("health_checked", health), ("waited", waited), ("fetched", fetched), ("applied", applied)):
            seen = root.a.get(f"flux.total.{name}_seconds")
            rule.expect(seen is not None and abs(seen * SECOND - expected) <= ROUNDING, named(root), f"{name} {expected / SECOND:.3f} s", seen)
    return rule


def kinds_of_waiting(_, traces):
    rule = Rule("kinds of waiting", "before a first attempt, and before no other, stands what it waited for: dependencies, its source, or its turn")
    for wait in filter(is_wait, traces.spans):
        rule.expect(wait.name in ("wait for dependencies", "wait for source", "wait in queue"), named(wait), "one of three kinds", wait.name)
        for link in wait.raw.get("links", []):
            run = traces.by_id.get((link["traceId"].lower(), link["spanId"].lower()))
            if not run:
                continue
            rule.expect(run.a.get("flux.attempt") == 1, named(wait), "the first attempt after it", run.a.get("flux.attempt"))
            earlier = [other for other in traces.runs[object_of(run)] if other.trace_id == run.trace_id and is_attempt(other)
                       and other.start < wait.end and other.end > wait.start]
            rule.expect(not earlier, named(wait), "no attempt at this change meanwhile", [named(other) for other in earlier])
    return rule


def attributions(_, traces):
    rule = Rule("attributions", "each run says why it is in its trace")
    known = ("source-revision", "change-log", "owner-attempt", "chart", "time")
    for run in traces.of_kind("run"):
        rule.expect(run.a.get("flux.attribution") in known, named(run), f"one of {known}", run.a.get("flux.attribution"))
    return rule


def gaps(_, traces):
    rule = Rule("gaps", "the root says when its trace is incomplete, or partly inferred, and only then")
    for root in traces.roots():
        # What came after the root was sent is not in it.
        inside = [span for span in traces.spans if span.trace_id == root.trace_id and span.request <= root.request]
        incomplete = root.a.get("flux.change.outcome") == "incomplete" or bool(root.a.get("flux.synthetic"))
        rule.expect(bool(root.a.get("flux.incomplete")) == incomplete, named(root), f"incomplete {incomplete}", root.a.get("flux.incomplete"))
        inferred = any(span.a.get("flux.inferred") or span.a.get("flux.synthetic") or span.a.get("flux.attribution") == "time"
                       for span in inside if span is not root) or bool(root.a.get("flux.synthetic"))
        rule.expect(bool(root.a.get("flux.inferred")) == inferred, named(root), f"inferred {inferred}", root.a.get("flux.inferred"))
    return rule


def links(recording, traces):
    rule = Rule("links", "a link leads to a span of the output; dependsOn to a dependency that the object names; sameContent to the same commit")
    for span in traces.spans:
        for link in span.raw.get("links", []):
            said = next((entry["value"].get("stringValue") for entry in link.get("attributes", []) if entry["key"] == "flux.link"), None)
            end = traces.by_id.get((link["traceId"].lower(), link["spanId"].lower()))
            if said == "sameContent" and not any(one.trace_id == link["traceId"].lower() for one in traces.spans):
                rule.leave_out()  # nothing took that content the first time
                continue
            if not rule.expect(end, named(span), f"{said} to a span", "none with that ID"):
                continue
            if said == "dependsOn":
                of = object_of(span)
                wanted = {(of[0], one.get("namespace") or of[1], one["name"]) for state in recording.states[of]
                          for one in state.spec.get("dependsOn") or []}
                rule.expect(object_of(end) in wanted and end.trace_id == span.trace_id and end.start <= span.start, named(span),
                            f"a dependency of {sorted(wanted)} that began before", named(end))
            elif said == "sameContent":
                rule.expect(end.trace_id != span.trace_id and end.a.get("flux.revision", "").rpartition(":")[2]
                            == span.a.get("flux.revision", "").rpartition(":")[2] and end.start < span.start, named(span),
                            "the earlier trace of that content", named(end))
    return rule


RULES = [phases, outcomes, waits, kinds_of_waiting, sums, attributions, gaps, links]
