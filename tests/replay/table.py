#!/usr/bin/env python3
"""How much of each recording comes out right, each way it can be replayed, and with two naive readings beside it: a Markdown table.

usage: tests/replay/table.py [--program PROGRAM] [--recordings DIR] [--cuts N]

  --program     default build/trace-controller
  --recordings  default tests/recordings; files may be plain or .gz
  --cuts        at how many places, evenly spread, the process is restarted (default 10)

A cell says: runs right/expected +extra · durations right/compared · workloads right/expected, as check-truth counts them; "N wrong"
are runs that are there but not as they should be, the rest is missing. "Restarted" is what the second process sends alone, summed over
the cuts: what was over before it came is missing from it. From Events and posts alone nobody can read labels and specs, so parents are
wrong there; the naive reading of annotations is given them.
Exit status: 1 when an output made from objects is not all right, when a restart makes a run wrong, or when any output of the program has
an extra run, which is one in a wrong trace; 2 when something cannot be read.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

import partial
from recording import BadInput, find

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
FIGURES = re.compile(r"runs (\d+)/(\d+) right, (\d+) extra, .*durations (\d+)/(\d+); workloads (\d+)/(\d+)")
WHOLE = {"live": [], "live, posts": ["--posts"], "at the end": ["--shuffle", "0"], "shuffled": ["--shuffle", "7"]}
PART = ["Events only", "Events and posts only", "restarted"]
NAIVE = {"naive: annotation": "events", "naive: flat": "flat"}


class Score:
    """Sums of what check-truth counted."""

    def __init__(self, figures=(0,) * 7, missing=0, status=0):
        self.figures, self.missing, self.right = list(figures), missing, status == 0

    def __iadd__(self, other):
        self.figures = [one + two for one, two in zip(self.figures, other.figures)]
        self.missing += other.missing
        self.right &= other.right
        return self

    @property
    def wrong(self):
        return self.figures[1] - self.figures[0] - self.missing

    def __str__(self):
        right, expected, extra, durations, compared, workloads, wanted = self.figures
        wrong = f" ({self.wrong} wrong)" if self.wrong else ""
        return f"{right}/{expected}{wrong} +{extra} · {durations}/{compared} · {workloads}/{wanted}"


class Bench:
    def __init__(self, program, place, cuts):
        self.program, self.cuts = program, cuts
        self.input, self.output = os.path.join(place, "input.jsonl"), os.path.join(place, "output.jsonl")

    def replay(self, folder, stream, flags):
        flags = [part for flag in flags for part in ([flag, find(folder, "posts.jsonl")] if flag == "--posts" else [flag])]
        ended = subprocess.run([self.program, "replay", "--stream", stream, "--output", self.output, "--no-waterfall", *flags],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if ended.returncode != 0:
            raise BadInput(f"replay of {folder} ended with status {ended.returncode}:\n{ended.stdout}")
        return self.judge(folder)

    def judge(self, folder):
        ended = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "tests", "recordings", "check-truth"), folder, self.output],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        found = FIGURES.search(ended.stdout)
        if not found:
            raise BadInput(f"check-truth cannot judge {folder}:\n{ended.stdout}{ended.stderr}")
        return Score(map(int, found.groups()), ended.stdout.count(": MISSING run "), ended.returncode)

    def row(self, folder):
        stream = find(folder, "stream.jsonl")
        cells = {way: self.replay(folder, stream, flags) for way, flags in WHOLE.items()}
        partial.without_objects(folder, self.input)
        cells["Events only"] = self.replay(folder, self.input, [])
        cells["Events and posts only"] = self.replay(folder, self.input, ["--posts"])
        total = partial.count(folder)
        cells["restarted"] = Score()
        for number in range(1, self.cuts + 1):
            partial.after_restart(folder, self.input, max(1, total * number // (self.cuts + 1)))
            cells["restarted"] += self.replay(folder, self.input, [])
        for way, reading in NAIVE.items():
            ended = subprocess.run([sys.executable, "-B", os.path.join(HERE, "naive.py"), reading, folder, self.output], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if ended.returncode != 0:
                raise BadInput(ended.stdout)
            cells[way] = self.judge(folder)
        return cells


def line(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def main():
    options = argparse.ArgumentParser(usage=__doc__.partition("usage: ")[2])
    options.add_argument("--program", default=os.path.join(ROOT, "build", "trace-controller"))
    options.add_argument("--recordings", default=os.path.join(ROOT, "tests", "recordings"))
    options.add_argument("--cuts", type=int, default=10)
    chosen = options.parse_args()
    ways = [*WHOLE, *PART, *NAIVE]
    sums, bad = {way: Score() for way in ways}, []
    try:
        folders = sorted(each for each in os.listdir(chosen.recordings) if os.path.exists(os.path.join(chosen.recordings, each, "truth.json")))
        if not folders:
            raise BadInput(f"{chosen.recordings} has no folder with a truth.json")
        with tempfile.TemporaryDirectory() as place:
            bench = Bench(chosen.program, place, chosen.cuts)
            print(line(["recording", *ways]))
            print(line(["---"] * (len(ways) + 1)))
            for each in folders:
                cells = bench.row(os.path.join(chosen.recordings, each))
                print(line([each, *(cells[way] for way in ways)]), flush=True)
                for way in ways:
                    sums[way] += cells[way]
                    if way in WHOLE and not cells[way].right or way in PART and cells[way].figures[2] or way == "restarted" and cells[way].wrong:
                        bad.append(f"{each}, {way}")
            print(line(["all", *(sums[way] for way in ways)]))
    except (BadInput, OSError) as error:
        print(f"table: {error}", file=sys.stderr)
        sys.exit(2)
    for each in bad:
        print(f"NOT RIGHT {each}", file=sys.stderr)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
