"""The definitions, deploy/base and the examples against an API server of their own: tests/deploy/against_api_server.py, check by check."""

import os
import subprocess
import sys

LIMIT = 900  # seconds: it waits for much that has limits of its own


def definitions(world):
    report = world.report
    script = os.path.join(world.repository, "tests", "deploy", "against_api_server.py")
    run = subprocess.run([sys.executable, script, world.programs], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT)
    lines = run.stdout.splitlines()
    checks = 0
    for at, line in enumerate(lines):
        if line.startswith(("PASS  ", "FAIL  ")):
            checks += 1
            report.check(line[6:], line.startswith("PASS"), "it to hold", lines[at + 1].strip() if at + 1 < len(lines) else "nothing")
    report.check("the script came to its end", run.returncode == 0 and checks > 0, "exit status 0", f"{run.returncode}, last: {lines[-1:]}")
