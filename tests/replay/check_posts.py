#!/usr/bin/env python3
"""Hold a trace output against what Flux's controllers posted and what the objects said.

usage: tests/replay/check_posts.py RECORDING_DIR TRACES.otlp.jsonl [--quiet] [--watched-apart]

The second judge beside check-truth, for what that one does not see: phases, HelmRelease actions, removals, waits, links, workload
times, messages. It reads posts.jsonl and stream.jsonl themselves (plain or .gz) and nothing of the product. Each rule prints what it
checked and a FAIL line for each thing that is wrong; with --quiet only rules that failed are printed. With --watched-apart the traces are
of a process that had watches of its own: on a busy machine it hears of a state up to 0.7 s earlier or later than the recorder did.
Exit status: 0 all right, 1 something is wrong, 2 an input cannot be read.
"""
import sys

import helm_rules
import kustomization_rules
import object_rules
import tree_rules
from recording import BadInput, MILLISECOND, Recording
from traces import Traces

WATCHED_APART = 700 * MILLISECOND
RULES = tree_rules.RULES + kustomization_rules.RULES + helm_rules.RULES + object_rules.RULES


def judge(recording, traces):
    return [rule(recording, traces) for rule in RULES]


def main():
    arguments = [each for each in sys.argv[1:] if each not in ("--quiet", "--watched-apart")]
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        recording, traces = Recording(arguments[0]), Traces(arguments[1])
    except BadInput as error:
        print(f"check_posts: {error}", file=sys.stderr)
        sys.exit(2)
    if "--watched-apart" in sys.argv:
        recording.near = recording.loose = WATCHED_APART
    verdicts = judge(recording, traces)
    for rule in verdicts:
        if rule.failures or "--quiet" not in sys.argv:
            print(rule.report())
    checks, failures = sum(rule.checked for rule in verdicts), sum(len(rule.failures) for rule in verdicts)
    print(f"{arguments[0].rstrip('/').split('/')[-1]}: {checks - failures}/{checks} checks right")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
