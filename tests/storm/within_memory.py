#!/usr/bin/env python3
"""Play a storm to `trace-controller run` as fast as it reads, with --memory-limit, a data directory and a backend that is away until all has
settled: the process must never take more than the limit, and once the backend is back every run of the truth must be there.

usage: tests/storm/within_memory.py STORM STORM_SERVER PROGRAM [--limit MIB] [--storm OPTIONS]
"""
import argparse
import os
import shlex
import sys
import tempfile
import time

import stand_in


def wait_until_settled(program, changes):
    """All changes wait for the backend, and nothing moves any more."""
    seen, since = None, time.monotonic()

    def settled():
        nonlocal seen, since
        books = program.books()
        if not books["balanced"]:
            raise AssertionError(f"the books do not balance: {books}")
        if books["traces"] != seen:
            seen, since = books["traces"], time.monotonic()
        trace = next(iter(books["traces"].values()), {"waiting": 0})
        return trace["waiting"] >= changes and time.monotonic() - since > 3
    stand_in.wait_for("the last change to settle", settled, 500)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    arguments.add_argument("programs", nargs=3, metavar="STORM STORM_SERVER PROGRAM")
    arguments.add_argument("--limit", type=int, default=128, help="MiB")
    arguments.add_argument("--storm", default="--sources 20 --commits 10", help="options of the storm")
    given = arguments.parse_args()
    storm, server, program = (os.path.abspath(each) for each in given.programs)
    with tempfile.TemporaryDirectory(prefix="tc-storm-") as place:
        recording, output = os.path.join(place, "storm"), os.path.join(place, "out.jsonl")
        status, text = stand_in.run([storm, "--output", recording, *shlex.split(given.storm)])
        print(text, end="")
        if status != 0:
            return 1
        with stand_in.Backend(output) as backend, \
                stand_in.StandIn(server, recording, place, stand_in.manifests(backend.port)) as api, \
                stand_in.Program(program, api.kubeconfig, place, api.backfill(), f"--memory-limit={given.limit}Mi",
                                 "--data-dir=" + os.path.join(place, "data")) as subject:
            backend.away = True
            api.play()
            stand_in.wait_for("the end of the storm", api.is_heard, 500)
            wait_until_settled(subject, stand_in.changes_of(api.judge))
            backend.away = False
            books = stand_in.wait_until_delivered(subject, backend)
            now, peak = subject.memory()
            print(f"memory {now:.0f} MiB, at most {peak:.0f} of {given.limit}; books: {books['traces']} {books['exporters']}")
            if any(each["dropped"] for each in books["traces"].values()):
                print("changes were dropped")
                return 1
            if "is not held" in subject.text() or peak > given.limit:
                print("the limit was not held")
                return 1
            if subject.end() != 0:
                print("the program did not end well: " + subject.text()[-2000:])
                return 1
        status, text = stand_in.check_truth(place, output)
        print("\n".join(text.splitlines()[-1:]))
        return status


sys.exit(main())
