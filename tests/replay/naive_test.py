#!/usr/bin/env python3
"""The inputs and readings that table.py compares are what it says of them.

usage: tests/replay/naive_test.py RECORDINGS_DIR
"""
import json
import os
import sys
import tempfile

import naive
import partial
from recording import Recording, lines


def folder(recordings, begin):
    return next(os.path.join(recordings, each) for each in sorted(os.listdir(recordings)) if each.startswith(begin + "-"))


def expect(right, said):
    print(("ok    " if right else "WRONG ") + said)
    return 0 if right else 1


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    first, wrong = folder(sys.argv[1], "s01"), 0
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "made.jsonl")
        partial.without_objects(first, path)
        kinds = {line["object"]["kind"] for line in lines(path) if line["type"] != "BOOKMARK"}
        wrong += expect(kinds == {"Event"}, "without objects there are Events only")

        cut = partial.count(first) // 2
        partial.after_restart(first, path, cut)
        made = list(lines(path))
        names = [(line["object"]["kind"], line["object"]["metadata"]["name"]) for line in made[:cut] if line["type"] == "ADDED"]
        before = list(lines(os.path.join(first, "stream.jsonl.gz")))[:cut]
        latest = {}
        for line in before:
            if line["type"] != "BOOKMARK":
                latest[line["object"]["kind"], line["object"]["metadata"]["name"]] = line["object"]["metadata"]["resourceVersion"]
        listed = {(line["object"]["kind"], line["object"]["metadata"]["name"]): line["object"]["metadata"]["resourceVersion"]
                  for line in made if line["receivedAt"] == before[-1]["receivedAt"] and line["type"] == "ADDED"}
        wrong += expect(len(set(names)) == len(names), "after a restart each object is listed once")
        wrong += expect(listed and all(latest[each] == version for each, version in listed.items()), "in its last state before the cut")

        recording = Recording(first)
        flat = naive.flat(recording)
        wrong += expect(all(span.parent is None for spans in flat.values() for span in spans), "Flux's flat spans have no parent")
        naive.write(naive.believe_events(recording), path)
        spans = [span for line in lines(path) for resource in line["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]]
        roots = [span for span in spans if "parentSpanId" not in span]
        wrong += expect(len({span["traceId"] for span in spans}) == len(roots) == 3, "believed annotations make one root for each of three commits")
        wrong += expect(json.dumps(spans).count("ReconciliationSucceeded") == 9, "and a run for each of nine outcomes")
    sys.exit(1 if wrong else 0)


main()
