"""What makes a trace true: checks of one trace against what the harness did and what the controllers' own posts say."""

from ..posts import reported_duration
from ..waiting import until

ERROR = 2  # OTLP's STATUS_CODE_ERROR


def close_enough(seen, reported):
    """The design's measure: within 20 % or 150 ms of what the controller itself reported."""
    return abs(seen - reported) <= max(0.2 * reported, 0.15)


def shape(report, label, tree, commit, slack=0.0):
    """One root, the source; every parent there; times in order; the key, the revision and the services right.

    `slack`: how many seconds a child may seem to start before its parent.
    """
    if not report.check(f"{label}: one root and no missing parents", len(tree.roots) == 1 and not tree.orphans, "one root, no orphans",
                        "\n" + tree.draw()):
        return None
    root = tree.roots[0]
    report.equal(f"{label}: the root is the source", (root.object, root.span_kind), (("GitRepository", "demo"), "source"))
    report.equal(f"{label}: the root names the change", root.a.get("flux.change.key"), commit.key)
    report.equal(f"{label}: the root names the commit", root.a.get("vcs.ref.head.revision"), commit.sha)
    backwards = [span for span in tree.spans if span.start > span.end]
    report.check(f"{label}: no span ends before it starts", not backwards, "none", backwards)
    early = [span for span in tree.spans if tree.parent(span) and span.span_kind in ("run", "workload", "phase")
             and span.start < tree.parent(span).start - int(slack * 1e9)]
    report.check(f"{label}: no child starts before its parent", not early, "none", early)
    services = {(span.object[0], span.resource.get("service.name")) for span in tree.spans if span.span_kind in ("source", "run")}
    wanted = {"GitRepository": "source-controller", "HelmRepository": "source-controller", "HelmChart": "source-controller",
              "Kustomization": "kustomize-controller", "HelmRelease": "helm-controller"}
    wrong = [pair for pair in services if wanted.get(pair[0]) != pair[1]]
    report.check(f"{label}: each span belongs to the service that did the work", not wrong, "the controller of the kind", wrong)
    report.check(f"{label}: resources name the cluster", all(span.resource.get("k8s.cluster.name") == "e2e" for span in tree.spans),
                 "k8s.cluster.name=e2e", {span.resource.get("k8s.cluster.name") for span in tree.spans})
    return root


def runs(report, label, tree, wanted):
    """`wanted`: {(kind, name): [outcomes]}; exactly these objects ran, with these outcomes in this order."""
    seen = {}
    for span in tree.spans:
        if span.span_kind == "run":
            seen.setdefault(span.object, []).append(span.outcome)
    return report.check(f"{label}: the runs and their outcomes", seen == wanted, wanted, f"{seen}\n{tree.draw()}")


def parents(report, label, tree, wanted):
    """`wanted`: {(kind, name): (kind, name) of the parent}, for runs and workloads."""
    for child, parent in wanted.items():
        spans = [span for span in tree.spans if span.object == child and span.span_kind in ("run", "workload")]
        seen = {tree.parent(span).object if tree.parent(span) else None for span in spans}
        report.check(f"{label}: {'/'.join(child)} is under {'/'.join(parent)}", seen == {parent}, parent, seen or f"no such span\n{tree.draw()}")


def finished_run(report, world, label, tree, name, commit, phases=("build", "apply"), slack=1.0):
    """The successful run of a Kustomization lasts what its controller reported, ends when it was reported, and its phases fit.

    `slack`: by how many seconds the end may miss the post.
    """
    run = next((span for span in tree.of("Kustomization", name) if span.outcome == "succeeded"), None)
    posts = [(at, body) for at, body in world.posts.of("Kustomization", name, commit.revision, "ReconciliationSucceeded")]
    if not run or not posts:
        report.check(f"{label}: Kustomization/{name} has a successful run and the controller said so", False, "both", (run, len(posts)))
        return
    arrival, body = posts[0]
    reported = reported_duration(body)
    report.check(f"{label}: Kustomization/{name} lasts what its controller reported", close_enough(run.seconds, reported),
                 f"{reported:.3f} s", f"{run.seconds:.3f} s")
    report.check(f"{label}: Kustomization/{name} ends when its controller reported it", abs(run.end / 1e9 - arrival) <= slack,
                 f"within {slack} s of the post", f"{run.end / 1e9 - arrival:+.3f} s")
    phases_fit(report, label, tree, run, phases)


def phases_fit(report, label, tree, run, needed=("build", "apply")):
    """The phases of a run are inside it and do not overlap; those that the run must have had are there."""
    phases = tree.phases(run)
    names = [phase.name for phase in phases]
    title = f"{label}: phases of {'/'.join(run.object)} attempt {run.a.get('flux.attempt', 1)}"
    if needed:
        report.check(f"{title} include {', '.join(needed)}", all(any(need in name for name in names) for need in needed), needed, names)
    slack = 5_000_000  # 5 ms: start and end of a run are known more finely than some of its steps
    outside = [p for p in phases if p.start < run.start - slack or p.end > run.end + slack]
    report.check(f"{title} are inside the run", not outside, "all inside", f"{outside} of {run}")
    overlapping = [(a, b) for a, b in zip(phases, phases[1:]) if b.start < a.end - slack]
    report.check(f"{title} do not overlap", not overlapping, "one after the other", overlapping)


def phase_duration(report, label, tree, run, phase_name, reported):
    """A phase lasts what the controller said of it."""
    found = [phase for phase in tree.phases(run) if phase_name in phase.name]
    seen = sum(phase.seconds for phase in found)
    report.check(f"{label}: the {phase_name} of {'/'.join(run.object)} attempt {run.a.get('flux.attempt', 1)} lasts what the controller reported",
                 bool(found) and close_enough(seen, reported), f"{reported:.3f} s", f"{seen:.3f} s" if found else "no such phase")


def in_jaeger(report, world, label, tree):
    """Jaeger's API shows the same spans, parents and times as the collector's file."""
    trace_id = tree.spans[0].trace_id
    wanted = {span.span_id: (span.parent_id, span.name, span.start // 1000) for span in tree.spans}

    def as_seen():
        shown = {}
        for span in world.jaeger.trace(trace_id):
            parent = next((ref["spanID"] for ref in span.get("references", []) if ref["refType"] == "CHILD_OF" and ref["traceID"] == trace_id), "")
            shown[span["spanID"]] = (parent, span["operationName"], span["startTime"])
        return shown if len(shown) >= len(wanted) else None

    seen = until(f"trace {trace_id} in Jaeger's API", as_seen, 30, 0.3, [world.jaeger.child])
    report.check(f"{label}: Jaeger's API shows the same {len(wanted)} spans, parents, names and starts", seen == wanted, wanted, seen)

