#!/usr/bin/env python3
"""From Events alone, and from Events and posts alone, the program sends the same runs as it goes as at the end.

usage: tests/replay/messages_alone_test.py PROGRAM RECORDINGS_DIR
"""
import os
import subprocess
import sys
import tempfile

import partial
from recording import find, lines


def runs(program, stream, output, flags):
    """IDs and outcomes of the runs it sends."""
    ended = subprocess.run([program, "replay", "--stream", stream, "--output", output, "--no-waterfall", *flags], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"replay ended with status {ended.returncode}:\n{ended.stdout}")
    found = set()
    for line in lines(output):
        for resource in line["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    said = {each["key"]: each["value"].get("stringValue") for each in span["attributes"]}
                    if said.get("flux.span.kind") == "run":
                        found.add((span["traceId"], span["spanId"], span["name"], said.get("flux.outcome")))
    return found


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, recordings = sys.argv[1:]
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        stream, output = os.path.join(place, "events.jsonl"), os.path.join(place, "output.jsonl")
        for name in sorted(each for each in os.listdir(recordings) if each.startswith("s")):
            folder = os.path.join(recordings, name)
            partial.without_objects(folder, stream)
            for way, flags in (("Events", []), ("Events and posts", ["--posts", find(folder, "posts.jsonl")])):
                live, at_end = (runs(program, stream, output, more + flags) for more in ([], ["--shuffle", "0"]))
                right = bool(live) and live == at_end
                wrong += not right
                print(f"{'ok   ' if right else 'WRONG'} {name}, {way}: {len(live)} runs live, {len(at_end)} at the end, "
                      f"{len(live & at_end)} the same")
    sys.exit(1 if wrong else 0)


main()
