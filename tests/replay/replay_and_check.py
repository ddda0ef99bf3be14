#!/usr/bin/env python3
"""Replay one recording, without and with its HTTP events, and hold each output against those events and the objects.

usage: tests/replay/replay_and_check.py PROGRAM FOLDER
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, folder = sys.argv[1:]
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        output = os.path.join(place, "traces.jsonl")
        for way, flags in (("live", []), ("live, with posts", ["--posts", os.path.join(folder, "posts.jsonl.gz")])):
            steps = ([program, "replay", "--stream", os.path.join(folder, "stream.jsonl.gz"), "--output", output, "--no-waterfall", *flags],
                     [sys.executable, "-B", os.path.join(HERE, "check_posts.py"), folder, output])
            for step in steps:
                ended = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
                if ended.returncode != 0:
                    wrong.append(way)
                    print(f"{way}: {os.path.basename(step[0])} ended with status {ended.returncode}")
                    print(ended.stdout)
                    break
            else:
                print(f"{way}: {ended.stdout}")
    for way in wrong:
        print("WRONG " + way)
    sys.exit(1 if wrong else 0)


main()
