"""Faults under a storm, on the stand-in API server (tests/storm/chaos.py, docs/storms.md): a bounded run; `make soak` has a longer one."""

import os
import subprocess
import sys

SECONDS = 60


def chaos(world):
    build = os.path.join(world.repository, "build")
    programs = [os.path.join(build, "storm"), os.path.join(build, "storm_server"), world.subject.binary]
    missing = [each for each in programs if not os.access(each, os.X_OK)]
    if not world.report.check("chaos: its programs are built", not missing, "`scripts/build build storm storm_server` builds them", missing):
        return
    script = os.path.join(world.repository, "tests", "storm", "chaos.py")
    done = subprocess.run([sys.executable, "-B", script, *programs, "--seconds", str(SECONDS)], capture_output=True, text=True,
                          timeout=600, check=False)
    for line in done.stdout.splitlines():
        world.report.say("    " + line)
    world.report.check("chaos: every run of the truth is in its trace, the books balance, memory is at rest", done.returncode == 0, "exit status 0",
                       f"{done.returncode} {done.stderr[-2000:]}")
