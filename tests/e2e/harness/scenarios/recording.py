"""`record` ran beside the main run; its recording, replayed, must give the traces that the collector got.

The run is also written down as a recording folder with its ground truth, and judged by both tools that judge the bundled recordings: against the
truth, and against what the controllers posted and the objects said.
"""

import json
import os
import shutil
import subprocess
import sys

from ..processes import tail_of
from ..spans import Received
from ..world import NAMESPACE, WORKLOADS

# Nanoseconds between the live time and the replayed one. The recorder has watches of its own: on a busy machine one of the two hears late.
# How well times hold over restarts and jitter is judged without clocks, by tests/trace.
LIMIT = 700_000_000


def replay(world):
    report = world.report
    report.equal("record: SIGTERM ends it with status 0", world.recorder.terminate(grace=60), 0)
    with open(world.recording, encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    report.check("record: wrote the run", len(lines) > 50, "more than 50 lines", len(lines))
    report.check("record: wrote no Secret", not any('"kind":"Secret"' in line.replace(" ", "") for line in lines), "none", "a Secret")

    output = world.work + "/replayed.jsonl"
    log = world.logs + "/replay.log"
    with open(log, "wb") as stream:
        done = subprocess.run([world.subject.binary, "replay", "--stream", world.recording, "--output", output], stdout=stream, stderr=stream,
                              timeout=600, check=False)
    if not report.check("replay: ends with status 0", done.returncode == 0, 0, f"{done.returncode}\n{tail_of(log)}"):
        return
    live, replayed = world.received(), Received(output)
    wanted = {commit.trace_id for commit in world.commits}
    report.equal("replay: the same traces", replayed.trace_ids(), wanted)
    for commit in world.commits:
        compare(report, f"replay of {commit.message}", live.trace(commit.trace_id), replayed.trace(commit.trace_id))
    check_truth(world, {"live": world.collector.files["main"], "replay": output})


def check_truth(world, outputs):
    """Writes the ground truth, from what the harness did, and lets tests/recordings/check-truth compare."""
    folder = os.path.join(world.work, "e2e-recording")
    os.makedirs(folder)
    shutil.copy(world.recording, os.path.join(folder, "stream.jsonl"))
    shutil.copy(os.path.join(world.work, "posts.jsonl"), folder)
    with open(os.path.join(folder, "truth.json"), "w", encoding="utf-8") as stream:
        json.dump({"changes": [truth_of(world, commit) for commit in world.commits], "notInAnyChange": [], "notes": ""}, stream, indent=1)
    for name, path in outputs.items():
        for judge in ("recordings/check-truth", "replay/check_posts.py"):
            apart = ["--watched-apart"] if name == "live" and judge.endswith("check_posts.py") else []
            done = subprocess.run([sys.executable, "-B", os.path.join(world.repository, "tests", judge), folder, path, *apart],
                                  capture_output=True, text=True, timeout=600, check=False)
            world.report.check(f"{os.path.basename(judge)} of the {name} output: everything is right", done.returncode == 0, "exit status 0",
                               done.stdout + done.stderr)


def truth_of(world, commit):
    """One change in the words of the recordings' truth.json; outcomes are the controllers' own posts."""
    def named(kind, name, namespace=NAMESPACE):
        return {"kind": kind, "namespace": namespace, "name": name}

    source, runs, workloads = named("GitRepository", "demo"), [], []
    for name in ("app", "releases"):
        outcomes = []
        for _, body in world.posts.of("Kustomization", name, commit.revision):
            if body["severity"] == "error":
                outcomes.append("Failed:" + body["reason"])
            elif body["reason"] == "ReconciliationSucceeded":
                outcomes.append("Succeeded")
        failures = sum(outcome.startswith("Failed") for outcome in outcomes)
        runs.append({**named("Kustomization", name), "parent": source, "outcomes": outcomes, "attempts": [failures] if failures else []})
    applied = [body["message"] for _, body in world.posts.of("Kustomization", "releases", commit.revision, "Progressing")]
    if any("HelmRelease/" in message for message in applied):
        runs.append({**named("HelmRelease", "frontend"), "parent": named("Kustomization", "releases"), "outcomes": ["Succeeded"]})
        workloads.append({**named("Deployment", "frontend", WORKLOADS), "parent": named("HelmRelease", "frontend")})
    failed = any(run["outcomes"] and run["outcomes"][-1].startswith("Failed") for run in runs)
    if not failed:
        workloads.append({**named("Deployment", "web", WORKLOADS), "parent": named("Kustomization", "app")})
    return {"key": commit.key, "revision": commit.revision, "root": source, "runs": runs, "workloads": workloads,
            "status": "failed" if failed else "succeeded"}


def compare(report, label, live, replayed):
    """The same spans by ID, with the same parents, names and outcomes, and nearly the same times."""
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
    report.check(f"{label}: times within {LIMIT // 1_000_000} ms", not told, "no difference", told)
