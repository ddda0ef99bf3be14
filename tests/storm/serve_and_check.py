#!/usr/bin/env python3
"""Make a storm, play it through the stand-in API server to `trace-controller run`, and hold what its backend gets against the truth.

usage: tests/storm/serve_and_check.py STORM STORM_SERVER PROGRAM [--server OPTIONS] [--storm OPTIONS] [--program OPTIONS]
"""
import argparse
import os
import shlex
import sys
import tempfile
import time

import stand_in


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    arguments.add_argument("programs", nargs=3, metavar="STORM STORM_SERVER PROGRAM")
    for name in ("storm", "server", "program"):
        arguments.add_argument("--" + name, default="", help=f"further options of the {name}")
    arguments.add_argument("--folder", help="keep everything there")
    arguments.add_argument("--recording", help="a storm that was made before")
    arguments.add_argument("--settle-after", default="1s")
    given = arguments.parse_args()
    storm, server, program = (os.path.abspath(each) for each in given.programs)
    with tempfile.TemporaryDirectory(prefix="tc-storm-") as temporary:
        place = given.folder or temporary
        os.makedirs(place, exist_ok=True)
        recording = given.recording or os.path.join(place, "storm")
        if not given.recording:
            status, text = stand_in.run([storm, "--output", recording, *shlex.split(given.storm)])
            print(text, end="")
            if status != 0:
                return 1
        output = os.path.join(place, "out.jsonl")
        with stand_in.Backend(output) as backend, \
                stand_in.StandIn(server, recording, place, stand_in.manifests(backend.port, given.settle_after),
                                 *shlex.split(given.server)) as api, \
                stand_in.Program(program, api.kubeconfig, place, api.backfill(), *shlex.split(given.program)) as subject:
            began = time.monotonic()
            api.play()
            stand_in.wait_for("the end of the storm", api.is_heard, 3600)
            heard = time.monotonic() - began
            books = stand_in.wait_until_delivered(subject, backend, stand_in.changes_of(api.judge))
            done = time.monotonic() - began
            now, peak = subject.memory()
            told = api.status()
            print(f"{told['events']} events heard after {heard:.1f} s ({told['events'] / heard:.0f}/s), delivered after {done:.1f} s, "
                  f"processor {subject.processor_seconds():.1f} s, memory {now:.0f} MiB, at most {peak:.0f} MiB")
            print(f"stand-in: {told}")
            print(f"books: {books['traces']} {books['exporters']}")
            if subject.end() != 0:
                print("the program did not end well: " + subject.text()[-2000:])
                return 1
            backend.output.flush()
            status, text = stand_in.check_truth(api.judge, output)
            lines = text.splitlines()
            print("\n".join(lines[:20] + (["…"] if len(lines) > 21 else []) + lines[20:][-1:]))
            return status


sys.exit(main())
