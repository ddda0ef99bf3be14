"""Hard cases that the bundled recordings lack: each is traced live, recorded, replayed, and both are held against what was done.

The cases run beside one another, each in a namespace of its own; those that hurt a controller run alone, after the others.
"""

import concurrent.futures
import gzip
import os
import shutil
import subprocess
import sys

from ..hard_cases import CASES, WALKS
from ..hard_cases.case import Case
from ..hard_cases import objects
from ..processes import tail_of
from ..spans import Received
from . import recording

AT_ONCE = 4
WAYS = {"replay": [], "replay at the end": ["--shuffle", "0"], "replay shuffled": ["--shuffle", "7"]}


def play_and_judge(world):
    world.source.add_chart(objects.CHART, "0.1.0", objects.TEMPLATES, objects.VALUES)
    chosen = {name: case for name, case in {**CASES, **WALKS}.items() if name in (world.chosen_cases or CASES)}
    cases = [Case(world, name, play) for name, (play, _) in chosen.items()]
    together = [case for case in cases if not chosen[case.name][1]]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(_play, together))
    for case in cases:
        if case not in together:
            _play(case)
    for case in cases:
        world.report.say(f" - {case.name}")
        if world.report.check(f"{case.name}: was played to its end", case.error is None, "no error", case.error):
            _judge(world, case)
    received = {case.name: case.live() for case in cases}
    told_twice = [(name, pair) for name, live in received.items() for pair in live.conflicts]
    world.report.check("hard cases: no span was sent twice with other content", not told_twice, "none", told_twice[:3])


def _play(case):
    case.world.report.say(f"   playing {case.name}")
    try:
        case.start()
        try:
            case.play(case)
        finally:
            case.stop()
    except Exception as error:  # noqa: BLE001 - what goes wrong in one case is that case's failure alone
        case.error = f"{type(error).__name__}: {error}"
    case.world.report.say(f"   played {case.name}")


def _judge(world, case):
    report = world.report
    outputs = {"live": world.collector.files[case.namespace]}
    for way, flags in WAYS.items():
        output, log = os.path.join(case.folder, way.replace(" ", "-") + ".out"), os.path.join(case.folder, "replay.log")
        with open(log, "wb") as stream:
            done = subprocess.run([world.subject.binary, "replay", "--stream", case.stream, "--output", output, "--no-waterfall", *flags],
                                  stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, timeout=600, check=False)
        if report.check(f"{case.name}: {way} ends with status 0", done.returncode == 0, 0, f"{done.returncode}\n{tail_of(log)}"):
            outputs[way] = output
    for way, output in outputs.items():
        judges = () if case.name in WALKS else ("recordings/check-truth", "recordings/check-details")
        for judge in (*judges, "replay/check_posts.py"):
            apart = ["--watched-apart"] if way == "live" and judge.endswith("check_posts.py") else []
            done = subprocess.run([sys.executable, "-B", os.path.join(world.repository, "tests", judge), case.folder, output, *apart],
                                  capture_output=True, text=True, timeout=600, check=False)
            report.check(f"{case.name}: {os.path.basename(judge)} of {way}", done.returncode == 0, "exit status 0", done.stdout + done.stderr)
    if "replay" in outputs:
        live, replayed = case.live(), Received(outputs["replay"])
        report.equal(f"{case.name}: live and replay have the same traces", live.trace_ids(), replayed.trace_ids())
        for trace_id in sorted(live.trace_ids() & replayed.trace_ids()):
            recording.compare(report, f"{case.name} {trace_id[:8]}", live.trace(trace_id), replayed.trace(trace_id))
    if world.bundle:
        _bundle(case, os.path.join(world.bundle, case.name))


def _bundle(case, folder):
    """Packs the recording as the bundled ones are."""
    os.makedirs(folder, exist_ok=True)
    for name in ("stream.jsonl", "posts.jsonl"):
        with open(os.path.join(case.folder, name), "rb") as plain, open(os.path.join(folder, name + ".gz"), "wb") as packed, \
                gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as stream:
            shutil.copyfileobj(plain, stream)
    for name in ("truth.json", "README.md"):
        shutil.copy(os.path.join(case.folder, name), folder)
