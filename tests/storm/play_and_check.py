#!/usr/bin/env python3
"""Make a storm, replay it live, at the end and shuffled, and hold each output against the storm's truth.

usage: tests/storm/play_and_check.py STORM PROGRAM [storm's options]

A storm is synthetic, but its objects have the shapes and sizes of real ones and its controllers write in the order of the real
ones (bench/storm): many trees at once, with failures, retries, superseded commits and waits, at any seed.
"""
import os
import subprocess
import sys
import tempfile

CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "recordings", "check-truth")
WAYS = {"live": [], "live, with posts": ["--posts"], "at the end": ["--shuffle", "0"], "shuffled": ["--shuffle", "7"]}


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    storm, program, *options = sys.argv[1:]
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        status, text = run([storm, "--output", folder, *options])
        print(text, end="")
        if status != 0:
            sys.exit(1)
        for way, flags in WAYS.items():
            output = os.path.join(folder, "out.jsonl")
            flags = flags + ([os.path.join(folder, "posts.jsonl")] if flags == ["--posts"] else [])
            status, text = run([program, "replay", "--stream", os.path.join(folder, "stream.jsonl"), "--output", output, "--no-waterfall", *flags])
            if status != 0:
                print(f"{way}: replay ended with status {status}\n{text}")
                wrong.append(way)
                continue
            status, text = run([sys.executable, "-B", CHECK, folder, output])
            print(f"{way}: {text}", end="")
            if status != 0:
                wrong.append(way)
    for way in wrong:
        print("WRONG " + way)
    sys.exit(1 if wrong else 0)


main()
