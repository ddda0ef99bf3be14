"""The product's output, indexed for the rules: spans by object and by parent."""

import os
import sys
from collections import defaultdict

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness.spans import Received  # noqa: E402  (the one reader of OTLP/JSON in tests/)

from recording import BadInput, MILLISECOND, SECOND  # noqa: E402

# A post leaves the controller between its last status patches: around the end of the run, as far as a busy machine lets it.
BEFORE, AFTER = 250 * MILLISECOND, 500 * MILLISECOND


class Traces:
    """Spans in order of start. Runs and workloads are found by (kind, namespace, name)."""

    def __init__(self, path):
        if not os.path.isfile(path):
            raise BadInput(f"there is no {path}")
        try:
            received = Received(path)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{path} is not OTLP/JSON: {error!r}") from error
        self.spans = sorted(received.by_id.values(), key=lambda span: (span.start, span.end, span.trace_id, span.span_id))
        self.by_id = {(span.trace_id, span.span_id): span for span in self.spans}
        self.runs, self.workloads, self._children = defaultdict(list), defaultdict(list), defaultdict(list)
        for span in self.spans:
            self._children[span.trace_id, span.parent_id].append(span)
            if span.span_kind == "run":
                self.runs[object_of(span)].append(span)
            elif span.span_kind == "workload":
                self.workloads[object_of(span)].append(span)

    def of_kind(self, span_kind):
        return [span for span in self.spans if span.span_kind == span_kind]

    def roots(self):
        return [span for span in self.spans if not span.parent_id]

    def parent(self, span):
        return self.by_id.get((span.trace_id, span.parent_id))

    def children(self, span):
        return self._children[span.trace_id, span.span_id]

    def phases(self, run):
        """Steps inside a run; a wait of an object below stands beside that object's run, so under this one too, and is none."""
        return [span for span in self.children(run) if span.span_kind == "phase" and not is_wait(span)]

    def attempts(self, *kinds):
        """Runs that reconciled something: no removals, and none that only waited."""
        return [run for each in self.runs for run in self.runs[each] if each[0] in kinds and is_attempt(run)]

    def around(self, of, moment, before=BEFORE, after=AFTER):
        """Attempts of an object during which, or right after which, the moment falls; the one that ends nearest comes first."""
        found = [run for run in self.runs[of] if is_attempt(run) and run.start - before <= moment <= run.end + after]
        return sorted(found, key=lambda run: abs(run.end - moment))


def object_of(span):
    return span.a.get("k8s.resource.kind", ""), span.a.get("k8s.namespace.name", ""), span.a.get("k8s.resource.name", "")


def is_wait(span):
    return span.span_kind == "phase" and span.name.startswith("wait ")


def is_attempt(run):
    return run.span_kind == "run" and run.a.get("flux.action") != "delete" and run.a.get("flux.reason") != "DependencyNotReady"


def named(span):
    """The run in words that let a reader find it in the output."""
    at = span.start / SECOND
    return f"{span.name} {span.a.get('flux.revision', '')} in trace {span.trace_id[:8]}, span {span.span_id}, at {at:.3f}"
