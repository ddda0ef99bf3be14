"""Faults under a storm, on the stand-in API server (tests/storm/chaos.py, docs/storms.md): a bounded run; `make soak` has a longer one.

It has a cluster and a program of its own and mostly waits, so it is begun first and goes on beside the other scenarios.
"""

import os
import sys

from ..processes import tail_of

SECONDS = 60  # of storm
PATIENCE = 900  # the storm's end, its traces, and what a busy machine adds


def begin(world):
    """Starts it where its programs are built; chaos() says so where they are not."""
    build = os.path.join(world.repository, "build")
    programs = [os.path.join(build, "storm"), os.path.join(build, "storm_server"), world.subject.binary]
    world.chaos, world.chaos_lacks = None, [each for each in programs if not os.access(each, os.X_OK)]
    if not world.chaos_lacks:
        script = os.path.join(world.repository, "tests", "storm", "chaos.py")
        world.chaos = world.supervisor.start("chaos", [sys.executable, "-B", script, *programs, "--seconds", str(SECONDS)])


def chaos(world):
    report, child = world.report, world.chaos
    if not report.check("chaos: its programs are built", not world.chaos_lacks, "`scripts/build build storm storm_server` builds them",
                        world.chaos_lacks):
        return
    status = child.wait(PATIENCE)
    report.say(tail_of(child.log))
    report.equal("chaos: every run of the truth is in its trace, the books balance, memory is at rest: the exit status", status, 0)
