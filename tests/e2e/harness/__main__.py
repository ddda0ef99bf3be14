"""Runs the scenarios, in order, in one world. Started by tests/e2e/run."""

import argparse
import os
import shutil
import signal
import sys
import tempfile

from .hard_cases import CASES, WALKS
from .report import Report
from .scenarios import chaos, commits, definitions, failures, faults, hard_cases, recording, transports
from .world import World

# In the order in which they run; each leaves the cluster usable for the next, and later ones use the traces of earlier ones.
SCENARIOS = {
    "setup": ("the program starts under the RBAC of deploy/base", commits.setup),
    "commits": ("three commits and a HelmRelease upgrade are one true trace each", commits.three_commits),
    "replay": ("the recording of that run replays to the same traces", recording.replay),
    "status": ("the Trace's status tells what happened", commits.status),
    "faults": ("no fault loses a trace or doubles one", faults.all_faults),
    "provider": ("a missing Provider shows, heals, and loses nothing", failures.missing_provider),
    "validation": ("a wrong Trace is refused, the proposal's examples are not", failures.validation),
    "transports": ("the same traces through every protocol, credential and proxy, and through a rotation", transports.transports),
    "hard-cases": ("hard cases that the bundled recordings lack are true, live and replayed", hard_cases.play_and_judge),
    "definitions": ("definitions, RBAC and examples hold on a real API server", definitions.definitions),
    "chaos": ("a storm under every fault at once loses nothing and invents nothing", chaos.chaos),
    "shutdown": ("the books balance and SIGTERM drains", commits.shutdown),
}
ALWAYS = ("setup",)


def main():
    parser = argparse.ArgumentParser(prog="tests/e2e/run")
    parser.add_argument("--repository", required=True)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--binary", help="the program under test (default build/trace-controller)")
    parser.add_argument("--keep", action="store_true", help="keep the working folder with all logs")
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), help="run this scenario (and the set-up); may be repeated")
    parser.add_argument("--case", action="append", choices=[*CASES, *WALKS], metavar="CASE",
                        help="of the hard cases play this one, or a walk by chance (walk-1 to walk-99); may be repeated")
    parser.add_argument("--bundle", metavar="DIR", help="pack the recordings of the hard cases into this folder")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary or os.path.join(options.repository, "build", "trace-controller"))
    if not os.access(binary, os.X_OK):
        print(f"{binary} does not exist: run `make build` first")
        print("0 passed, 1 failed, 0 skipped")
        return 1

    # An interrupt or a hang-up ends everything that was started, like any other exception.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    work = tempfile.mkdtemp(prefix="trace-controller-e2e-")
    report = Report()
    world = World(options.repository, options.programs, binary, work, report, ["hard-" + name for name in options.case or CASES])
    world.chosen_cases, world.bundle = options.case, options.bundle and os.path.abspath(options.bundle)
    try:
        world.start()
        if not options.only or "chaos" in options.only:
            chaos.begin(world)
        for name, (title, function) in SCENARIOS.items():
            if options.only and name not in options.only and name not in ALWAYS:
                report.skip(title, "not chosen by --only")
                continue
            if not report.scenario(title, function, world) and name in ALWAYS:
                report.say("without the set-up nothing else can be tested")
                break
    except Exception as error:  # noqa: BLE001 - the world did not come up: everything is ended and the reason is shown
        report.check(f"the components start: {error}", False, "a running cluster", type(error).__name__)
    except (KeyboardInterrupt, SystemExit):
        report.check("the run came to its end", False, "no interruption", "a signal")
    finally:
        try:
            left = world.close()
            report.check("everything that was started has ended", not left, "nothing left", left)
        finally:
            if options.keep or report.failed:
                print(f"logs, the collector's files and the recording are kept in {work}")
            else:
                shutil.rmtree(work, ignore_errors=True)
    return report.close()


sys.exit(main())
