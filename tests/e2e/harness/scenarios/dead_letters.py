"""What a backend refuses for good is sent again from the dead letters, by the command that docs/exporting.md tells."""

import glob
import os
import shutil
import subprocess

from ..waiting import until
from . import content
from .commits import push, settled


def documented_command(repository):
    """Returns the loop of docs/exporting.md, as a user would paste it."""
    with open(os.path.join(repository, "docs", "exporting.md"), encoding="utf-8") as stream:
        return next(line.strip() for line in stream if line.startswith("    for letter in DIR/"))


def dead_letters(world, route, collector, read):
    """`route` leads to an endpoint that refuses it; `read(trace_id)` returns what the collector's endpoint for letters shows."""
    report = world.report
    if not shutil.which("curl"):
        report.skip("dead letters are sent again by the documented command", "curl is not installed")
        return
    route.apply(world.admin)
    commit = push(world, content.files(web="302", frontend="5"), "feat: refused by one backend")
    world.await_applied("app", commit)
    world.await_trace(commit)
    settled(world)
    folder = world.subject.dead_letters

    def letters():
        return glob.glob(os.path.join(folder, f"*{commit.trace_id}.otlp.json"))

    until("the refused trace to be a dead letter", letters, 30, logs=[world.subject.child])
    command = documented_command(world.repository).replace("DIR", folder).replace("HOST:4318", f"127.0.0.1:{collector.ports['letters']}")
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=600, check=False)
    report.check("the command of docs/exporting.md sends the dead letters again", done.returncode == 0, "no error", done.stderr)
    report.equal("and removes what was taken, with the reasons", os.listdir(folder), [])
    wanted = route.read(commit.trace_id)
    shown = {}

    def same():
        shown.clear()
        shown.update(read(commit.trace_id))
        return shown == wanted

    until(f"the {len(wanted)} spans of the letters at the backend", same, 30, 0.3)
    report.check(f"the backend has the same {len(wanted)} spans from the letters", bool(wanted), "the reference's spans", wanted)
