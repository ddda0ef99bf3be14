"""Reading what arrived at a backend: spans from OTLP/JSON lines, as trees, in the words of the design (flux.* attributes)."""

import json


class Span:
    """One span as received. Times are nanoseconds since the epoch; `a` holds the attributes, `resource` those of its resource.

    `request` is the line it came in, counted from 1.
    """

    def __init__(self, raw, resource, request=0):
        self.trace_id = raw["traceId"].lower()
        self.span_id = raw["spanId"].lower()
        self.parent_id = raw.get("parentSpanId", "").lower()
        self.name = raw["name"]
        self.kind = raw.get("kind", 0)
        self.start = int(raw["startTimeUnixNano"])
        self.end = int(raw["endTimeUnixNano"])
        self.a = _attributes(raw.get("attributes"))
        self.events = [(event.get("name", ""), int(event["timeUnixNano"])) for event in raw.get("events", [])]
        self.status = raw.get("status", {}).get("code", 0)
        self.message = raw.get("status", {}).get("message", "")
        self.resource = resource
        self.request = request
        self.raw = raw

    @property
    def span_kind(self):
        return self.a.get("flux.span.kind")

    @property
    def object(self):
        return self.a.get("k8s.resource.kind"), self.a.get("k8s.resource.name")

    @property
    def outcome(self):
        return self.a.get("flux.outcome")

    @property
    def seconds(self):
        return (self.end - self.start) / 1e9

    def __repr__(self):
        return f"{self.name} [{self.span_kind} {self.outcome or ''} {self.seconds:.3f} s]"


class Received:
    """All spans of a backend's file. A span that came twice is kept once; `conflicts` lists those that came twice with other content."""

    def __init__(self, path):
        self.by_id = {}
        self.conflicts = []
        self.lines = 0
        try:
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
        except FileNotFoundError:
            text = ""
        complete = text[:text.rfind("\n") + 1]  # the last line may be half written
        for line in complete.splitlines():
            if not line.strip():
                continue
            self.lines += 1
            for resource_spans in json.loads(line).get("resourceSpans", []):
                resource = _attributes(resource_spans.get("resource", {}).get("attributes"))
                for scope in resource_spans.get("scopeSpans", []):
                    for raw in scope.get("spans", []):
                        self._add(Span(raw, resource, self.lines))

    def _add(self, span):
        key = (span.trace_id, span.span_id)
        if key in self.by_id and self.by_id[key].raw != span.raw:
            self.conflicts.append((self.by_id[key], span))
        self.by_id.setdefault(key, span)

    def trace(self, trace_id):
        return Tree([span for span in self.by_id.values() if span.trace_id == trace_id])

    def trace_ids(self):
        return {span.trace_id for span in self.by_id.values()}


class Tree:
    """The spans of one trace."""

    def __init__(self, spans):
        self.spans = sorted(spans, key=lambda span: (span.start, span.end, span.span_id))
        self._by_id = {span.span_id: span for span in self.spans}

    def __bool__(self):
        return bool(self.spans)

    @property
    def roots(self):
        return [span for span in self.spans if not span.parent_id]

    @property
    def orphans(self):
        """Spans whose parent is not in the trace."""
        return [span for span in self.spans if span.parent_id and span.parent_id not in self._by_id]

    def parent(self, span):
        return self._by_id.get(span.parent_id)

    def children(self, span):
        return [other for other in self.spans if other.parent_id == span.span_id]

    def of(self, kind, name, span_kind="run"):
        """Spans of one object, in order of start."""
        return [span for span in self.spans if span.object == (kind, name) and span.span_kind == span_kind]

    def phases(self, run):
        """The steps of a run. A wait beside them is that of an object below, drawn under its parent, and no step of this run."""
        return [span for span in self.children(run) if span.span_kind == "phase" and not span.name.startswith("wait")]

    def draw(self):
        """The tree as indented text, for failure messages."""
        lines = []

        def visit(span, depth):
            lines.append("    | " + "  " * depth + repr(span) + (f" {span.a.get('flux.reason')}" if span.a.get("flux.reason") else ""))
            for child in self.children(span):
                visit(child, depth + 1)

        for span in self.roots + self.orphans:
            visit(span, 0)
        return "\n".join(lines) or "    | (no spans)"


def _attributes(entries):
    return {entry["key"]: _value(entry.get("value", {})) for entry in entries or []}


def _value(value):
    for kind, content in value.items():
        if kind == "intValue":
            return int(content)
        if kind == "arrayValue":
            return [_value(item) for item in content.get("values", [])]
        return content
    return None
