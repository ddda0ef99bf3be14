#!/usr/bin/env python3
"""Replay one recording in every way and hold each output against its ground truth.

usage: tests/recordings/replay_all_ways.py PROGRAM FOLDER

Live (settling as it goes), assembled at the end, and shuffled must each give the truth. The two assembled at the end must
be the same set of spans, byte for byte.
"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WAYS = {
    "live": [],
    "live, with posts": ["--posts", "posts.jsonl.gz"],
    "at the end": ["--shuffle", "0"],
    "shuffled": ["--shuffle", "7"],
    "shuffled, with posts": ["--shuffle", "8", "--posts", "posts.jsonl.gz"],
}


def spans_of(path):
    """Every span with its resource as text, sorted: what order of arrival must not change."""
    found = []
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            for resource in json.loads(line)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    found += [json.dumps([resource["resource"], span], sort_keys=True) for span in scope["spans"]]
    return sorted(found)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, folder = sys.argv[1:]
    wrong, outputs = [], {}
    with tempfile.TemporaryDirectory() as place:
        for number, (way, flags) in enumerate(WAYS.items()):
            output = os.path.join(place, f"{number}.jsonl")
            flags = [os.path.join(folder, flag) if flag.endswith(".gz") else flag for flag in flags]
            replay = subprocess.run([program, "replay", "--stream", os.path.join(folder, "stream.jsonl.gz"), "--output", output,
                                     "--no-waterfall", *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    text=True, check=False)
            if replay.returncode != 0:
                wrong.append(way)
                print(f"{way}: replay ended with status {replay.returncode}\n{replay.stdout}")
                continue
            for judge in ("check-truth", "check-details"):
                judged = subprocess.run([sys.executable, "-B", os.path.join(HERE, judge), folder, output], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, check=False)
                print(f"{way}: {judged.stdout}", end="")
                if judged.returncode != 0:
                    wrong.append(f"{way}, by {judge}")
            outputs[way] = spans_of(output)
    if outputs.get("at the end") != outputs.get("shuffled"):
        wrong.append("at the end and shuffled differ")
    for way in wrong:
        print("WRONG " + way)
    sys.exit(1 if wrong else 0)


main()
