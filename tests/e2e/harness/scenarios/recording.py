"""`record` ran beside the main run; its recording, replayed, must give the traces that the collector got."""

import subprocess

from ..processes import tail_of
from ..spans import Received

LIMIT = 150_000_000  # nanoseconds between the live time and the replayed one


def replay(world):
    report = world.report
    report.equal("record: SIGTERM ends it with status 0", world.recorder.terminate(grace=15), 0)
    with open(world.recording, encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    report.check("record: wrote the run", len(lines) > 50, "more than 50 lines", len(lines))
    report.check("record: wrote no Secret", not any('"kind":"Secret"' in line.replace(" ", "") for line in lines), "none", "a Secret")

    output = world.work + "/replayed.jsonl"
    log = world.logs + "/replay.log"
    with open(log, "wb") as stream:
        done = subprocess.run([world.subject.binary, "replay", "--stream", world.recording, "--output", output], stdout=stream, stderr=stream,
                              timeout=120, check=False)
    if not report.check("replay: ends with status 0", done.returncode == 0, 0, f"{done.returncode}\n{tail_of(log)}"):
        return
    live, replayed = world.received(), Received(output)
    wanted = {commit.trace_id for commit in world.commits}
    report.equal("replay: the same traces", replayed.trace_ids(), wanted)
    for commit in world.commits:
        compare(report, f"replay of {commit.message}", live.trace(commit.trace_id), replayed.trace(commit.trace_id))


def compare(report, label, live, replayed):
    """The same spans by ID, with the same parents, names and outcomes, and times within 150 ms."""
    one, two = ({span.span_id: span for span in tree.spans} for tree in (live, replayed))
    differing = [("only live", one[i]) for i in one.keys() - two.keys()] + [("only replayed", two[i]) for i in two.keys() - one.keys()]
    report.check(f"{label}: the same {len(one)} span IDs", not differing, "no difference", differing)
    common = sorted(one.keys() & two.keys())
    told = [(one[i], two[i].parent_id) for i in common if one[i].parent_id != two[i].parent_id]
    report.check(f"{label}: the same parents", not told, "no difference", told)
    facts = ("flux.outcome", "flux.change.outcome", "flux.reason", "flux.attempt", "flux.action", "flux.changed", "flux.revision", "flux.span.kind")
    told = [(one[i].name, fact, one[i].a.get(fact), two[i].a.get(fact)) for i in common for fact in facts
            if one[i].a.get(fact) != two[i].a.get(fact)] + [(one[i].name, two[i].name) for i in common if one[i].name != two[i].name]
    report.check(f"{label}: the same names and outcomes", not told, "no difference", told)
    told = [(one[i].name, f"{(two[i].start - one[i].start) / 1e6:+.0f} ms, {(two[i].end - one[i].end) / 1e6:+.0f} ms") for i in common
            if abs(one[i].start - two[i].start) > LIMIT or abs(one[i].end - two[i].end) > LIMIT]
    report.check(f"{label}: times within 150 ms", not told, "no difference", told)
